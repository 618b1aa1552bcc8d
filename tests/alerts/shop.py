"""A small shop in real Dagster: six assets and their checks, whose outcomes a test chooses; and its alerts.

The letters of a run are builders'. Storage, runs and Slack's HTTP are real; only the data is not.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import yaml

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.incidents import Severity, Subject
from greenery_assets.alerts.ledger import Ledger
from greenery_assets.alerts.notify import Transport
from greenery_assets.alerts.project import Project
from greenery_assets.alerts.routing import Routing
from greenery_assets.alerts.runs import Catalogue, newest_run_end
from greenery_assets.alerts.slack import SlackTransport, slack_client
from greenery_assets.alerts.wording import Reader
from tests.alerts.builders import JOB, LINEAGE, OUTCOMES, RENOTIFY_AFTER, SUBJECTS
from tests.alerts.projects import PROJECT, project_in
from tests.slack.fake import FakeSlack

CHANNEL = "#data-alerts"
OWNER = "data-platform@greenery.example"
CHECKS = {name: subject for name, subject in SUBJECTS.items() if not subject.is_job and not subject.partition}
ROUTING = Routing(
    default_channel=CHANNEL,
    digest_channel="#data-daily",
    by_owner={},
    by_mart={},
    mentions={OWNER: "U0123ABCD"},
    renotify_after=RENOTIFY_AFTER,
    expected_by=time(7),
    silences=(),
)
HAPPENS = logging.getLogger("alerts.test")


@dataclass
class Shop:
    """A Dagster home of its own. Its warehouse is whatever a test says was found."""

    home: Path
    instance: dg.DagsterInstance
    checks: Mapping[str, Subject] = field(default_factory=lambda: CHECKS)

    def run(self, found: str = "", *, job: str = JOB, reason: str = "", breaks: str = "", skips: str = "") -> str:
        """Run the job with outcomes such as "orders=F3 staged=f1"; what is not named passes. Returns the run's id.

        `reason` is what the failing checks say; the asset that `breaks` raises instead of being built, the one that it
        `skips` is not built, and nothing says so.
        """
        codes = dict(pair.split("=") for pair in found.split())
        definitions = self.definitions(codes, reason, breaks, skips)
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        return result.run_id

    def definitions(
        self, codes: Mapping[str, str] | None = None, reason: str = "", breaks: str = "", skips: str = ""
    ) -> dg.Definitions:
        """The shop as Dagster knows it."""
        codes = codes or {}
        assets = [self._asset(name, codes, reason, breaks, skips) for name in LINEAGE.parents]
        jobs = [dg.define_asset_job(name, selection=dg.AssetSelection.all()) for name in (JOB, "another_job")]
        only = {name: dg.AssetSelection.assets(asset.key) for name, asset in zip(LINEAGE.parents, assets, strict=True)}
        jobs += [dg.define_asset_job(name.replace("/", "_"), selection=wanted) for name, wanted in only.items()]
        return dg.Definitions(assets=assets, jobs=jobs, executor=dg.in_process_executor)

    @property
    def project(self) -> Project:
        """Greenery, with everything in the shop's home."""
        return project_in(self.home)

    @property
    def catalogue(self) -> Catalogue:
        """What alerts know of the shop."""
        return Catalogue.of(self.project, self.definitions().get_repository_def())

    def _asset(self, name: str, codes: Mapping[str, str], reason: str, breaks: str, skips: str) -> dg.AssetsDefinition:
        mine = {check: subject for check, subject in self.checks.items() if subject.asset == name}
        key = dg.AssetKey.from_user_string(name)

        @dg.asset(
            key=key,
            deps=[dg.AssetKey.from_user_string(parent) for parent in LINEAGE.parents[name]],
            group_name=LINEAGE.groups[name],
            output_required=name != skips,
            check_specs=[_spec(subject, codes.get(check, "P")) for check, subject in mine.items()],
        )
        def build() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
            if name == breaks:
                raise ValueError("It holds alice@example.com.")
            if name != skips:
                yield dg.MaterializeResult(asset_key=key)
            for check, subject in mine.items():
                yield _result(subject, codes.get(check, "P"), reason)

        return build

    def alerts(self, transport: Transport, routing: Routing = ROUTING, settle: timedelta = timedelta(0)) -> Alerts:
        """The shop's alerts, with the ledger in its home."""
        return Alerts(
            instance=self.instance,
            catalogue=self.catalogue,
            ledger=Ledger.open(self.project),
            routing=routing,
            reader=Reader(ZoneInfo("UTC"), "http://localhost:3000", routing.mentions),
            transport=transport,
            log=HAPPENS,
            settle=settle,
        )

    @property
    def picture(self) -> Path:
        """Where the report's picture would be."""
        return self.home / "state_of_the_data.png"

    @property
    def ended_at(self) -> datetime:
        """When the newest run ended."""
        newest = newest_run_end(self.instance)
        assert newest
        return newest.at


@contextmanager
def shop_in(folder: Path, checks: Mapping[str, Subject] = CHECKS, **settings: object) -> Iterator[Shop]:
    """A shop with Dagster's own storage on disk, and settings of its dagster.yaml."""
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump({"telemetry": {"enabled": False}, **settings}))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield Shop(home, instance, checks)


def transport_to(slack: FakeSlack, picture: Path | None = None) -> SlackTransport:
    """Slack, as configured for the fake, with the report's picture where one is named."""
    return SlackTransport(slack_client(slack.token, slack.url), replace(PROJECT, picture=picture), HAPPENS)


def _spec(subject: Subject, code: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        subject.name,
        asset=dg.AssetKey.from_user_string(subject.asset),
        description=f"The check {subject.name} holds.",
        blocking=code[0].isupper(),
        metadata={"severity": _severity(code).value, "owner": OWNER},
    )


def _result(subject: Subject, code: str, reason: str) -> dg.AssetCheckResult:
    found = evaluation_of(subject, code, reason)
    return dg.AssetCheckResult(
        passed=found.passed,
        check_name=found.check_name,
        asset_key=found.asset_key,
        severity=found.severity,
        description=found.description,
        metadata=found.metadata,
    )


def evaluation_of(subject: Subject, code: str, reason: str = "") -> dg.AssetCheckEvaluation:
    """What a check found, with the metadata that the real ones have."""
    rows = int(code[1:] or 0)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey.from_user_string(subject.asset),
        check_name=subject.name,
        passed=not OUTCOMES[code[0].upper()].is_failing,
        severity=dg.AssetCheckSeverity(_severity(code).value),
        description=reason or f"{rows} {'row' if rows == 1 else 'rows'}.",
        metadata={
            "owner": OWNER,
            "assumption": "A01",
            "remedy": "Look at the rows.",
            "failing_rows": rows,
            "rows_checked": 1000,
            "status": "error" if code[0].upper() == "X" else "fail",
            "kept_in": "quality.rows",
            "sample": dg.MetadataValue.table(
                records=[dg.TableRecord({"order_id": reason or "1"})],
                schema=dg.TableSchema([dg.TableColumn("order_id")]),
            ),
        },
    )


def _severity(code: str) -> Severity:
    return Severity.WARN if code[0].islower() else Severity.ERROR
