"""The messages in Slack, as an asset, with the check that it arrives.

The messages are made and sent by the alerts package, outside any run: this asset is never materialized.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg

from greenery_assets.alerts.ledger import LATELY, Ledger
from greenery_assets.alerts.project import Catalogue, Project
from greenery_assets.alerts.schema import LedgerError
from greenery_assets.checks import Assumption, Verdict
from greenery_assets.checks import messages_arrive as judge
from greenery_assets.dbt.groups import groups
from greenery_assets.failures import explained
from greenery_assets.presentation import check_result, check_spec
from greenery_assets.settings import load_settings

GROUP = groups()["reporting"]
slack_messages = dg.AssetSpec(
    ["reporting", "slack_messages"],
    description="One row per message about failed checks and the state of the data, made by failed_checks_sensor "
    "and sent to Slack. They wait in the alert ledger until they are sent.",
    group_name="reporting",
    owners=[GROUP.owner],
    kinds={"python", "slack"},
    tags={"layer": "reporting"},
    metadata={
        **GROUP.metadata,
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn("channel", "text", "The channel it is for."),
                dg.TableColumn("state", "text", "pending, sending, sent, refused, or superseded by a newer edit."),
                dg.TableColumn("created_at", "timestamp", "When it was made, UTC."),
                dg.TableColumn("sent_at", "timestamp", "When Slack accepted it, UTC."),
                dg.TableColumn("last_error", "text", "Why it was not sent the last time it was tried."),
            ]
        ),
    },
)

ARRIVES = Assumption(
    "alerts",
    "Messages to Slack arrive: none waits for longer than 15 minutes, none is refused.",
    "WARN",
    "Whoever relies on Slack to hear of failed checks does not hear of them.",
    "Run python -m greenery_assets alerts status, which says what Slack answered, then "
    "python -m greenery_assets alerts test. What waits is sent as soon as Slack takes it.",
    affects="no figure",
)
MESSAGES_ARRIVE = check_spec("slack_messages_arrive", slack_messages.key, ARRIVES, GROUP.owner)


@dg.multi_asset_check(name="messages_arrive", specs=[MESSAGES_ARRIVE])
def messages_arrive(catalogue: dg.ResourceParam[Callable[[], Catalogue]]) -> dg.AssetCheckResult:
    """Look into the alert ledger for messages that are late or refused."""
    try:
        with explained(load_settings().dagster_home):
            verdict = _look(catalogue().project, datetime.now(UTC))
    except LedgerError as error:
        # A ledger that is away for a moment must not fail the run that loads the data.
        verdict = Verdict(False, str(error), 1, 1)
    return check_result(MESSAGES_ARRIVE, verdict)


def _look(project: Project, now: datetime) -> Verdict:
    with closing(Ledger.open(project)) as ledger, ledger.transaction() as book:
        # One of a clock that was ahead has waited for nobody knows how long.
        waiting = [row.created_at if row.created_at <= now else now - timedelta(days=1) for row in book.waiting()]
        refused = book.refused(now - LATELY)
        sent = book.sent_since(now - LATELY)
    return judge(waiting, len(refused), sent, now)
