"""The runbook quotes what the program says, and speaks of columns that are there."""

import ast
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from greenery_assets import checks
from greenery_assets.dbt.project import prepared_manifest
from greenery_assets.dbt.translator import test_meta as meta_of
from tests.job import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in RUNBOOK.partition("## By assumption")[2].splitlines()
    if line.startswith("| ")
][1:]
GAP = "…"


def literals() -> Iterator[str]:
    """Every text that the program may print: what it fills in is a gap."""
    for file in (ROOT / "greenery_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def findings() -> Iterator[str]:
    """The headlines of dbt tests, of one row and of more."""
    manifest = prepared_manifest()
    for name, node in manifest["nodes"].items():
        if node["resource_type"] == "test":
            for form in (1, 2):
                worded = re.sub(r"\{[\w.]+:([^|}]*)\|([^}]*)\}", rf"\{form}", meta_of(manifest, name)["finding"])
                yield re.sub(r"\{[^}]*\}", GAP, worded)


def judgments() -> Iterator[str]:
    """Findings of the Python checks, which are put together of several texts."""
    now, days = datetime(2026, 11, 26, 6), {date(2026, 11, n): 147 for n in range(10, 25)}
    verdicts = [
        checks.rows_accepted("events", 4_302, 2),
        checks.rows_were_kept(130, 3, 0.5),
        checks.few_rows_rejected(130, 60, 0.2),
        checks.columns_match("events", 8, ["column 9 of events.csv"]),
        checks.files_are_there(3, ["orders.csv", "events.csv"]),
        checks.is_fresh("events", now - timedelta(hours=51), now, 36),
        checks.volume_is_usual("events", {**days, date(2026, 11, 25): 25}, date(2026, 11, 25), 3),
        checks.moved_little("repeat rate", 0.4, 0.798, 0.05),
    ]
    assert not any(verdict.passed for verdict in verdicts)
    yield from (verdict.reason for verdict in verdicts)


TEXTS = [*literals(), *findings(), *judgments()]
QUOTED = sorted(
    {
        quote
        for line in RUNBOOK.splitlines()
        if (item := re.match(r"  - (\*.+?\*(?:, \*.+?\*)*)[:,;]", line))
        for quote in re.findall(r"\*(.+?)\*", item[1])
    }
    | {quote for row in TABLE for quote in re.findall(r"\*(.+?)\*", row[1])}
)


def is_said(quote: str, text: str) -> bool:
    """Whether a text says this; each gap of the one may be filled by what the other has there."""
    parts = [re.escape(part) for part in quote.split(GAP)]
    # Where the program fills something in, the runbook may show an example, and the other way round.
    pattern = r"[^\n]*?".join(parts)
    return re.search(pattern, text) is not None


def test_the_runbook_has_what_to_quote() -> None:
    assert len(QUOTED) > 40


@pytest.mark.parametrize("quote", QUOTED)
def test_the_runbook_quotes_what_the_program_says(quote: str) -> None:
    assert any(is_said(quote, text) for text in TEXTS), quote


@pytest.mark.slow
def test_the_columns_that_the_runbook_speaks_of_are_there(built_warehouse: Path) -> None:
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'quality'"
        ).fetchall()
    manifest = prepared_manifest()
    spoken_of = 0
    for ids, _, look, _ in TABLE:
        named = re.findall(r"`quality\.(\w+)`", look)
        tables = set(named) or {
            node["alias"]
            for name, node in manifest["nodes"].items()
            if node["resource_type"] == "test" and meta_of(manifest, name)["assumption"] in ids.split(", ")
        }
        for column in re.findall(r"`(\w+)`", look):
            spoken_of += 1
            assert {column} <= {name for table, name in rows if table in tables}, (ids, column)
    assert spoken_of > 30


def test_to_export_again_is_all_seven_tables_and_a_run() -> None:
    assert "export all seven tables at one moment, then `make run`" in RUNBOOK
    assert not re.findall(r"export (?:the|this|that) table again", RUNBOOK, re.IGNORECASE)
