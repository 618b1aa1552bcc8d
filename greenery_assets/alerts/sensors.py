"""The sensor that has failed checks told in Slack. Thin: what it does is service's business."""

import dagster as dg
from dagster_slack import SlackResource
from slack_sdk import WebClient

from greenery_assets.alerts.service import BusyError, PassReport
from greenery_assets.alerts.setup import alerts_of
from greenery_assets.alerts.slack import slack_client
from greenery_assets.settings import load_settings


class PatientSlackResource(SlackResource):
    """dagster-slack's resource, for any address, and without retries of its own, which can post twice."""

    base_url: str

    def get_client(self) -> WebClient:
        """A client that gives up soon: the next tick tries again."""
        return slack_client(self.token, self.base_url)


@dg.sensor(
    name="failed_checks_sensor",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells in Slack what the checks of ended runs found: once when it breaks, and again when it holds.",
)
def failed_checks_sensor(context: dg.SensorEvaluationContext, slack: PatientSlackResource) -> dg.SkipReason:
    """One pass of the alerts. Raises LedgerError when the ledger cannot be used; the next tick tries again."""
    if context.repository_def is None:
        return dg.SkipReason("There are no definitions to read checks from.")
    client = slack.get_client() if slack.token else None
    location = context.code_location_origin.location_name if context.code_location_origin else ""
    settings, repository = load_settings(), context.repository_def
    with alerts_of(settings, context.instance, repository, client, context.log, location=location) as alerts:
        try:
            return dg.SkipReason(in_words(alerts.run_pass()))
        except BusyError as busy:
            return dg.SkipReason(f"{busy} It does this tick's work.")


def in_words(report: PassReport) -> str:
    """A pass in a sentence or two for whoever looks at the sensor's ticks."""
    said = [f"{report.runs} ended runs read, {report.sent} messages sent, {report.waiting} wait."]
    return " ".join([*said, *report.problems])
