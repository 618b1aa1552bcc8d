"""Defects of orders: whose they are, what they cost, what they hold, how far they got."""

from greenery_assets.sample.defects.base import OTHER_USERS, in_rows, set_in

ORDERS = "select * from orders where order_id is not null order by created_at, order_id"
ORDERS_WITH_OTHER_USER = f"""
    with {OTHER_USERS}
    select order_id, other_user_id from orders join other_users using (user_id)
    order by created_at, order_id"""
DELIVERED = """
    select orders.order_id, events.created_at as shipped_at
    from orders join events using (order_id)
    where status = 'delivered' and event_type = 'package_shipped'
    order by orders.created_at, orders.order_id"""
# One item of each order of several, where the order can do without it.
SPARE_ITEMS = """
    select order_id, product_id, quantity * price as amount
    from order_items join products using (product_id) join orders using (order_id)
    where order_total >= quantity * price and quantity > 0
    qualify count(*) over (partition by order_id) > 1
        and row_number() over (partition by order_id order by product_id) = 1
    order by orders.created_at, order_id"""
TAKE_AMOUNT_OFF = """
    update orders set order_cost = order_cost - amount, order_total = order_total - amount
    from victims where orders.order_id = victims.order_id"""
WITHOUT_PROMO = "select * from orders where promo_id is null and order_id is not null order by created_at, order_id"
SHIPPING_TO_SPARE = """
    select * from orders where order_total - shipping_cost - 1 >= 0 and shipping_cost >= 0
    order by created_at, order_id"""


def _of_status(status: str) -> str:
    return f"select * from orders where status = '{status}' order by created_at, order_id"


def _set(assignments: str) -> str:
    return set_in("orders", "order_id", assignments)


DEFECTS = [
    in_rows(
        "order_of_unknown_user", "A02", "Orders belong to a user who does not exist.", ORDERS,
        _set("user_id = id_1"),
    ),
    in_rows(
        "checkout_by_another_user", "A09", "Orders belong to another known user than their events.",
        ORDERS_WITH_OTHER_USER, _set("user_id = other_user_id"),
    ),
    in_rows(
        "delivered_before_shipped", "A10", "Orders were delivered a minute before their package_shipped event.",
        DELIVERED, _set("delivered_at = shipped_at - interval 1 minute"),
    ),
    in_rows(
        "status_disagrees", "A11", "Delivered orders have the status shipped.", DELIVERED,
        _set("status = 'shipped'"),
    ),
    in_rows(
        "order_cost_wrong", "A12", "Orders cost a dollar more than their items; the total still adds up.", ORDERS,
        _set("order_cost = orders.order_cost + 1, order_total = orders.order_total + 1"),
    ),
    in_rows(
        "order_total_wrong", "A12", "Order totals are a dollar more than cost, shipping and discount make.", ORDERS,
        _set("order_total = orders.order_total + 1"),
    ),
    in_rows(
        "in_cart_but_not_ordered", "A13", "Orders have lost an item that was put in the cart, and its amount.",
        SPARE_ITEMS,
        "delete from order_items where (order_id, product_id) in (select (order_id, product_id) from victims)",
        TAKE_AMOUNT_OFF,
    ),
    in_rows(
        "unknown_order_status", "A15", "Orders in preparation have the status lost.", _of_status("preparing"),
        _set("status = 'lost'"),
    ),
    in_rows(
        "unknown_shipping_service", "A15", "Shipped orders go by a service that does not exist.", _of_status("shipped"),
        _set("shipping_service = 'pigeon'"),
    ),
    in_rows(
        "unknown_order_address", "A15", "Orders go to an address that does not exist.", ORDERS,
        _set("address_id = id_1"),
    ),
    in_rows(
        "unknown_promo", "A15", "Orders name a promotion that does not exist.", WITHOUT_PROMO,
        _set("promo_id = 'unknown-' || n"),
    ),
    in_rows("missing_order_user", "A15", "Orders have no user_id.", ORDERS, _set("user_id = null")),
    in_rows("missing_order_time", "A15", "Orders have no created_at.", ORDERS, _set("created_at = null")),
    in_rows(
        "negative_shipping_cost", "A15", "Orders have a shipping cost of -1.00, and a total to match.",
        SHIPPING_TO_SPARE, _set("shipping_cost = -1, order_total = orders.order_total - orders.shipping_cost - 1"),
    ),
    in_rows(
        "non_positive_quantity", "A15", "Order items have the quantity 0, and their orders cost less to match.",
        SPARE_ITEMS,
        """update order_items set quantity = 0 from victims
           where order_items.order_id = victims.order_id and order_items.product_id = victims.product_id""",
        TAKE_AMOUNT_OFF,
    ),
]  # fmt: skip
