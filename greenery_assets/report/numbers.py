"""How the page writes numbers, shares, money and durations. Pure."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

NONE = "none"
CENT = Decimal("0.01")
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def share(value: float | None) -> str:
    """ "79.8 %"; "none" where it is one of nobody."""
    return NONE if value is None else f"{value * 100:.1f} %"


def points(value: float | None) -> str:
    """A difference of two shares: "-14.6 points", of a hundred."""
    return NONE if value is None else f"{value * 100:+.1f} points"


def dollars(value: Decimal) -> str:
    """ "$1,234.50"; half a cent is rounded up, as in the tables."""
    # Python's own formatting rounds half to even.
    return f"${value.quantize(CENT, ROUND_HALF_UP):,}"


def counted(number: int, word: str) -> str:
    """ "1 buyer", "2,000 buyers"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def unit_of(seconds: Sequence[float]) -> tuple[str, int]:
    """The unit in which durations are best read together, and its seconds: that of the longest."""
    longest = max(seconds, default=0)
    if longest < 2 * MINUTE:
        return "seconds", 1
    if longest < 2 * HOUR:
        return "minutes", MINUTE
    return ("hours", HOUR) if longest < 3 * DAY else ("days", DAY)


def duration(*seconds: float) -> str:
    """A length of time, or from one to another, in the unit that suits it: "48.0 seconds", "3.0 to 7.0 hours"."""
    name, size = unit_of(seconds)
    return f"{' to '.join(f'{each / size:,.1f}' for each in seconds)} {name}"
