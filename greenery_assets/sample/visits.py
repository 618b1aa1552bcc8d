"""What happens within visits: the products viewed and put in the cart, and when.

A block of visits is drawn at once, vectorised. Orders that visits end in are drawn in `orders`;
users and days come from `plan`.
"""

from dataclasses import dataclass
from itertools import accumulate
from math import comb

import numpy as np

from greenery_assets.sample.catalogue import Catalogue
from greenery_assets.sample.columns import Ints, Mask, deal
from greenery_assets.sample.plan import DAY_SECONDS, DayPlan, browsing_sessions

PAGE_VIEW, ADD_TO_CART, CHECKOUT, PACKAGE_SHIPPED = range(4)
EVENT_TYPES = ["page_view", "add_to_cart", "checkout", "package_shipped"]

# Weights of viewing 1, 2, ... distinct products.
BUYING_VIEWS = [0.07, 0.09, 0.24, 0.24, 0.20, 0.09, 0.05, 0.02]
BROWSING_VIEWS = [0.37, 0.35, 0.28]
BUYING_CART_SHARE = 0.56
BROWSING_CART_SHARE = 0.29
VIEWED_AGAIN_SHARE = 0.026
# A view in the same second as the event before it: about 8 pairs in 3,500 events.
TIED_VIEW_SHARE = 0.006
GAP_QUANTILES = ([0.0, 0.05, 0.5, 0.95, 1.0], [1, 7, 41, 108, 126])
CHECKOUT_GAP_SECONDS = (11, 54)
ORDER_GAP_SECONDS = (1, 5)
SHIPPING_HOURS = (2, 9)
# Relative traffic at each hour of the day, UTC, of a shop whose customers are in the United States.
HOURLY_TRAFFIC = [9, 8, 7, 6, 5, 4, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10, 10, 10, 10]
# No visit takes an hour: begun here, its order falls in the day's last two hours.
LATE_START_SECOND = DAY_SECONDS - 5_400
OVERRUN_SHIFT_SECONDS = 7_200


@dataclass(frozen=True)
class Visits:
    """A block of sessions and their browsing events; buying sessions come first.

    Arrays named `session_*` run over sessions (start and end in seconds since 1970, the end being
    the last browsing event); the others run over events, `session` being the session's number.
    """

    session_users: Ints
    session_starts: Ints
    session_ends: Ints
    checkout_gaps: Ints
    order_gaps: Ints
    session: Ints
    product: Ints
    event_type: Ints
    created: Ints


def draw_visits(
    rng: np.random.Generator, plan: DayPlan, catalogue: Catalogue, day_start: int, *, last_day: bool
) -> Visits:
    """Draw the visits of `plan` on the day that starts at `day_start` (seconds since 1970).

    On the last day nothing passes midnight, and the first buying session is late in the evening.
    """
    buying, browsing = len(plan.buying), len(plan.browsing)
    sessions = buying + browsing
    viewed, carted = np.concatenate(
        [
            _deal_products(rng, BUYING_VIEWS, BUYING_CART_SHARE, buying, fewest_carted=1),
            _deal_products(rng, BROWSING_VIEWS, BROWSING_CART_SHARE, browsing, fewest_carted=0),
        ],
        axis=1,
    )
    session, product, event_type = _draw_events(rng, catalogue, viewed, carted)
    elapsed, durations = _draw_clock(rng, session, event_type, sessions)
    checkout_gaps = rng.integers(*CHECKOUT_GAP_SECONDS, buying, endpoint=True)
    order_gaps = rng.integers(*ORDER_GAP_SECONDS, buying, endpoint=True)
    starts = _draw_starts(rng, sessions)
    if last_day:
        ends = starts + durations
        ends[:buying] += checkout_gaps + order_gaps
        starts[ends >= DAY_SECONDS] -= OVERRUN_SHIFT_SECONDS
        starts[: min(buying, 1)] = LATE_START_SECOND
    return Visits(
        session_users=np.concatenate([plan.buying, plan.browsing]),
        session_starts=day_start + starts,
        session_ends=day_start + starts + durations,
        checkout_gaps=checkout_gaps,
        order_gaps=order_gaps,
        session=session,
        product=product,
        event_type=event_type,
        created=day_start + starts[session] + elapsed,
    )


def orders_for_events(events: int, days: int) -> int:
    """Return how many orders make about `events` events in `days` days, at least one."""
    buying_views, buying_carts = _expected(BUYING_VIEWS, BUYING_CART_SHARE, fewest_carted=1)
    browsing_views, browsing_carts = _expected(BROWSING_VIEWS, BROWSING_CART_SHARE, fewest_carted=0)
    browsing_per_order = browsing_sessions(10**6) / 10**6
    not_yet_shipped = sum(SHIPPING_HOURS) / 2 / (24 * days)
    per_order = (
        (buying_views + browsing_per_order * browsing_views) * (1 + VIEWED_AGAIN_SHARE)
        + (buying_carts + browsing_per_order * browsing_carts)
        + 2
        - not_yet_shipped
    )
    return max(1, round(events / per_order))


