"""The numbers that the page draws, as plain values: what the marts hold, and the expected band of each day's volume.

Reading them is queries' business, wording and drawing them that of parts and charts. A figure that no table holds yet
is None, or an empty sequence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from greenery_assets.checks import expected_volume

# A year, so that the same season is in sight; older days are counted.
DAYS_SHOWN = 366
# What is said of the users of a state may be said of somebody whom one knows, where they are fewer.
FEWEST_USERS = 3


@dataclass(frozen=True)
class DayVolume:
    """A source's rows on one day (UTC), and the band that A21 would expect; no band without a week before it."""

    day: date
    rows: int
    low: float | None = None
    high: float | None = None

    @property
    def is_usual(self) -> bool:
        """Whether it lies within its band, or has none."""
        return self.low is None or self.high is None or self.low <= self.rows <= self.high


@dataclass(frozen=True)
class Day:
    """A row of product/fact_daily; revenue in US dollars."""

    day: date
    orders: int
    revenue: Decimal
    first_orders: int
    returning_orders: int
    sessions: int
    conversion_rate: float | None


@dataclass(frozen=True)
class Totals:
    """All of product/fact_daily: its days, orders and revenue in US dollars."""

    days: int
    orders: int
    revenue: Decimal


@dataclass(frozen=True)
class RepeatRate:
    """A row of marketing/fact_repeat_rate or fact_repeat_rate_by_month; `rate` from 0 to 1."""

    buyers: int
    repeat_buyers: int
    rate: float | None


@dataclass(frozen=True)
class Indicator:
    """A row of marketing/fact_repeat_indicators, shares from 0 to 1; None over nobody."""

    indicator: str
    users_with: int
    users_without: int
    users_not_judged: int
    share_with: float | None
    share_without: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Conversion:
    """The row of product/fact_conversion, rates from 0 to 1."""

    sessions: int
    converted: int
    rate: float | None
    sessions_without_top: int
    converted_without_top: int
    rate_without_top: float | None


@dataclass(frozen=True)
class ProductConversion:
    """A row of product/fact_conversion_by_product."""

    name: str
    viewed: int
    bought: int
    rate: float | None


@dataclass(frozen=True)
class StateViews:
    """A row of product/fact_viewed_not_bought_by_state; `share` from 0 to 1."""

    state: str
    users: int
    viewed: int
    not_bought: int
    share: float


@dataclass(frozen=True)
class Hour:
    """An hour of the day (UTC) over all `days` of product/fact_hourly."""

    hour: int
    days: int
    orders: int
    sessions: int


@dataclass(frozen=True)
class Stockout:
    """A row of core/fact_stockouts; times are naive UTC, `until` None where it lasts."""

    product: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class FunnelStep:
    """A row of product/fact_funnel, or of product/fact_funnel_by_product, whose rows name a product."""

    step: str
    sessions: int
    previous_sessions: int | None
    drop_off: float | None
    product: str = ""


@dataclass(frozen=True)
class Spread:
    """How long something took, in seconds, over `count` cases: the median, and the middle half and nine tenths."""

    count: int
    p5: float
    p25: float
    median: float
    p75: float
    p95: float


@dataclass(frozen=True)
class Deliveries:
    """From order to shipping and from there to the door (marketing/int_user_orders), and how orders stand."""

    orders: int
    shipped: int
    delivered: int
    promised_and_delivered: int
    late: int
    to_shipping: Spread | None
    to_delivery: Spread | None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything that is drawn.

    `volumes` are by source table, `spent` by event type, `days` the last year's. `is_read`: the warehouse could be
    read. `days_left_out` counts the days of fact_daily before that, `products` all there are, of which the ones with
    the most sessions are in the sequences by product. `purchases` are the buyers with one, two, and three and more,
    `by_month` repeat rates by month of first order. `states` of few users are left out. `out_of_stock` counts
    the products that are, of which `stockouts` has the newest.
    """

    is_read: bool = True
    volumes: Mapping[str, Sequence[DayVolume]] = field(default_factory=dict)
    totals: Totals | None = None
    days: Sequence[Day] = ()
    days_left_out: int = 0
    repeat: RepeatRate | None = None
    purchases: Sequence[int] = ()
    by_month: Mapping[date, RepeatRate] = field(default_factory=dict)
    indicators: Sequence[Indicator] = ()
    conversion: Conversion | None = None
    products: int = 0
    conversion_by_product: Sequence[ProductConversion] = ()
    funnel: Sequence[FunnelStep] = ()
    funnel_by_product: Sequence[FunnelStep] = ()
    spent: Mapping[str, Spread] = field(default_factory=dict)
    deliveries: Deliveries | None = None
    states: Sequence[StateViews] = ()
    hours: Sequence[Hour] = ()
    out_of_stock: int | None = None
    stockouts: Sequence[Stockout] = ()


def with_band(rows_by_day: Mapping[date, int], today: date, band: float) -> list[DayVolume]:
    """Each of the last year's days up to the newest with rows, those without any included, with its expected band.

    `band` is in standard deviations, as GREENERY_VOLUME_BAND. Today is not over, so it has no band. Days in the future
    are left out: one wrong date would fill the year with empty days.
    """
    known = {day: rows for day, rows in rows_by_day.items() if day <= today}
    if not known:
        return []
    last = max(known)
    first = max(min(known), last - timedelta(days=DAYS_SHOWN - 1))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    volumes = []
    for day in days:
        expected = expected_volume(known, day, band) if day < today else None
        low, high = (expected.low, expected.high) if expected else (None, None)
        volumes.append(DayVolume(day, known.get(day, 0), low, high))
    return volumes
