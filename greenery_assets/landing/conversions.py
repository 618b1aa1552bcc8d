"""How a value becomes a column of the contract's type, or is refused.

Here: the SQL of each conversion and the plain words for a refusal. One rule for CSV and Parquet: what the
contract's type cannot hold exactly is refused. DuckDB's own casts round 3.105 to 3.11 and 1.5 to 2, drop the offset
of 2021-02-10T00:00:05+02:00, and take +99:99 for one. Not here: reading files, or what becomes of a refused row.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

EARLIEST = "0001-01-01"
LATEST = "9999-12-31 23:59:59.999999"
IN_YEARS = f"between timestamp '{EARLIEST}' and timestamp '{LATEST}'"

LONGEST_TEXT = 8_000_000
"""Bytes of the longest text that is taken; a longer one is refused, as a longer CSV row is."""

# ISO 8601: offsets end at 14:00, which the Line Islands have.
_OFFSET = r"[+-]((0\d|1[0-3])(:?[0-5]\d)?|14(:?00)?)"
_ISO = rf"\d{{4}}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| ?UTC|{_OFFSET})?)?"
# More digits than microseconds have, of which one is not zero.
_FINER = r".*\.\d{6}\d*[1-9].*"
# "3.0" is how pandas writes the whole number 3 in a column that also has nulls.
_WHOLE = r"[+-]?\d+(\.0*)?"
_MONEY = r"[+-]?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)

_NARROW_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
_INTEGERS = _NARROW_INTEGERS | {"UBIGINT", "HUGEINT", "UHUGEINT"}
# Below this a binary float of the type tells one cent from the next; from the second on, not one whole number.
_CENTS = {"DOUBLE": 1 << 46, "FLOAT": 1 << 17}
_ONES = {"DOUBLE": 1 << 53, "FLOAT": 1 << 24}
_WITH_ZONE = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMPTZ_NS"})
_NAIVE = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE", "INT96"})
_IN_NANOSECONDS = frozenset({"TIMESTAMP_NS", "TIMESTAMPTZ_NS"})
# Up to 38 digits: a wider decimal reaches DuckDB's SQL as a rounded double.
_DECIMAL = re.compile(r"DECIMAL\(([12]?\d|3[0-8]),(\d+)\)")

INT96 = "INT96"
"""The found type of Parquet's old timestamps, whose nanoseconds DuckDB drops: see parquet.py."""


@dataclass(frozen=True)
class Conversion:
    """SQL that turns an expression into the wanted type.

    `checked` is null where a value is refused. `unchecked` is cheap enough for a view and right for
    every value of the found type (timestamps: between EARLIEST and LATEST); None where there is no such.
    """

    checked: str
    unchecked: str | None = None

    def check(self, expression: str) -> str:
        """The conversion of this SQL expression, null where the value is refused."""
        return self.checked.replace("{x}", expression)

    def trust(self, expression: str) -> str:
        """The conversion of this SQL expression, whose values are known to be right."""
        return (self.unchecked or self.checked).replace("{x}", expression)


def conversion(found: str, wanted: str) -> Conversion | None:
    """From a DuckDB type to the DuckDB type of a contract's column; None when there is no sound way."""
    if found == '"NULL"':  # a Parquet column without any value, as pandas writes one
        return _always(f"cast({{x}} as {wanted})")
    match wanted:
        case "UUID":
            return _to_uuid(found)
        case "VARCHAR":
            return _to_text(found)
        case "TIMESTAMP":
            return _to_timestamp(found)
        case "BIGINT":
            return _to_integer(found)
        case _:
            return _to_money(found)


def _always(value: str) -> Conversion:
    return Conversion(checked=value, unchecked=value)


def _to_uuid(found: str) -> Conversion | None:
    if found == "UUID":
        return _always("{x}")
    return Conversion("try_cast({x} as uuid)") if found == "VARCHAR" else None


def _to_text(found: str) -> Conversion | None:
    if found == "VARCHAR":
        # No other database takes a NUL in a text, and none is meant.
        return Conversion(
            f"case when not contains({{x}}, chr(0)) and strlen({{x}}) <= {LONGEST_TEXT} then {{x}} end", unchecked="{x}"
        )
    # A float is no text: a postal code that passed through one reads 92056.0.
    if found in _INTEGERS or found == "UUID" or found.startswith("ENUM"):
        return _always("cast({x} as varchar)")
    return None


