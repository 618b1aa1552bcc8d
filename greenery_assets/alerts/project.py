"""The seam: all that the alerts know of the project they serve, as its `Project` gives it and its definitions show it.

Another project has its failed checks in Slack for one `Project`. What a check may say of itself stands in its metadata
(`CHECK_METADATA`). Nothing here reads what runs did: that is the business of runs.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg

from greenery_assets.alerts.incidents import Subject
from greenery_assets.alerts.inhibit import Lineage

# What an evaluated check may say of itself in its metadata, and its spec of all its evaluations.
CHECK_METADATA: Mapping[str, str] = {
    "owner": "mail addresses, separated by commas",
    "severity": "ERROR or WARN: what it has if it fails (of its spec: what is never evaluated has no other)",
    "assumption": "a short id",
    "why": "whom it concerns, in a sentence",
    "remedy": "what to do, in a sentence or two",
    "affects": "which figures are wrong while it fails, in the words of their readers; `no figure` makes it a note",
    "use": "whether figures can be used while it fails, in a sentence; without it they may be wrong, or are frozen",
    "status": "`error` where it could not be evaluated",
    "failing_rows": "how many rows do not hold",
    "rows_checked": "of how many",
    "kept_in": "the table of all failing rows",
    "sample": "a table of a few of them; only shareable columns are shown",
}


# What an asset may say of itself in its metadata.
ASSET_METADATA: Mapping[str, str] = {"figures": "what people know the figures of its table as, separated by commas"}


class AlertsError(Exception):
    """The alerts cannot do what they should; the text says why, and what to do."""


@dataclass(frozen=True)
class SampleMark:
    """How the load of source tables says that they hold sample data: `metadata` of an asset of `group` is `value`."""

    group: str
    metadata: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Dagster project, as its alerts need to know it.

    Texts and places are named by `name`: the sender in Slack, a PostgreSQL schema. `settings_prefix` begins the names
    of the environment variables by which people set what is here (SLACK_TOKEN, SLACK_CHANNEL, SLACK_API_URL,
    ALERTS_LEDGER, ALERTS_FILE, REPORT_DIR, PING_URL).
    """

    name: str
    settings_prefix: str = ""

    # Where: the folder of locks and logs, the ledger's SQLAlchemy URL, the page that stands in for Slack where there is
    # no token, and a picture that the daily message carries where it is there.
    home: Path
    ledger_url: str = field(repr=False)
    preview: Path
    picture: Path | None = None

    # To whom: a routing file (without one everything goes to the channel), a channel, a workspace, readers' clocks.
    routing_file: Path | None = None
    slack_channel: str
    slack_token: str | None = field(default=None, repr=False)
    slack_api_url: str = "https://slack.com/api/"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    ui_url: str = "http://localhost:3000"

    # Who notices that no pass goes on any more: an address that each good pass asks for. It may be a secret.
    ping_url: str | None = field(default=None, repr=False)

    # About what: the groups of assets in the order that messages list them, those of them whose tables people use, the
    # job that is expected each day, the tags by which its runs are of different lengths, shares (0 to 1) that assets
    # record as metadata of observations, by asset, and an asset with the metadata by which it says, in a line or two,
    # what moved since an earlier day.
    groups: Sequence[str] = ()
    marts: Collection[str] = frozenset()
    daily_job: str
    kind_tags: Collection[str] = ()
    key_figures: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[str, str] | None = None
    sample_mark: SampleMark | None = None

    # What may be shown: columns of failing rows; a text without personal data; the metadata of a `dg.Failure` that
    # holds a reason without any.
    shareable_columns: Collection[str] = frozenset()
    mask: Callable[[str], str] = str
    shareable_reason: str = "shareable_reason"

    @property
    def sender(self) -> str:
        return f"{self.name} data"

    @property
    def schema(self) -> str:
        """The schema of the ledger in PostgreSQL, which other programs may share."""
        return re.sub(r"\W+", "_", self.name.lower()) + "_alerts"

    def setting(self, name: str) -> str:
        return f"{self.settings_prefix}{name}"


@dataclass(frozen=True)
class Catalogue:
    """What the definitions say of assets and checks.

    The lineage, the owners of each asset, what the tables of marts are known as, what a run of everything builds, a
    spec for each check, the jobs' names and steps, and the name of the code location where it is known: to the daemon's
    sensors, not in a terminal.
    """

    project: Project
    lineage: Lineage
    owners: Mapping[str, str]
    figures: Mapping[str, str]
    built: Collection[dg.AssetKey]
    checks: Mapping[dg.AssetCheckKey, dg.AssetCheckSpec]
    jobs: frozenset[str]
    steps: frozenset[str]
    location: str = ""

    @classmethod
    def of(cls, project: Project, repository: dg.RepositoryDefinition, location: str = "") -> "Catalogue":
        """Everything in a repository, and the code location it was loaded from."""
        graph = repository.asset_graph
        nodes = {node.key.to_user_string(): node for node in graph.asset_nodes}
        lineage = Lineage(
            {name: frozenset(key.to_user_string() for key in node.parent_keys) for name, node in nodes.items()},
            {name: node.group_name for name, node in nodes.items()},
            frozenset(project.marts),
        )
        return cls(
            project,
            lineage,
            {name: ", ".join(node.owners) for name, node in nodes.items()},
            {
                name: str(node.metadata["figures"])
                for name, node in nodes.items()
                if node.group_name in project.marts and "figures" in node.metadata
            },
            graph.materializable_asset_keys,
            {key: graph.get_check_spec(key) for key in graph.asset_check_keys},
            frozenset(repository.job_names),
            frozenset(node.name for job in repository.get_all_jobs() for node in job.nodes),
            location,
        )

    @cached_property
    def subjects(self) -> frozenset[Subject]:
        return frozenset(subject_of(key) for key in self.checks)


def subject_of(key: dg.AssetCheckKey) -> Subject:
    return Subject(key.asset_key.to_user_string(), key.name)


def in_order(names: Collection[str], groups: Sequence[str]) -> list[str]:
    """Names of groups in the order of the project's; those that it does not list follow."""
    return [*(group for group in groups if group in names), *sorted(set(names) - set(groups))]
