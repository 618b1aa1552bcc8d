"""How a value becomes a column of the contract's type, or is refused: one rule for CSV and Parquet.

Here: the SQL of each conversion and the plain words of a refusal, which never repeat the value: it may be personal
data. What the contract's type cannot hold exactly is refused. DuckDB's own casts round 3.105 to 3.11 and 1.5 to 2, drop
the offset of 2021-02-10T00:00:05+02:00, and take +99:99 for one. Not here: reading files, or what becomes of a row.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

LONGEST_ROW = 8_000_000
"""Bytes of the longest CSV row that is taken, and of the longest text."""

INT96 = "INT96"
"""The found type of Parquet's old timestamps, whose nanoseconds DuckDB drops: `$is_finer` says where there are some."""


class Conversion(NamedTuple):
    """SQL that turns an expression, `$x` in it, into the wanted type.

    `value` is null where a value is refused, `reason` then says why; no value is, where it is empty. `in_place` is
    cheap enough for a view, and right for every value that is not refused; empty where there is no such.
    """

    value: str
    reason: str = ""
    in_place: str = ""


# ISO 8601: offsets end at 14:00, which the Line Islands have.
_OFFSET = r"[+-]((0\d|1[0-3])(:?[0-5]\d)?|14(:?00)?)"
_ISO = rf"\d{{4}}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| ?UTC|{_OFFSET})?)?"
# More digits than microseconds have, of which one is not zero.
_FINER = r".*\.\d{6}\d*[1-9].*"
_FAR = r"^(0000-|\d{5,}-|\d+-.*BC|9999-12-31|0001-01-01)"
# "3.0" is how pandas writes the whole number 3 in a column that also has nulls.
_WHOLE = r"[+-]?\d+(\.0*)?"
_CENTS = r"[+-]?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)"
_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)"
_IN_YEARS = "between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999'"
_IS_FAR = "'a timestamp outside the years 1 to 9999'"
_IS_FINER = "'a timestamp finer than microseconds'"

_NARROW = r"U?(TINYINT|SMALLINT|INTEGER)|BIGINT"
_INTEGER = rf"{_NARROW}|UBIGINT|U?HUGEINT"
# Up to 38 digits: a wider decimal reaches DuckDB's SQL as a rounded double.
_DECIMAL = r"DECIMAL\(([12]?\d|3[0-8]),\d+\)"
_FITTING_DECIMAL = r"DECIMAL\((\d|1[0-6]),0\)|DECIMAL\((\d|1[0-7]),1\)|DECIMAL\((\d|1[0-8]),2\)"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _exactly(cast: str) -> Conversion:
    return Conversion(cast, in_place=cast)


def _moment(value: str, is_finer: str = "false", *, is_in_place: bool = True) -> Conversion:
    reason = f"case when {value} {_IN_YEARS} then {_IS_FINER} else {_IS_FAR} end"
    return Conversion(
        f"case when {value} {_IN_YEARS} and not ({is_finer}) then {value} end", reason, value if is_in_place else ""
    )


def _as_text(rule: Conversion) -> Conversion:
    return Conversion(*(sql.replace("$x", "cast($x as varchar)") for sql in rule[:2]))


def _as_float(rule: Conversion, bound: int, what: str) -> Conversion:
    """What was meant by a binary float is its shortest text, as far as such floats distinguish `what`."""
    text = _as_text(rule)
    is_far = f"isfinite($x) and abs($x) >= {bound}"
    too_large = f"'too large for a binary float to be exact in {what}'"
    return Conversion(
        f"case when abs($x) < {bound} then {text.value} end",
        f"case when {is_far} then {too_large} else {text.reason} end",
    )


