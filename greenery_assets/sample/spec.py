"""The description of one sample: its arguments, their checks, and their form in `sample.json`.

Every argument is checked here, so that the command line and callers in Python get the same errors.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Self

from greenery_assets.sample.defects import CATALOGUE, UNBOUNDED, Defect
from greenery_assets.sample.errors import SampleError
from greenery_assets.sample.visits import orders_for_events

DEFAULT_ORDERS = 400
DEFAULT_DAYS = 30
DEFAULT_SEED = 7
MOST_DAYS = 3_650
EARLIEST, LATEST = date(1970, 1, 1), date(2999, 12, 31)


class Format(StrEnum):
    """The file format of every table."""

    CSV = "csv"
    PARQUET = "parquet"


class EventFiles(StrEnum):
    """Whether events are one file, or a folder with one file for each day."""

    ONE = "one"
    DAILY = "daily"


def yesterday(today: date | None = None) -> date:
    """Return the day before `today`, which is by default the present day in UTC."""
    return (today or datetime.now(UTC).date()) - timedelta(days=1)


@dataclass(frozen=True)
class SampleSpec:
    """The arguments of one sample; equal specs make byte-identical files.

    `until` is the last day of data. The size is given by `orders` (by default 400) or by
    `events` (about that many), not both. `defects` are texts NAME or NAME:COUNT, applied in the
    order given. Raises SampleError, a ValueError, naming what is allowed.
    """

    until: date
    orders: int | None = None
    events: int | None = None
    days: int = DEFAULT_DAYS
    seed: int = DEFAULT_SEED
    format: Format = Format.CSV
    event_files: EventFiles = EventFiles.ONE
    defects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.orders is not None and self.events is not None:
            raise SampleError("give the size in orders or in events, not in both")
        if self.orders is None and self.events is None:
            object.__setattr__(self, "orders", DEFAULT_ORDERS)
        for name in ("orders", "events"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise SampleError(f"{name} must be 1 or more, not {size}")
        if not 1 <= self.days <= MOST_DAYS:
            raise SampleError(f"days must be 1 to {MOST_DAYS}, not {self.days}")
        if self.seed < 0:
            raise SampleError(f"seed must be 0 or more, not {self.seed}")
        if not EARLIEST <= self.until <= LATEST:
            raise SampleError(f"until must be {EARLIEST} to {LATEST}, not {self.until}")
        for defect, _ in self.requested_defects:
            if defect.csv_only and self.format != Format.CSV:
                raise SampleError(f"defect {defect.name} exists in csv only, not in {self.format}")

    @property
    def order_count(self) -> int:
        """The number of orders to generate."""
        return self.orders or orders_for_events(self.events or 0, self.days)

    @cached_property
    def requested_defects(self) -> tuple[tuple[Defect, int], ...]:
        """Each requested defect with its count."""
        return tuple(_parse_defect(text) for text in self.defects)

    def is_default(self) -> bool:
        """Return whether only `until` distinguishes this from the default sample."""
        return self == SampleSpec(until=self.until)

    def to_json(self) -> str:
        """Return the text of `sample.json`."""
        return json.dumps(asdict(self), default=str, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the spec in a `sample.json`; raises SampleError if it is not one."""
        try:
            arguments = json.loads(path.read_text(encoding="utf-8"))
            arguments["until"] = date.fromisoformat(arguments["until"])
            arguments["format"] = Format(arguments["format"])
            arguments["event_files"] = EventFiles(arguments["event_files"])
            arguments["defects"] = tuple(arguments["defects"])
            return cls(**arguments)
        except (ValueError, TypeError, KeyError) as error:
            raise SampleError(f"{path} does not describe a sample ({error})") from error


def _parse_defect(text: str) -> tuple[Defect, int]:
    name, colon, count_text = text.partition(":")
    if name not in CATALOGUE:
        raise SampleError(f"unknown defect {name}; allowed are {', '.join(sorted(CATALOGUE))}")
    defect = CATALOGUE[name]
    if not colon:
        return defect, defect.default_count
    if defect.counted is None:
        raise SampleError(f"defect {name} takes no count, not {text}")
    if not (count_text.isascii() and count_text.isdigit() and 1 <= int(count_text) <= defect.most):
        bounds = "1 or more" if defect.most == UNBOUNDED else f"1 to {defect.most}"
        raise SampleError(f"the count of defect {name} must be a whole number, {bounds}, not {count_text or 'empty'}")
    return defect, int(count_text)
