"""Defects of events and sessions, and of their agreement with orders."""

from greenery_assets.sample.defects.base import HOSTS, OTHER_PRODUCTS, OTHER_USERS, in_rows, new_event, set_in

CHECKOUTS = """
    select events.*, orders.created_at as ordered_at
    from events join orders using (order_id)
    where event_type = 'checkout'
    order by events.created_at, event_id"""
SHIPMENTS = """
    select events.*, orders.created_at as ordered_at
    from events join orders using (order_id)
    where event_type = 'package_shipped'
      and events.created_at < (select max(created_at) from events) - interval 1 minute
      and orders.created_at > (select min(created_at) from events) + interval 2 hours
    order by events.created_at, event_id"""
# One page view of each session that checked out.
BUYING_PAGE_VIEWS = """
    select views.*, checkouts.order_id as session_order_id
    from events as views
    join events as checkouts using (session_id)
    where views.event_type = 'page_view' and checkouts.event_type = 'checkout'
      and views.order_id is null and checkouts.order_id is not null
    qualify row_number() over (partition by session_id order by views.created_at, views.event_id) = 1
    order by views.created_at, views.event_id"""
PAGE_VIEWS_WITH_OTHER_PRODUCT = f"""
    with {OTHER_PRODUCTS}
    select event_id, other_product_id from events join other_products using (product_id)
    where event_type = 'page_view'
    order by created_at, event_id"""
# Only sessions that did not check out: in the others, the intruder's view would also lack an order.
SESSIONS_WITH_OTHER_USER = f"""
    with {OTHER_USERS},
    sessions as (
        select session_id, min(user_id) as user_id, min(product_id) as product_id,
               min(created_at) as started_at, max(created_at) as ended_at
        from events
        group by session_id
        having count(order_id) = 0 and count(distinct user_id) = 1)
    select session_id, other_user_id, product_id,
           date_trunc('second', started_at + (ended_at - started_at) / 2) as created_at
    from sessions join other_users using (user_id)
    where ended_at - started_at between interval 4 seconds and interval 1 hour
    order by started_at, session_id"""
UNDELIVERED_CHECKOUTS = """
    select event_id from events join orders using (order_id)
    where event_type = 'checkout' and status <> 'delivered'
      and orders.created_at < (select max(created_at) from orders)
    order by orders.created_at, order_id"""
ORDERED_CART_EVENTS = """
    select carts.session_id, carts.product_id
    from order_items
    join events as checkouts on checkouts.order_id = order_items.order_id
                            and checkouts.event_type = 'checkout'
    join events as carts on carts.session_id = checkouts.session_id
                        and carts.product_id = order_items.product_id and carts.event_type = 'add_to_cart'
    qualify row_number() over (partition by order_items.order_id order by carts.product_id) = 1
    order by checkouts.created_at, order_items.order_id"""
LONG_SESSION_HOSTS = f"""
    from ({HOSTS})
    where created_at < (select max(created_at) from events) - interval 25 hours
    order by created_at, event_id"""


def _set(assignments: str) -> str:
    return set_in("events", "event_id", assignments)


def _again(event_type: str, created_at: str) -> str:
    """Return the statement that adds the chosen events once more, at another time."""
    return new_event(
        session_id="session_id",
        page_url="page_url",
        created_at=created_at,
        event_type=f"'{event_type}'",
        order_id="order_id",
    )


def _checkout(page_url: str, order_id: str) -> str:
    """Return the statement that adds a checkout to each new session."""
    return new_event(
        event_id="id_3",
        page_url=page_url,
        created_at="created_at + interval 30 seconds",
        event_type="'checkout'",
        order_id=order_id,
        product_id="null",
    )


DEFECTS = [
    in_rows(
        "event_of_unknown_user", "A01", "New sessions of one page view by a user who does not exist.", HOSTS,
        new_event(user_id="id_3"),
    ),
    in_rows(
        "second_checkout", "A03",
        "Orders have a second checkout event in the same session, some seconds after the first.",
        CHECKOUTS, _again("checkout", "ordered_at"),
    ),
    in_rows(
        "second_shipment", "A04",
        "Shipped orders have a second package_shipped event in the same session, a minute later.",
        SHIPMENTS, _again("package_shipped", "created_at + interval 1 minute"),
    ),
    in_rows(
        "order_id_on_page_view", "A05", "Page views of sessions that checked out carry the session's order_id.",
        BUYING_PAGE_VIEWS, _set("order_id = session_order_id"),
    ),
    in_rows(
        "checkout_without_order", "A06", "New sessions check out without an order_id.", HOSTS,
        new_event(), _checkout("'https://greenery.com/checkout/'", "null"),
    ),
    in_rows(
        "session_of_two_users", "A08", "Sessions hold a page view by another user.", SESSIONS_WITH_OTHER_USER,
        new_event(session_id="session_id", user_id="other_user_id"),
    ),
    in_rows(
        "checkout_of_unknown_order", "A09", "New sessions check out an order that does not exist.", HOSTS,
        # The host's own id can serve as an order's: no order has it.
        new_event(), _checkout("checkout_page(event_id)", "event_id"),
    ),
    in_rows(
        "order_without_checkout", "A09", "Orders that are not delivered yet have lost their checkout event.",
        UNDELIVERED_CHECKOUTS, "delete from events where event_id in (select event_id from victims)",
    ),
    in_rows(
        "shipped_before_checkout", "A10", "Package_shipped events lie an hour before their order.", SHIPMENTS,
        _set("created_at = ordered_at - interval 1 hour"),
    ),
    in_rows(
        "ordered_but_not_in_cart", "A13", "Orders hold a product whose add_to_cart event is gone.", ORDERED_CART_EVENTS,
        """delete from events where event_type = 'add_to_cart'
           and (session_id, product_id) in (select (session_id, product_id) from victims)""",
    ),
    in_rows(
        "page_url_of_another_product", "A14", "Page views have the page_url of another product.",
        PAGE_VIEWS_WITH_OTHER_PRODUCT, _set("page_url = product_page(other_product_id)"),
    ),
    in_rows(
        "session_of_a_day", "A18", "New sessions have two page views, 25 hours apart.", LONG_SESSION_HOSTS,
        new_event(), new_event(event_id="id_3", created_at="created_at + interval 25 hours"),
    ),
]  # fmt: skip
