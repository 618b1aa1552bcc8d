"""Files that are not what their name says: recognised, so that the error names the cause and not a symptom.

Here: what the first bytes of a file, or the first line of a CSV, give away. Not here: files that are right.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

_SAVE = "save it as CSV, comma separated, with the encoding UTF-8"
_UNPACK = "unpack it"
_EXPORT = "export it as CSV or Parquet"

# The first bytes of a file -> what it is, what to do.
_SIGNATURES: Mapping[bytes, tuple[str, str]] = MappingProxyType(
    {
        b"PK\x03\x04": ("an Excel workbook or another ZIP archive", f"unpack it, or {_SAVE}"),
        b"\xd0\xcf\x11\xe0": ("an Excel workbook of the old kind", _SAVE),
        b"\x1f\x8b": ("compressed with gzip", _UNPACK),
        b"BZh": ("compressed with bzip2", _UNPACK),
        b"\xfd7zXZ": ("compressed with xz", _UNPACK),
        b"\x28\xb5\x2f\xfd": ("compressed with zstd", _UNPACK),
        b"7z\xbc\xaf": ("a 7z archive", _UNPACK),
        b"PAR1": ("Parquet", "end its name in .parquet"),
        b"ORC": ("ORC", _EXPORT),
        b"Obj\x01": ("Avro", _EXPORT),
        b"ARROW1": ("Arrow IPC (Feather)", _EXPORT),
        b"%PDF": ("a PDF", _EXPORT),
        b"SQLite format 3": ("a SQLite database", _EXPORT),
        b"\xff\xfe\0\0": ("UTF-32", _SAVE),
        b"\0\0\xfe\xff": ("UTF-32", _SAVE),
        b"\xff\xfe": ("UTF-16", _SAVE),
        b"\xfe\xff": ("UTF-16", _SAVE),
    }
)
_BOM = b"\xef\xbb\xbf"
_SEPARATORS: Mapping[str, str] = MappingProxyType(
    {
        ";": "semicolons",
        "\t": "tabs",
        "|": "vertical bars (|)",
        ":": "colons",
        "^": "carets (^)",
        "~": "tildes (~)",
        "\x01": "the control character 01",
        "\x1f": "the control character 1F",
        " ": "blanks",
    }
)


def mistaken_for_csv(start: bytes) -> str | None:
    """What a file named .csv is instead, by its first bytes, and what to do; None where it may be CSV."""
    for signature, (what, remedy) in _SIGNATURES.items():
        if start.startswith(signature):
            is_text = what.startswith("UTF")
            return f"is not UTF-8 (line 1) but {what}; {remedy}" if is_text else f"is {what}, not CSV; {remedy}"
    text = start.removeprefix(_BOM).lstrip()[:100].lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<error", b"<head", b"<body")):
        return "is a web page or XML, as servers send instead of a file when something went wrong; fetch it once more"
    if text.startswith((b"{", b"[{", b"[[")):
        return f"is JSON, not CSV; {_EXPORT}"
    pair = start[:64]
    if len(pair) > 3 and (not any(pair[1::2]) or not any(pair[0::2])):
        return f"is not UTF-8 (line 1) but UTF-16; {_SAVE}"
    return None


def mistaken_for_parquet(start: bytes) -> str | None:
    """What a file named .parquet is instead, by its first bytes, and what to do; None where it may be Parquet."""
    if start.startswith(b"PAR1"):
        return None
    for signature, (what, remedy) in _SIGNATURES.items():
        if start.startswith(signature):
            return f"is {what}, not Parquet; {remedy}"
    if start.lstrip()[:1] == b"<":
        return "is a web page or XML, as servers send instead of a file when something went wrong; fetch it once more"
    return None


def other_separator(header: str, columns: Collection[str]) -> str | None:
    """What is wrong with a header (decoded, without BOM) that names most columns if it is split otherwise, else None.

    Excel writes a first line `sep=;` that only Excel reads.
    """
    first = header.splitlines()[0] if header else ""
    if (declared := first.strip().strip('"').lower()).startswith("sep="):
        separator = declared[4:5] or "\t"
        save = "" if separator == "," else " and save the file with commas"
        return f"begins with the line {first.strip()!r}, which only Excel reads; remove that line{save}"
    for separator, name in _SEPARATORS.items():
        # Not with the csv module's limit for one value, which a line of megabytes passes.
        if separator in header and most_are_named([part.strip('"') for part in first.split(separator)], columns):
            return f"separates its columns with {name}; save it with commas (a value with a comma in it in quotes)"
    return None


def most_are_named(names: Collection[str], columns: Collection[str]) -> bool:
    """Whether at least half of the contract's columns are among a header's names, give or take case and blanks."""
    folded = {name.strip().casefold() for name in names}
    return 2 * sum(column in folded for column in columns) >= len(columns)
