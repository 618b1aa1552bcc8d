"""Who visits on which day, and which of these visits end in an order.

Only the distribution of visits over users and days belongs here; what happens within a visit is in `visits`.
"""

from dataclasses import dataclass

import numpy as np

from greenery_assets.sample.columns import Floats, Ints, deal

DAY_SECONDS = 86_400
BROWSING_SHARE = 0.38
# Orders of one buyer, 1 to 8: four in five buy again.
BUYER_ORDERS = np.array([0.21, 0.17, 0.18, 0.15, 0.12, 0.09, 0.05, 0.03])
NEVER_BUY_PER_BUYER = 0.1
FEWEST_NEVER_BUY = 2
# A day's visits differ from the mean by at most this much, far inside any band on daily volume.
DAILY_VARIATION = 0.08


@dataclass(frozen=True)
class DayPlan:
    """The visits of one day: user numbers, one for each session."""

    buying: Ints
    browsing: Ints


@dataclass(frozen=True)
class Plan:
    """The number of users, and one DayPlan for each day, first day first."""

    users: int
    days: list[DayPlan]


def browsing_sessions(orders: int) -> int:
    """Return how many sessions without a checkout go with this many orders."""
    return round(orders * BROWSING_SHARE / (1 - BROWSING_SHARE))


def draw_plan(rng: np.random.Generator, orders: int, days: int) -> Plan:
    """Deal `orders` buying sessions and their share of browsing ones to users and days.

    The last day always has an order, however few there are.
    """
    buyers_orders = _orders_by_buyer(rng, orders)
    buyers = len(buyers_orders)
    never_buy = max(FEWEST_NEVER_BUY, round(buyers * NEVER_BUY_PER_BUYER))
    users = buyers + never_buy
    buying = rng.permutation(np.repeat(np.arange(buyers), buyers_orders))
    browsing_count = browsing_sessions(orders)
    anyone = rng.integers(0, users, max(browsing_count - never_buy, 0))
    browsing = rng.permutation(np.concatenate([np.arange(buyers, users), anyone])[:browsing_count])
    weights = 1 + rng.uniform(-DAILY_VARIATION, DAILY_VARIATION, days)
    orders_by_day = _apportion(orders, weights)
    if orders_by_day[-1] == 0:
        orders_by_day[np.argmax(orders_by_day)] -= 1
        orders_by_day[-1] = 1
    return Plan(
        users=users,
        days=[
            DayPlan(day_buying, day_browsing)
            for day_buying, day_browsing in zip(
                np.split(buying, np.cumsum(orders_by_day)[:-1]),
                np.split(browsing, np.cumsum(_apportion(browsing_count, weights))[:-1]),
                strict=True,
            )
        ],
    )


def _orders_by_buyer(rng: np.random.Generator, orders: int) -> Ints:
    mean = (BUYER_ORDERS * np.arange(1, len(BUYER_ORDERS) + 1)).sum()
    # Dealt in proportion, the sum can fall short of its mean by less than one buyer's largest order count.
    ample = int(orders / mean) + len(BUYER_ORDERS) + 1
    counts = deal(rng, BUYER_ORDERS, ample) + 1
    before = np.cumsum(counts) - counts
    kept = before < orders
    return np.minimum(counts[kept], orders - before[kept])


def _apportion(total: int, weights: Floats) -> Ints:
    exact = total * weights / weights.sum()
    shares = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(shares - exact, kind="stable")
    shares[largest_remainders[: total - shares.sum()]] += 1
    return shares
