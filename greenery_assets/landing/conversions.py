"""How a value becomes a column of the contract's type, or is refused.

Here: the SQL of each conversion and the plain words for a refusal. A conversion never changes a
value in silence: DuckDB's own casts round 3.105 to 3.11 and 1.5 to 2, and drop the offset of
2021-02-10T00:00:05+02:00. Not here: reading files, or what becomes of a refused row.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

EARLIEST = "0001-01-01"
LATEST = "9999-12-31 23:59:59.999999"
IN_YEARS = f"between timestamp '{EARLIEST}' and timestamp '{LATEST}'"

_ISO = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| ?UTC|[+-]\d\d(:?\d\d)?)?)?"
# "3.0" is how pandas writes the whole number 3 in a column that also has nulls.
_WHOLE = r"[+-]?\d+(\.0*)?"
_MONEY = r"[+-]?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)

_NARROW_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
_INTEGERS = _NARROW_INTEGERS | {"UBIGINT", "HUGEINT", "UHUGEINT"}
# How far a binary fraction may lie from the cents it stands for, relative to its size.
_FLOAT_TOLERANCE = {"DOUBLE": "1e-9", "FLOAT": "1e-6"}
_WITH_ZONE = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMPTZ_NS"})
_NAIVE = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"})
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


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
        return Conversion("case when not contains({x}, chr(0)) then {x} end", unchecked="{x}")
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
            "case when {x} like '____-__-__T__:__:__Z' then try_cast({x} as timestamp) "
            f"when not regexp_full_match({{x}}, '{_ISO}') then null "
            "when regexp_matches({x}, ':.*[+-]') then make_timestamp(epoch_us(try_cast({x} as timestamptz))) "
            "else try_cast({x} as timestamp) end"
        )
    else:
        return None
    checked = f"case when {value} {IN_YEARS} then {value} end"
    return Conversion(checked, unchecked=None if found == "VARCHAR" else value)


def _to_integer(found: str) -> Conversion | None:
    if found in _NARROW_INTEGERS:
        return _always("cast({x} as bigint)")
    if found in _INTEGERS:
        return Conversion("try_cast({x} as bigint)")
    if found in _FLOAT_TOLERANCE or _DECIMAL.fullmatch(found):
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
        return Conversion(f"case when {value} = {{x}} then {value} end")
    if found in _INTEGERS:
        return Conversion(value)
    if tolerance := _FLOAT_TOLERANCE.get(found):
        near = f"abs({{x}} - round({{x}}, 2)) <= {tolerance} * greatest(1, abs({{x}}))"
        return Conversion(f"case when {near} then try_cast(round({{x}}, 2) as decimal(18,2)) end")
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


def refusal(text: str, wanted: str) -> str:
    """Why a value did not become the wanted type, in words that never repeat the value.

    The value may be personal data: where a row has shifted, any column can hold a name.
    """
    if wanted == "TIMESTAMP" and re.match(r"(0000-|\d{5,}-|\d+-.*BC|9999-12-31|0001-01-01)", text):
        return "a timestamp outside the years 1 to 9999"
    if wanted in ("BIGINT", "DECIMAL(18,2)") and _NUMBER.fullmatch(text):
        if wanted == "BIGINT" and re.fullmatch(_WHOLE, text):
            return "a whole number of more than 64 bits"
        if wanted != "BIGINT":
            return "too large for decimal(18,2)" if re.fullmatch(_MONEY, text) else "more than 2 decimals"
    return _REFUSALS[wanted]
