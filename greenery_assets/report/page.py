"""The page: facts and figures laid out as one self-contained HTML file.

Pure. What it says is wording's, sections' and facts' business; its looks are in templates, which escape whatever
they are given. It asks nothing of the network, and its policy forbids it to.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from greenery_assets.alerts.runs import counts, duration_in_words, in_one_line, owner_name, quoted, tally
from greenery_assets.dbt.groups import is_mart, position
from greenery_assets.report import wording
from greenery_assets.report.facts import CheckFacts, ReportFacts, Standing
from greenery_assets.report.section import Section

TEMPLATES = Path(__file__).parent / "templates"
FRESHNESS = "A20"
SHOWN_FAILING = 8
# How a run is drawn that begins at x.
SHAPES = {
    Standing.PASSED: "M{x} 11h6v5h-6z",
    Standing.WARNED: "M{x} 16v-4l3 -6l3 6v4z",
    Standing.FAILED: "M{x} 0h6v16h-6z",
    Standing.UNKNOWN: "M{x} 13.5a3 3 0 1 0 6 0a3 3 0 1 0 -6 0m1.5 0a1.5 1.5 0 1 1 3 0a1.5 1.5 0 1 1 -3 0",
}


@dataclass(frozen=True)
class Reader:
    """Whom the page speaks to: their time zone, and where their Dagster is."""

    zone: ZoneInfo
    ui_url: str


def render_page(
    facts: ReportFacts,
    sections: Sequence[Section],
    reader: Reader,
    chart_library: str,
    day_before: date | None = None,
) -> str:
    """The whole page; `chart_library` is the JavaScript that draws Vega-Lite charts as `vegaEmbed`.

    `day_before` is the day of the page that lies beside this one, under that name.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": lambda at: wording.moment(at, facts.made_at, reader.zone),
        "ago": lambda at: duration_in_words(facts.made_at - at),
        "owner": owner_name,
        "strip": strip,
        "anchor": lambda name: re.sub(r"[^\w-]+", "-", name),
        "finding": lambda check: in_one_line(check, check.frozen),
        "tally": lambda failing: tally(counts(failing)),
        "counted": wording.counted,
        "ages": lambda section: ages(section, facts, reader.zone),
    }
    made_at = facts.made_at.astimezone(reader.zone)
    fresh = {each.subject.asset.rsplit("/", 1)[-1]: each for each in facts.checks if each.assumption == FRESHNESS}
    return environment.get_template("page.html").render(
        facts=facts,
        Standing=Standing,
        shapes=SHAPES,
        title=f"{f'{wording.SAMPLE_MARK}: ' * facts.is_sample}State of the data, {made_at.day} {made_at:%B %Y}",
        made_at=made_at,
        day_before=day_before,
        verdict=wording.verdict(facts, reader.zone),
        tone=wording.tone(facts),
        not_refreshed=wording.not_refreshed(facts, reader.zone),
        # Where something does not hold, that is what people come for.
        begins_with="failing" if facts.count(Standing.PASSED) < len(facts.checks) else "all",
        shown_failing=facts.failing[:SHOWN_FAILING],
        not_shown=len(facts.failing[SHOWN_FAILING:]),
        fresh=fresh,
        is_fresh=bool(fresh and facts.sources)
        and all(check.standing == Standing.PASSED for check in fresh.values())
        and all(
            it.loaded_at
            and it.loaded_at.astimezone(reader.zone).date() == made_at.date()
            and not it.rejected
            and f"raw/{it.name}" not in facts.not_built
            for it in facts.sources
        ),
        marts=by_mart(facts.checks),
        assumptions=by_assumption(facts.checks),
        sections=sections,
        charts={
            f"{section.id}-{number}": view.chart
            for section in sections
            for number, view in enumerate(section.views)
            if view.chart is not None
        },
        check_link=lambda check: (
            f"{reader.ui_url}/assets/{quoted(check.subject.asset)}?view=checks&checkDetail={quoted(check.subject.name)}"
        ),
        run_link=lambda run_id: f"{reader.ui_url}/runs/{quoted(run_id)}",
        ui_url=reader.ui_url,
        # The library's own text holds the end of a script.
        chart_library=Markup(re.sub(r"</(script)", r"<\\/\1", chart_library, flags=re.IGNORECASE)),
    )


def by_mart(checks: Iterable[CheckFacts]) -> list[list[CheckFacts]]:
    """The checks of each group: groups in which one fails first, then marts, then what they are made from."""
    groups: dict[str, list[CheckFacts]] = defaultdict(list)
    worst = [Standing.FAILED, Standing.WARNED, Standing.UNKNOWN, Standing.PASSED]
    for check in sorted(checks, key=lambda check: worst.index(check.standing)):
        groups[check.group].append(check)
    return sorted(
        groups.values(),
        key=lambda of_it: (not of_it[0].standing.is_failing, not is_mart(of_it[0].group), position(of_it[0].group)),
    )


def by_assumption(checks: Iterable[CheckFacts]) -> list[list[CheckFacts]]:
    """The checks of each assumption by its id; one that has several remedies is there for each."""
    found: dict[tuple[str, str, str], list[CheckFacts]] = defaultdict(list)
    for check in checks:
        found[check.assumption, check.why, check.remedy].append(check)
    return sorted(found.values(), key=lambda of_it: of_it[0].assumption)


def ages(section: Section, facts: ReportFacts, zone: ZoneInfo) -> str:
    """When a section's figures are from, if that is not the daily run; empty where they are as new as can be."""
    stale = {table: facts.stale[table] for table in section.tables if table in facts.stale}
    known: list[datetime] = [at for at in stale.values() if at is not None]
    if not stale:
        return ""
    if not known:
        return "Not there yet: no run has built it."
    return f"From {wording.moment(min(known), facts.made_at, zone)}: the daily run did not refresh it."


def strip(check: CheckFacts) -> Markup:
    """The check's last runs as a small drawing, a shape for each: low, cut, full height, or a hollow ring."""
    standings = [run.standing for run in check.past]
    shapes: dict[Standing, list[str]] = defaultdict(list)
    for place, standing in enumerate(standings):
        shapes[standing].append(SHAPES[standing].format(x=place * 7))
    paths = "".join(f'<path class="{standing}" d="{"".join(drawn)}"/>' for standing, drawn in sorted(shapes.items()))
    width = max(len(standings), 1) * 7 - 1
    return Markup(
        f'<svg class="strip" width="{width}" height="16" viewBox="0 0 {width} 16" role="img" aria-label="{{}}">'
        f"{paths}</svg>"
    ).format(wording.strip_in_words(standings))
