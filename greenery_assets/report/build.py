"""The page and the picture as files: figures read, laid out, drawn and put in the place of the last ones."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import vl_convert

from greenery_assets.alerts.runs import Catalogue
from greenery_assets.report import durations, wording
from greenery_assets.report.changes import changes, record_of
from greenery_assets.report.facts import Earlier, ReportFacts
from greenery_assets.report.figures import Figures
from greenery_assets.report.page import Reader, render_page
from greenery_assets.report.parts import figure_sections
from greenery_assets.report.picture import draw, picture_of
from greenery_assets.report.queries import read_durations, read_figures
from greenery_assets.report.state import earlier_record, read_facts
from greenery_assets.settings import Settings
from greenery_assets.warehouse import WarehouseError, WarehouseMissingError, open_for_reading, recorded_source

# So that small print stays legible where Slack shrinks it.
SHARP = 1.5
CHART_LIBRARY = f".charts-{version('vl-convert-python')}.js"


class ReportError(Exception):
    """The report cannot be written; the text says where and what to do."""


@dataclass(frozen=True)
class Report:
    """What was built: the verdict, the facts behind it, the files that show it, and the picture once more, smaller.

    `changes` are the lines on what moved since an earlier day, `record` is what later days are compared with, if this
    one may be.
    """

    verdict: str
    facts: ReportFacts
    page: Path
    picture: Path
    thumbnail: bytes
    changes: tuple[str, ...]
    record: Mapping[str, Any] | None


def build_report(
    instance: dg.DagsterInstance, catalogue: Catalogue, settings: Settings, *, within_run: str | None = None
) -> Report:
    """Write the page and the picture of the present state of the data, each whole or not at all.

    As a step of a run (`within_run` is its id) the page still shows the checks if the figures cannot be read. Raises
    ReportError.
    """
    facts = read_facts(instance, catalogue, datetime.now(UTC), within_run or "")
    warehouse, figures, took = settings.warehouse, Figures(is_read=False), None
    try:
        with open_for_reading(warehouse) as connection:
            figures = read_figures(connection, facts.made_at.date(), settings.volume_band)
            took = durations.last_run(read_durations(connection), settings.zone)
            # Of another warehouse than the last run's, where the setting was changed since.
            source = recorded_source(connection)
            facts = replace(facts, is_sample=facts.is_sample or bool(source and source.is_sample))
    except WarehouseMissingError:
        figures = Figures(is_read=not any(facts.built_at.values()))
        if any(facts.built_at.values()):
            missing = f"The warehouse {warehouse} is not there any more. Run the daily job, or put it back."
            facts = replace(facts, notice=f"{facts.notice} {missing}".strip(), built_at=dict.fromkeys(facts.built_at))
    except WarehouseError as error:
        closed = str(error)
        if within_run is None:
            raise ReportError(closed) from None
        facts = replace(facts, notice=f"{facts.notice} The figures are not shown. {closed}".strip())
    reader = Reader(settings.zone, str(settings.ui_url).rstrip("/"))
    return write_report(
        facts,
        figures,
        reader,
        settings.report_page,
        settings.report_picture,
        earlier=earlier_record(instance, facts.made_at, reader.zone),
        took=took,
        kept=settings.report_pages,
    )


def write_report(
    facts: ReportFacts,
    figures: Figures,
    reader: Reader,
    page: Path,
    picture: Path,
    *,
    earlier: Earlier | None = None,
    took: durations.LastRun | None = None,
    kept: Collection[date] = (),
) -> Report:
    """Write the page and the picture of these facts and figures, and the page once more under its day's name.

    The page shows what moved since the `earlier` day, how long what ran `took`, and a link to the day before, of those
    whose pages are `kept`. Raises ReportError.
    """
    verdict = wording.verdict(facts, reader.zone)
    moved = changes(facts, figures, earlier, reader.zone)
    sections = [moved.section, *figure_sections(figures), durations.section(took)]
    today = facts.made_at.astimezone(reader.zone).date()
    day_before = max((day for day in kept if day < today), default=None)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        library = _chart_library(page.parent)
        html = render_page(facts, sections, reader, library, day_before).encode()
        _write(page.with_stem(f"{page.stem}_{today}"), html)
        _write(page, html)
        drawn = picture_of(verdict, wording.tone(facts), figures, facts.made_at.astimezone(reader.zone))
        sharp, thumbnail = draw(drawn, SHARP, 1)
        _write(picture, sharp)
    except OSError as error:
        raise ReportError(
            f"The report cannot be written to {page.parent} ({error.strerror}); name another folder in "
            "GREENERY_REPORT_DIR, or make room."
        ) from None
    return Report(verdict, facts, page, picture, thumbnail, moved.lines, record_of(facts, figures))


def _chart_library(folder: Path) -> str:
    """The code that draws the charts; kept beside the page, as taking it out of its package takes seconds."""
    kept = folder / CHART_LIBRARY
    if not kept.exists():
        _write(kept, _bundled().encode())
    return kept.read_text(encoding="utf-8")


@cache
def _bundled() -> str:
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _write(path: Path, content: bytes) -> None:
    """Put a file in the place of another, whole or not at all: somebody may be reading it."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
