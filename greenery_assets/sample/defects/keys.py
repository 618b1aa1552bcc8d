"""Defects of keys, references, enumerations and signs in single rows (A15)."""

from greenery_assets.sample.defects.base import HOSTS, Defect, new_event, rows

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


def _duplicate(name: str, noun: str, table: str, eligible: str) -> Defect:
    return Defect(name, "A15", f"{noun} are there twice.", rows(eligible, _copy(table)))


DEFECTS = [
    _duplicate("duplicate_user", "Users", "users", USERS),
    _duplicate("duplicate_address", "Addresses", "addresses", ADDRESSES),
    _duplicate("duplicate_product", "Products", "products", PRODUCTS),
    _duplicate("duplicate_promo", "Promotions", "promos", PROMOS),
    _duplicate("duplicate_order", "Orders", "orders", ORDERS),
    _duplicate("duplicate_order_item", "Order items", "order_items", ITEMS),
    _duplicate("duplicate_event", "Page views", "events", PAGE_VIEWS),
    Defect(
        "missing_user_id",
        "A15",
        "New users have no user_id.",
        rows(USERS, _copy("users", "null as user_id")),
    ),
    Defect(
        "missing_address_id",
        "A15",
        "New addresses have no address_id.",
        rows(ADDRESSES, _copy("addresses", "null as address_id")),
    ),
    Defect(
        "missing_product_id",
        "A15",
        "New products have no product_id.",
        rows(PRODUCTS, _copy("products", "null as product_id")),
    ),
    Defect(
        "missing_promo_id",
        "A15",
        "New promotions have no promo_id.",
        rows(PROMOS, _copy("promos", "null as promo_id")),
    ),
    Defect(
        "missing_order_id",
        "A15",
        "New orders have no order_id.",
        rows(DELIVERED, _copy("orders", "null as order_id")),
    ),
    Defect(
        "missing_order_item_order",
        "A15",
        "New order items have no order_id.",
        rows(ITEMS, _copy("order_items", "null as order_id", "1 as quantity")),
    ),
    Defect(
        "missing_order_item_product",
        "A15",
        "New order items have no product_id.",
        rows(ITEMS, _copy("order_items", "null as product_id", "1 as quantity")),
    ),
    Defect(
        "missing_event_id",
        "A15",
        "Page views have no event_id.",
        rows(
            PAGE_VIEWS,
            "update events set event_id = null from victims where events.event_id = victims.event_id",
        ),
    ),
    Defect(
        "missing_session_id",
        "A15",
        "New page views have no session_id.",
        rows(HOSTS, new_event(session_id="null")),
    ),
    Defect(
        "missing_event_user",
        "A15",
        "New sessions of one page view have no user_id.",
        rows(HOSTS, new_event(user_id="null")),
    ),
    Defect(
        "missing_event_type",
        "A15",
        "New sessions of one event have no event_type, product or page.",
        rows(HOSTS, new_event(event_type="null", product_id="null", page_url="null")),
    ),
    Defect(
        "missing_event_time",
        "A15",
        "New sessions of one page view have no created_at.",
        rows(HOSTS, new_event(created_at="null")),
    ),
    Defect(
        "unknown_user_address",
        "A15",
        "Users live at an address that does not exist.",
        rows(USERS, "update users set address_id = id_1 from victims where users.user_id = victims.user_id"),
    ),
    Defect(
        "unknown_item_product",
        "A15",
        "Orders have a new item of a product that does not exist.",
        rows(
            ORDERS,
            """insert into order_items by name
               select order_id, id_1 as product_id, 1 as quantity from victims""",
        ),
    ),
    Defect(
        "unknown_item_order",
        "A15",
        "New order items belong to an order that does not exist.",
        rows(ITEMS, _copy("order_items", "id_1 as order_id")),
    ),
    Defect(
        "unknown_event_product",
        "A15",
        "New sessions view a product that does not exist.",
        rows(HOSTS, new_event(product_id="id_3", page_url="product_page(id_3)")),
    ),
    Defect(
        "unknown_event_order",
        "A15",
        "New sessions ship an order that does not exist.",
        rows(
            HOSTS,
            new_event(
                event_type="'package_shipped'",
                order_id="id_3",
                page_url="shipping_page(id_3)",
                product_id="null",
            ),
        ),
    ),
    Defect(
        "unknown_event_type",
        "A15",
        "New sessions of one event have the event_type wishlist.",
        rows(HOSTS, new_event(event_type="'wishlist'")),
    ),
    Defect(
        "unknown_promo_status",
        "A15",
        "Promotions have the status paused.",
        rows(
            PROMOS,
            "update promos set status = 'paused' from victims where promos.promo_id = victims.promo_id",
        ),
    ),
    Defect(
        "negative_price",
        "A15",
        "New products, which nobody saw, have the price -1.00.",
        rows(PRODUCTS, _copy("products", "id_1 as product_id", "-1 as price")),
    ),
    Defect(
        "negative_inventory",
        "A15",
        "Products have the inventory -1.",
        rows(
            PRODUCTS,
            "update products set inventory = -1 from victims where products.product_id = victims.product_id",
        ),
    ),
    Defect(
        "negative_discount",
        "A15",
        "New promotions, which nobody used, have the discount -1.00.",
        rows(PROMOS, _copy("promos", "'negative-' || n as promo_id", "-1 as discount", "'inactive' as status")),
    ),
]
