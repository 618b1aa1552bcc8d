"""Defects of keys, references, enumerations and signs in single rows (A15)."""

from greenery_assets.sample.defects.base import HOSTS, in_rows, new_event, set_in

PAGE_VIEWS = "select * from events where event_type = 'page_view' order by created_at, event_id"
USERS = "select * from users order by created_at, user_id"
ADDRESSES = "select * from addresses order by address_id"
PRODUCTS = "select * from products order by product_id"
PROMOS = "select * from promos order by promo_id"
ORDERS = "select * from orders order by created_at, order_id"
ITEMS = "select * from order_items order by order_id, product_id"
DELIVERED = "select * from orders where status = 'delivered' order by created_at, order_id"


def _copy(table: str, *replaced: str) -> str:
    """Return the statement that adds a copy of each victim, with some columns replaced."""
    replacement = f"replace ({', '.join(replaced)})" if replaced else ""
    return f"""insert into {table} by name
        select * exclude (n, id_1, id_2, id_3) {replacement} from victims"""


DEFECTS = [
    in_rows("duplicate_user", "A15", "Users are there twice.", USERS, _copy("users")),
    in_rows("duplicate_address", "A15", "Addresses are there twice.", ADDRESSES, _copy("addresses")),
    in_rows("duplicate_product", "A15", "Products are there twice.", PRODUCTS, _copy("products")),
    in_rows("duplicate_promo", "A15", "Promotions are there twice.", PROMOS, _copy("promos")),
    in_rows("duplicate_order", "A15", "Orders are there twice.", ORDERS, _copy("orders")),
    in_rows("duplicate_order_item", "A15", "Order items are there twice.", ITEMS, _copy("order_items")),
    in_rows("duplicate_event", "A15", "Page views are there twice.", PAGE_VIEWS, _copy("events")),
    in_rows("missing_user_id", "A15", "New users have no user_id.", USERS, _copy("users", "null as user_id")),
    in_rows(
        "missing_address_id", "A15", "New addresses have no address_id.", ADDRESSES,
        _copy("addresses", "null as address_id"),
    ),
    in_rows(
        "missing_product_id", "A15", "New products have no product_id.", PRODUCTS,
        _copy("products", "null as product_id"),
    ),
    in_rows("missing_promo_id", "A15", "New promotions have no promo_id.", PROMOS, _copy("promos", "null as promo_id")),
    in_rows("missing_order_id", "A15", "New orders have no order_id.", DELIVERED, _copy("orders", "null as order_id")),
    in_rows(
        "missing_order_item_order", "A15", "New order items have no order_id.", ITEMS,
        _copy("order_items", "null as order_id", "1 as quantity"),
    ),
    in_rows(
        "missing_order_item_product", "A15", "New order items have no product_id.", ITEMS,
        _copy("order_items", "null as product_id", "1 as quantity"),
    ),
    in_rows(
        "missing_event_id", "A15", "Page views have no event_id.", PAGE_VIEWS,
        set_in("events", "event_id", "event_id = null"),
    ),
    in_rows(
        "missing_session_id", "A15", "New page views have no session_id.", HOSTS, new_event(session_id="null"),
    ),
    in_rows(
        "missing_event_user", "A15", "New sessions of one page view have no user_id.", HOSTS,
        new_event(user_id="null"),
    ),
    in_rows(
        "missing_event_type", "A15", "New sessions of one event have no event_type, product or page.", HOSTS,
        new_event(event_type="null", product_id="null", page_url="null"),
    ),
    in_rows(
        "missing_event_time", "A15", "New sessions of one page view have no created_at.", HOSTS,
        new_event(created_at="null"),
    ),
    in_rows(
        "unknown_user_address", "A15", "Users live at an address that does not exist.", USERS,
        set_in("users", "user_id", "address_id = id_1"),
    ),
    in_rows(
        "unknown_item_product", "A15", "Orders have a new item of a product that does not exist.", ORDERS,
        "insert into order_items by name select order_id, id_1 as product_id, 1 as quantity from victims",
    ),
    in_rows(
        "unknown_item_order", "A15", "New order items belong to an order that does not exist.", ITEMS,
        _copy("order_items", "id_1 as order_id"),
    ),
    in_rows(
        "unknown_event_product", "A15", "New sessions view a product that does not exist.", HOSTS,
        new_event(product_id="id_3", page_url="product_page(id_3)"),
    ),
    in_rows(
        "unknown_event_order", "A15", "New sessions ship an order that does not exist.", HOSTS,
        new_event(
            event_type="'package_shipped'", order_id="id_3", page_url="shipping_page(id_3)", product_id="null"
        ),
    ),
    in_rows(
        "unknown_event_type", "A15", "New sessions of one event have the event_type wishlist.", HOSTS,
        new_event(event_type="'wishlist'"),
    ),
    in_rows(
        "unknown_promo_status", "A15", "Promotions have the status paused.", PROMOS,
        set_in("promos", "promo_id", "status = 'paused'"),
    ),
    in_rows(
        "negative_price", "A15", "New products, which nobody saw, have the price -1.00.", PRODUCTS,
        _copy("products", "id_1 as product_id", "-1 as price"),
    ),
    in_rows(
        "negative_inventory", "A15", "Products have the inventory -1.", PRODUCTS,
        set_in("products", "product_id", "inventory = -1"),
    ),
    in_rows(
        "negative_discount", "A15", "New promotions, which nobody used, have the discount -1.00.", PROMOS,
        _copy("promos", "'negative-' || n as promo_id", "-1 as discount", "'inactive' as status"),
    ),
]  # fmt: skip
