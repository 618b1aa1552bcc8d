"""The page about the state of the data: the last asset of the daily run, and after any other run a run of its own.

Thin glue: what the page says and looks like is the report package's business.
"""

import base64
import heapq
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, cast

import dagster as dg

from greenery_assets.alerts.runs import RUN_ENDS, Catalogue, is_ours, newest_run_end
from greenery_assets.dbt.groups import groups
from greenery_assets.dbt.project import WAREHOUSE_POOL, tables_of
from greenery_assets.failures import explained, failure
from greenery_assets.report.facts import Standing
from greenery_assets.report.state import RECORD, REPORT
from greenery_assets.settings import load_settings

GROUP = groups()["reporting"]
REPORT_JOB = "report_job"
# Under this name the page says what moved since an earlier day, for the daily message too.
CHANGES = "changes"
# The place in Dagster's log of the last run's end that the page shows. No time: clocks are set back.
AS_OF = "as_of_event"
# Among the last so many runs, also those of other projects, one is looked for that did more than to build the page.
RECENT_RUNS = 200
PAGE = 20


@dg.asset(
    key=REPORT,
    group_name="reporting",
    deps=[dg.AssetKey(table) for table in tables_of(REPORT.path[-1])],
    description="One page and one picture for people who use the figures. They show whether the figures can be used "
    "today, what is broken and since when, and the figures. Built after every run, also after one that failed.",
    owners=[GROUP.owner],
    kinds={"python", "html"},
    tags={"layer": "reporting"},
    metadata={
        **GROUP.metadata,
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn("verdict", "text", "The state of the data in one sentence."),
                dg.TableColumn("sources", "table", "How fresh each source is."),
                dg.TableColumn("checks", "table", "Each assumption, how it stands, and its last 30 runs."),
                dg.TableColumn(
                    "figures", "charts", "What came in, who buys again, conversion, funnel, times, revenue."
                ),
                dg.TableColumn("changes", "list", "What moved since an earlier day, and because of which days."),
                dg.TableColumn("durations", "table", "What took longest in the last run, and what gets slower."),
                dg.TableColumn("assumptions", "list", "What is assumed, why, and what to do when it does not hold."),
            ]
        ),
    },
    pool=WAREHOUSE_POOL,
    # After the checks that do not stand in its way: it shows their results.
    op_tags={"dagster/priority": "-1"},
)
def state_of_the_data(
    context: dg.AssetExecutionContext, catalogue: dg.ResourceParam[Callable[[], Catalogue]]
) -> dg.MaterializeResult[Any]:
    """Write the page and the picture to GREENERY_REPORT_DIR."""
    # With the charts it takes half a second, which only this step need wait for.
    from greenery_assets.report.build import ReportError, build_report  # noqa: PLC0415

    settings = load_settings()
    ended = newest_run_end(context.instance)
    try:
        with explained(settings.warehouse):
            report = build_report(context.instance, catalogue(), settings, within_run=context.run.run_id)
    except ReportError as error:
        raise failure(str(error), allow_retries=False) from None
    facts = report.facts
    picture = base64.b64encode(report.thumbnail).decode()
    return dg.MaterializeResult(
        metadata={
            "verdict": report.verdict,
            "picture": dg.MetadataValue.md(f"![{report.verdict}](data:image/png;base64,{picture})"),
            "page": dg.MetadataValue.path(str(report.page)),
            CHANGES: "\n".join(report.changes),
            **({RECORD: dg.MetadataValue.json(report.record)} if report.record else {}),
            AS_OF: ended.storage_id if ended else 0,
            # Dagster draws numbers over time: how many checks stand how, and the failing rows of each group.
            **{f"checks_{standing.value}": facts.count(standing) for standing in Standing},
            **{f"failing_rows_{group}": rows for group, rows in facts.failing_rows.items()},
        }
    )


def run_without_report(instance: dg.DagsterInstance, catalogue: Catalogue) -> str | None:
    """The last ended run of this project, if the page was not built in it or since."""
    event = instance.get_latest_materialization_event(REPORT)
    # Not the place of the page's own event: what ended while the page was being written is not in it.
    said = event.asset_materialization.metadata.get(AS_OF) if event and event.asset_materialization else None
    as_of = int(str(said.value)) if said else 0
    for record in _last_ends(instance):
        run = instance.get_run_by_id(record.run_id)
        if run is None or run.job_name == REPORT_JOB or not is_ours(instance, run, catalogue):
            continue
        is_told = event and (event.run_id == run.run_id or record.storage_id <= as_of)
        return None if is_told else run.run_id
    return None


def _last_ends(instance: dg.DagsterInstance) -> Iterator[dg.EventLogRecord]:
    """The events of the last runs' ends, the newest first, read as they are asked for."""
    ends = heapq.merge(*(_ends(instance, kind) for kind in RUN_ENDS), key=lambda end: end.storage_id, reverse=True)
    return islice(ends, RECENT_RUNS)


def _ends(instance: dg.DagsterInstance, kind: dg.DagsterEventType) -> Iterator[dg.EventLogRecord]:
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_run_status_changes(cast("Any", kind), limit=PAGE, cursor=cursor)
        yield from page.records
        cursor, has_more = page.cursor, page.has_more