_OF_ZONE = "make_timestamp(epoch_us(cast($x as timestamptz)))"  # whatever time zone the session of a view has
_UUID = Conversion("try_cast($x as uuid)", "'not a UUID'")
_TEXT = Conversion(
    # No other database takes a NUL in a text, and none is meant.
    f"case when not contains($x, chr(0)) and strlen($x) <= {LONGEST_ROW} then $x end",
    f"case when contains($x, chr(0)) then 'holds a NUL character' else 'longer than {LONGEST_ROW:,} bytes' end",
    in_place="$x",
)
_TIMESTAMP = Conversion(
    _moment(
        # The commonest form first, since LIKE costs less than the pattern.
        "case when $x like '____-__-__T__:__:__Z' and not contains($x, ' ') then try_cast($x as timestamp) "
        f"when not regexp_full_match($x, '{_ISO}') or regexp_full_match($x, '{_FINER}') then null "
        "when regexp_matches($x, ':.*[+-]') then make_timestamp(epoch_us(try_cast($x as timestamptz))) "
        "else try_cast($x as timestamp) end"
    ).value,
    f"case when regexp_matches($x, '{_FAR}') then {_IS_FAR} "
    f"when regexp_full_match($x, '{_ISO}') and regexp_full_match($x, '{_FINER}') then {_IS_FINER} "
    "else 'not a timestamp (ISO 8601 UTC, such as 2021-02-10T00:00:05Z)' end",
)
_BIGINT = Conversion(
    f"case when regexp_full_match($x, '{_WHOLE}') then try_cast($x as bigint) end",
    f"case when regexp_full_match($x, '{_WHOLE}') then 'a whole number of more than 64 bits' "
    "else 'not a whole number' end",
)
_MONEY = Conversion(
    f"case when regexp_full_match($x, '{_CENTS}') then try_cast($x as decimal(18,2)) end",
    f"case when regexp_full_match($x, '{_CENTS}') then 'too large for decimal(18,2)' "
    f"when regexp_full_match($x, '{_NUMBER}') then 'more than 2 decimals' "
    "else 'not a plain decimal number (such as 1234.50)' end",
)

# The contract's type -> the DuckDB types that may become it (patterns), and how.
_CONVERSIONS: Mapping[str, Mapping[str, Conversion]] = {
    "uuid": {"UUID": _exactly("$x"), "VARCHAR": _UUID},
    # A float is no text: a postal code that passed through one reads 92056.0.
    "text": {"VARCHAR": _TEXT, rf"{_INTEGER}|UUID|ENUM.*": _exactly("cast($x as varchar)")},
    "timestamp": {
        "VARCHAR": _TIMESTAMP,
        "TIMESTAMP(_S|_MS)?|DATE": _moment("cast($x as timestamp)"),
        "TIMESTAMP_NS": _moment("cast($x as timestamp)", "epoch_ns($x) % 1000 <> 0"),
        "TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ": _moment(_OF_ZONE),
        "TIMESTAMPTZ_NS": _moment(_OF_ZONE, "epoch_ns($x) % 1000 <> 0"),
        INT96: _moment("cast($x as timestamp)", "$is_finer", is_in_place=False),
    },
    # 64 bits: what pandas and Arrow write, so that their Parquet needs no range check to be read in place.
    "bigint": {
        "VARCHAR": _BIGINT,
        _NARROW: _exactly("cast($x as bigint)"),
        rf"{_INTEGER}|{_DECIMAL}": _as_text(_BIGINT),
        "DOUBLE": _as_float(_BIGINT, 1 << 53, "whole numbers"),
        "FLOAT": _as_float(_BIGINT, 1 << 24, "whole numbers"),
    },
    "decimal(18,2)": {
        "VARCHAR": _MONEY,
        _FITTING_DECIMAL: _exactly("cast($x as decimal(18,2))"),
        rf"{_INTEGER}|{_DECIMAL}": _as_text(_MONEY),
        "DOUBLE": _as_float(_MONEY, 1 << 46, "cents"),
        "FLOAT": _as_float(_MONEY, 1 << 17, "cents"),
    },
}

SUPPORTED_TYPES = tuple(_CONVERSIONS)
"""What the contract may say as `data_type` (lower case, without spaces)."""


def conversion(found: str, wanted: str) -> Conversion | None:
    """From a DuckDB type to one of SUPPORTED_TYPES; None when there is no sound way."""
    if found == '"NULL"':  # a Parquet column without any value, as pandas writes one
        return _exactly(_CONVERSIONS[wanted]["VARCHAR"].value.replace("$x", "cast($x as varchar)"))
    return next((how for pattern, how in _CONVERSIONS[wanted].items() if re.fullmatch(pattern, found)), None)
