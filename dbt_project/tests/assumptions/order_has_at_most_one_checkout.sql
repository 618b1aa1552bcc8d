{{ events_of_one_order('checkout', held='number_of_checkouts') }}
