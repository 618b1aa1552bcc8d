"""The orders that buying visits end in: what was ordered, what it cost, how far its parcel got.

Everything known after the cut-off (the end of the last day) is left out, as an export would.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from greenery_assets.sample.catalogue import PROMOS, Catalogue
from greenery_assets.sample.columns import (
    Ids,
    Ints,
    Mask,
    label_column,
    random_uuids,
    timestamp_column,
    uuid_column,
)
from greenery_assets.sample.people import People
from greenery_assets.sample.plan import DAY_SECONDS
from greenery_assets.sample.visits import ADD_TO_CART, SHIPPING_HOURS, Visits

STATUSES = ["preparing", "shipped", "delivered"]
SHIPPING_SERVICES = ["ups", "fedex", "usps", "dhl"]
SERVICE_SHARES = [0.50, 0.29, 0.18, 0.03]
LARGEST_QUANTITY = 4
PROMO_SHARE = 0.11
SHIPPING_CENTS = (100, 999)
DELIVERY_DAYS = (1, 7)
ESTIMATE_DAYS = (1, 5)
NO_ESTIMATE_SHARE = 0.06
LOST_SHARE = 0.02
TO_OWN_ADDRESS_SHARE = 0.8


@dataclass(frozen=True)
class Orders:
    """A block of orders, in the order of the visits' buying sessions, and their tables.

    `checkout`, `created` and `shipped` are seconds since 1970; `shipped` counts where `is_shipped`.
    Money in the tables is in cents.
    """

    ids: Ids
    checkout: Ints
    shipped: Ints
    is_shipped: Mask
    orders_table: pa.Table
    items_table: pa.Table


def draw_orders(rng: np.random.Generator, visits: Visits, people: People, catalogue: Catalogue, cut_off: int) -> Orders:
    """Draw one order for each buying session of `visits`, as known at `cut_off` (seconds since 1970)."""
    count = len(visits.checkout_gaps)
    ids = random_uuids(rng, count)
    buyers = visits.session_users[:count]
    checkout = visits.session_ends[:count] + visits.checkout_gaps
    created = checkout + visits.order_gaps
    shipped = created + rng.integers(*SHIPPING_HOURS, count, endpoint=True) * 3_600
    delivered = created + rng.integers(*DELIVERY_DAYS, count, endpoint=True) * DAY_SECONDS
    estimate = created + rng.integers(*ESTIMATE_DAYS, count, endpoint=True) * DAY_SECONDS
    is_shipped = shipped <= cut_off
    is_delivered = (delivered <= cut_off) & (rng.random(count) >= LOST_SHARE)
    has_estimate = is_shipped & (rng.random(count) >= NO_ESTIMATE_SHARE)

    order, product = _cart(visits, count)
    quantity = rng.integers(1, LARGEST_QUANTITY, len(order), endpoint=True)
    cost = np.bincount(order, quantity * catalogue.price_cents[product], count).astype(np.int64)
    shipping = rng.integers(*SHIPPING_CENTS, count, endpoint=True)
    promo = rng.integers(0, len(PROMOS), count)
    # A promotion cannot pay out: it is used only where the order is worth more.
    uses_promo = (rng.random(count) < PROMO_SHARE) & (catalogue.discount_cents[promo] <= cost + shipping)
    discount = np.where(uses_promo, catalogue.discount_cents[promo], 0)
    to_own = rng.random(count) < TO_OWN_ADDRESS_SHARE
    elsewhere = rng.integers(0, len(people.address_ids), count)
    service = rng.choice(len(SHIPPING_SERVICES), count, p=SERVICE_SHARES)
    orders_table = pa.table(
        {
            "order_id": uuid_column(ids),
            "user_id": uuid_column(people.user_ids[buyers]),
            "promo_id": label_column(promo, PROMOS, uses_promo),
            "address_id": uuid_column(people.address_ids[np.where(to_own, people.home[buyers], elsewhere)]),
            "created_at": timestamp_column(created),
            "order_cost_cents": cost,
            "shipping_cost_cents": shipping,
            "order_total_cents": cost + shipping - discount,
            "tracking_id": uuid_column(random_uuids(rng, count), is_shipped),
            "shipping_service": label_column(service, SHIPPING_SERVICES, is_shipped),
            "estimated_delivery_at": timestamp_column(estimate, has_estimate),
            "delivered_at": timestamp_column(delivered, is_delivered),
            "status": label_column(is_shipped.astype(np.int64) + is_delivered, STATUSES),
        }
    )
    items_table = pa.table(
        {
            "order_id": uuid_column(ids[order]),
            "product_id": uuid_column(catalogue.product_ids[product]),
            "quantity": quantity,
        }
    )
    return Orders(ids, checkout, shipped, is_shipped, orders_table, items_table)


def _cart(visits: Visits, orders: int) -> tuple[Ints, Ints]:
    """Return order and product of every item: exactly what the buying sessions put in the cart."""
    bought = (visits.event_type == ADD_TO_CART) & (visits.session < orders)
    return visits.session[bought], visits.product[bought]
