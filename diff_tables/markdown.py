"""What differs, as Markdown for a pull request and in short for a terminal: figures first, then checks and tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from diff_tables.compare import Change, TableDifference

NO_KEY = "whole rows compared, as no key is unique on both sides"


@dataclass(frozen=True)
class Difference:
    """All that differs between two builds, `base` and `change`, from sample data or else the shop's.

    `planned` are the tables that the projects of base and change have.
    """

    base: str
    change: str
    is_sample: bool
    planned: tuple[frozenset[str], frozenset[str]]
    tables: Sequence[TableDifference]
    figures: Sequence[Change]
    checks: Sequence[Change]


def status(found: Difference) -> str:
    """What differs, in one sentence."""
    counts = [
        f"{len(differing)} {word}{'' if len(differing) == 1 else 's'}"
        for word, differing in (("figure", found.figures), ("check", found.checks), ("table", found.tables))
        if differing
    ]
    if not counts:
        return "Nothing differs: all tables, figures and checks are the same."
    listed = " and ".join(filter(None, [", ".join(counts[:-1]), counts[-1]]))
    return f"{listed} {'differs' if counts == ['1 table'] else 'differ'}."


def in_short(found: Difference) -> str:
    """A line for each figure, check and table that differs."""
    lines = [
        " ".join(filter(None, (f"  {one.name}:", f"{one.base} -> {one.change}" if one.base else "", one.note)))
        for one in (*found.figures, *found.checks)
    ]
    lines += [f"  {one.name}: {_in_words(one, found)}".replace("`", "") for one in found.tables]
    return "\n".join([status(found), *lines])


def page(found: Difference) -> str:
    """The whole of it."""
    source = "sample data" if found.is_sample else "the shop's data"
    parts = [
        f"**{status(found)}**",
        f"Base: {found.base}. Change: {found.change}. Both built from {source}.",
        *_section("Figures", "figure", found.figures),
        *_section("Checks", "check", found.checks),
    ]
    if found.tables:
        rows = [f"| `{one.name}` | {_rows(one)} | {_in_words(one, found)} |" for one in found.tables]
        parts += [
            "## Tables",
            "In the order in which they are built: a difference begins at the first.",
            "\n".join(["| table | rows | what differs |", "|---|---|---|", *rows]),
        ]
        parts += [_details(one) for one in found.tables if one.examples]
        shown = (
            "A value that may be personal is shown as `[text]`."
            if found.is_sample
            else "No rows are shown, as the source is not sample data."
        )
        parts.append(f"{shown} Times at which a run saw something are not compared.")
    return "\n\n".join(parts) + "\n"


def _section(title: str, word: str, changes: Sequence[Change]) -> list[str]:
    rows = [f"| `{one.name}` | {one.base} | {one.change} | {one.note} |" for one in changes]
    return (
        [f"## {title}", "\n".join([f"| {word} | base | change | note |", "|---|---|---|---|", *rows])]
        if changes
        else []
    )


def _rows(one: TableDifference) -> str:
    base, change = ("none" if number is None else f"{number:,}" for number in one.rows)
    return base if base == change else f"{base} → {change}"


def _in_words(one: TableDifference, found: Difference) -> str:
    if one.rows[0] is None:
        return "not built by the base: see the checks" if one.name in found.planned[0] else "new"
    if one.rows[1] is None:
        return "not built: see the checks" if one.name in found.planned[1] else "removed"
    words = [
        f"{_counted(number)} {what}" for what, number in (("added", one.added), ("removed", one.removed)) if number
    ]
    if one.changed:
        by_column = [f"`{column}` in {number:,}" for column, number in one.changed_columns.items()]
        words.append(f"{_counted(one.changed)} changed: {', '.join(by_column)}")
    words += [f"columns: {', '.join(one.columns)}"] if one.columns else []
    return "; ".join(words)


def _counted(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _details(one: TableDifference) -> str:
    known_by = f"matched by {', '.join(one.key)}" if one.key else "one row" if one.rows == (1, 1) else NO_KEY
    lines = [f"- {example}" for example in one.examples]
    return "\n".join([f"<details><summary>{one.name}: examples, {known_by}</summary>", "", *lines, "", "</details>"])
