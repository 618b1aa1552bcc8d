{{ events_of_one_order('package_shipped', held='case when ship_date is not null then 1 end') }}