def _to_timestamp(found: str) -> Conversion | None:
    if found in _NAIVE:
        value = "cast({x} as timestamp)"
    elif found in _WITH_ZONE:
        # The instant, whatever time zone the session that reads a view is set to.
        value = "make_timestamp(epoch_us(cast({x} as timestamptz)))"
    elif found == "VARCHAR":
        # The commonest form first, since LIKE costs less than the pattern.
        value = (
            "case when {x} like '____-__-__T__:__:__Z' and not contains({x}, ' ') then try_cast({x} as timestamp) "
            f"when not regexp_full_match({{x}}, '{_ISO}') or regexp_full_match({{x}}, '{_FINER}') then null "
            "when regexp_matches({x}, ':.*[+-]') then make_timestamp(epoch_us(try_cast({x} as timestamptz))) "
            "else try_cast({x} as timestamp) end"
        )
    else:
        return None
    is_held = f"{value} {IN_YEARS}"
    if found in _IN_NANOSECONDS:
        is_held += " and epoch_ns({x}) % 1000 = 0"
    # What INT96 drops can only be seen in the file, before its values are a view.
    can_be_a_view = found not in ("VARCHAR", INT96)
    return Conversion(f"case when {is_held} then {value} end", unchecked=value if can_be_a_view else None)


def _to_integer(found: str) -> Conversion | None:
    if found in _NARROW_INTEGERS:
        return _always("cast({x} as bigint)")
    if found in _INTEGERS:
        return Conversion("try_cast({x} as bigint)")
    if found in _ONES:
        is_held = f"{{x}} = trunc({{x}}) and abs({{x}}) < {_ONES[found]}"
        return Conversion(f"case when {is_held} then try_cast({{x}} as bigint) end")
    if _DECIMAL.fullmatch(found):
        return Conversion("case when {x} = trunc({x}) then try_cast({x} as bigint) end")
    if found == "VARCHAR":
        return Conversion(f"case when regexp_full_match({{x}}, '{_WHOLE}') then try_cast({{x}} as bigint) end")
    return None


def _to_money(found: str) -> Conversion | None:
    value = "try_cast({x} as decimal(18,2))"
    if match := _DECIMAL.fullmatch(found):
        width, scale = int(match[1]), int(match[2])
        if scale <= 2 and width - scale <= 16:
            return _always("cast({x} as decimal(18,2))")
        # The other way round a wide value would not fit what the two are compared as.
        return Conversion(f"case when try_cast({value} as {found}) = {{x}} then {value} end")
    if found in _INTEGERS:
        return Conversion(value)
    if found in _CENTS:
        # The shortest text that reads back as this float: what was meant, where cents are told apart.
        text = "cast({x} as varchar)"
        is_held = f"abs({{x}}) < {_CENTS[found]} and regexp_full_match({text}, '{_MONEY}')"
        return Conversion(f"case when {is_held} then try_cast({text} as decimal(18,2)) end")
    if found == "VARCHAR":
        return Conversion(f"case when regexp_full_match({{x}}, '{_MONEY}') then {value} end")
    return None


NOT_A_TIMESTAMP = "not a timestamp (ISO 8601 UTC, such as 2021-02-10T00:00:05Z)"
_REFUSALS: Mapping[str, str] = {
    "UUID": "not a UUID",
    "VARCHAR": "holds a NUL character",
    "TIMESTAMP": NOT_A_TIMESTAMP,
    "BIGINT": "not a whole number",
    "DECIMAL(18,2)": "not a plain decimal number (such as 1234.50)",
}


def refusal(text: str, found: str, wanted: str) -> str:
    """Why a value of a found type (both DuckDB types) did not become the wanted one, in words that never repeat it.

    The value may be personal data: where a row has shifted, any column can hold a name.
    """
    if wanted == "VARCHAR" and "\0" not in text:
        return f"longer than {LONGEST_TEXT:,} bytes"
    if wanted == "TIMESTAMP":
        return _refused_timestamp(text, found)
    if found in _CENTS and (_ONES if wanted == "BIGINT" else _CENTS)[found] <= abs(float(text)) < math.inf:
        return f"too large for a binary float to be exact in {'whole numbers' if wanted == 'BIGINT' else 'cents'}"
    if wanted in ("BIGINT", "DECIMAL(18,2)") and _NUMBER.fullmatch(text):
        if wanted == "BIGINT" and re.fullmatch(_WHOLE, text, re.ASCII):
            return "a whole number of more than 64 bits"
        if wanted != "BIGINT":
            return "too large for decimal(18,2)" if re.fullmatch(_MONEY, text, re.ASCII) else "more than 2 decimals"
    return _REFUSALS[wanted]


def _refused_timestamp(text: str, found: str) -> str:
    if re.match(r"(0000-|\d{5,}-|\d+-.*BC|9999-12-31|0001-01-01)", text, re.ASCII):
        return "a timestamp outside the years 1 to 9999"
    if found in (INT96, *_IN_NANOSECONDS) or (
        re.fullmatch(_ISO, text, re.ASCII) and re.fullmatch(_FINER, text, re.ASCII)
    ):
        return "a timestamp finer than microseconds"
    return NOT_A_TIMESTAMP