def _shapes(views: list[float], cart_share: float, fewest_carted: int) -> list[tuple[int, int, float]]:
    """Return (products viewed, of these put in the cart, weight): binomial, at least `fewest_carted`."""
    shapes = []
    for viewed, weight in enumerate(views, start=1):
        chances = {
            carted: comb(viewed, carted) * cart_share**carted * (1 - cart_share) ** (viewed - carted)
            for carted in range(fewest_carted, viewed + 1)
        }
        shapes += [(viewed, carted, weight * chance / sum(chances.values())) for carted, chance in chances.items()]
    return shapes


def _expected(views: list[float], cart_share: float, fewest_carted: int) -> tuple[float, float]:
    shapes = _shapes(views, cart_share, fewest_carted)
    total = sum(weight for *_, weight in shapes)
    return (
        sum(viewed * weight for viewed, _, weight in shapes) / total,
        sum(carted * weight for _, carted, weight in shapes) / total,
    )


def _deal_products(
    rng: np.random.Generator, views: list[float], cart_share: float, sessions: int, fewest_carted: int
) -> Ints:
    """Return an array of shape (2, sessions): products viewed, and of these put in the cart."""
    shapes = np.array(_shapes(views, cart_share, fewest_carted))
    return shapes[deal(rng, shapes[:, 2], sessions), :2].astype(np.int64).T


def _draw_events(rng: np.random.Generator, catalogue: Catalogue, viewed: Ints, carted: Ints) -> tuple[Ints, Ints, Ints]:
    """Return session, product and type of every browsing event, sessions in order, events in sequence."""
    slots = len(BUYING_VIEWS)
    # The smallest of exponential waiting times are a weighted draw without replacement.
    waits = rng.exponential(size=(len(viewed), len(catalogue.popularity))) / catalogue.popularity
    products = np.argsort(waits, axis=1)[:, :slots]
    is_viewed = np.arange(slots) < viewed[:, None]
    session, slot = np.nonzero(is_viewed)
    cart_session, cart_slot = np.nonzero(_choose(rng, is_viewed, carted))
    again = rng.random(len(session)) < VIEWED_AGAIN_SHARE
    again_session, again_slot = session[again], slot[again]
    # A product's events follow its first view, possibly with other products in between.
    position = np.concatenate(
        [
            slot,
            cart_slot + rng.uniform(0.1, 1.9, len(cart_slot)),
            again_slot + rng.uniform(0.1, 2.9, len(again_slot)),
        ]
    )
    event_type = np.repeat([PAGE_VIEW, ADD_TO_CART, PAGE_VIEW], [len(slot), len(cart_slot), len(again_slot)])
    all_sessions = np.concatenate([session, cart_session, again_session])
    all_slots = np.concatenate([slot, cart_slot, again_slot])
    sequence = np.lexsort((position, all_sessions))
    session, slot = all_sessions[sequence], all_slots[sequence]
    return session, products[session, slot], event_type[sequence]


def _choose(rng: np.random.Generator, candidates: Mask, counts: Ints) -> Mask:
    """Return a mask with `counts[i]` of row i's candidates, drawn at random."""
    keys = np.where(candidates, rng.random(candidates.shape), np.inf)
    ranks = np.argsort(np.argsort(keys, axis=1), axis=1)
    return ranks < counts[:, None]


def _draw_clock(rng: np.random.Generator, session: Ints, event_type: Ints, sessions: int) -> tuple[Ints, Ints]:
    """Return each event's seconds since its session's start, and each session's duration."""
    gaps = np.rint(np.interp(rng.random(len(session)), *GAP_QUANTILES)).astype(np.int64)
    gaps[(event_type == PAGE_VIEW) & (rng.random(len(session)) < TIED_VIEW_SHARE)] = 0
    first = np.searchsorted(session, np.arange(sessions))
    gaps[first] = 0
    clock = np.cumsum(gaps)
    elapsed = clock - clock[first][session]
    last = np.append(first[1:], len(session)) - 1
    return elapsed, elapsed[last]


def _draw_starts(rng: np.random.Generator, sessions: int) -> Ints:
    busy = np.array([0, *accumulate(HOURLY_TRAFFIC)])
    hours = np.interp(rng.random(sessions) * busy[-1], busy, np.arange(len(busy)))
    return (hours * 3_600).astype(np.int64)
