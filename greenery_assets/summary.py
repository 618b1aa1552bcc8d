"""A run of the daily job in a few lines for the terminal: what was built, what holds, what to open next.

Pure: collects plain facts about a run and renders them with rich. Where the facts come from is runner's
business.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from greenery_assets.groups import GROUPS


@dataclass(frozen=True)
class CheckOutcome:
    """One evaluated check: where it stands, what it assumes and what it found."""

    group: str
    asset: str
    name: str
    passed: bool
    is_error: bool
    assumption: str
    statement: str
    finding: str
    remedy: str
    kept_in: str = ""


@dataclass
class RunFacts:
    """What is known of a run so far, collected while it goes on.

    `planned_assets` names and `planned_checks` counts by group; `rows` holds the rows of each asset built; `is_sample`
    tells that the tables hold sample data.
    """

    planned_assets: dict[str, list[str]]
    planned_checks: dict[str, int]
    rows: dict[str, dict[str, int | None]] = field(default_factory=lambda: defaultdict(dict))
    checks: list[CheckOutcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    succeeded: bool = False
    is_sample: bool = False

    def outcomes(self, group: str) -> list[CheckOutcome]:
        """The evaluated checks of a group."""
        return [check for check in self.checks if check.group == group]

    def is_complete(self, group: str) -> bool:
        """Whether all assets of the group are built and all its checks evaluated."""
        return (
            len(self.rows[group]) == len(self.planned_assets[group])
            and len(self.outcomes(group)) == self.planned_checks[group]
        )

    @property
    def not_refreshed(self) -> list[str]:
        """Planned assets that were not built: what they held before, they still hold."""
        return [name for group in GROUPS for name in self.planned_assets[group] if name not in self.rows[group]]

    @property
    def failing(self) -> list[CheckOutcome]:
        """Checks that failed, ERROR before WARN, in order of the graph."""
        failing = [check for check in self.checks if not check.passed]
        return sorted(failing, key=lambda check: (not check.is_error, GROUPS.index(check.group), check.name))

    @property
    def exit_code(self) -> int:
        """0 when the job ran and no ERROR check failed, else 1."""
        return 0 if self.succeeded and not any(check.is_error for check in self.failing) else 1


def group_line(facts: RunFacts, group: str) -> str:
    """What to say when a group is complete."""
    failing = [check for check in facts.outcomes(group) if not check.passed]
    verdict = f"{len(failing)} of {facts.planned_checks[group]} checks fail" if failing else "all checks hold"
    return f"{group:<10} {len(facts.planned_assets[group]):>2} assets built, {verdict}"


def render(facts: RunFacts, repeat_rate: str) -> RenderableType:
    """The whole verdict: one sentence, a row a group, each failing check, the repeat rate."""
    parts: list[RenderableType] = [Text()]
    parts += [Text(f"{problem}\n", style="red") for problem in facts.problems]
    mark = ("SAMPLE DATA: " if facts.is_sample else "", "bold magenta")
    parts += [Text.assemble(mark, _verdict(facts)), Text()]
    if any(facts.rows.values()):
        parts += [_by_group(facts), Text()]
    parts += [_failing_check(check) for check in facts.failing]
    if any(facts.rows.values()) and facts.not_refreshed:
        parts.append(Text(f"Not refreshed, as they were before: {', '.join(facts.not_refreshed)}\n"))
    parts.append(Text.assemble("Repeat rate: ", (repeat_rate, "bold"), "\n"))
    return Group(*parts)


def render_next_steps(next_steps: list[tuple[str, str]]) -> Text:
    """What one may want to see, each with the command or address for it."""
    width = max(len(what) for what, _ in next_steps) + 2
    return Text("\n").join(Text.assemble(f"{what:<{width}}", (how, "cyan")) for what, how in next_steps)


def _verdict(facts: RunFacts) -> Text:
    planned, evaluated = sum(facts.planned_checks.values()), len(facts.checks)
    if facts.exit_code == 0 and not facts.failing and evaluated == planned:
        return Text(f"All {planned} checks hold.", style="bold green")
    errors = sum(check.is_error for check in facts.failing)
    warnings = len(facts.failing) - errors
    counted = [
        f"{errors} fail and stopped what lies downstream" if errors else "",
        f"{warnings} warn" if warnings else "",
        f"{planned - evaluated} were not evaluated" if planned > evaluated else "",
    ]
    text = f"Of {planned} checks " + ", ".join(filter(None, counted)) + "."
    if not facts.succeeded and not errors:
        text = "The run failed. " + text
    return Text(text, style="bold yellow" if facts.exit_code == 0 else "bold red")


def _by_group(facts: RunFacts) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("group")
    for column in ("assets", "rows", "passed", "warned", "failed", "not evaluated"):
        table.add_column(column, justify="right")
    for group in GROUPS:
        outcomes = facts.outcomes(group)
        passed = sum(check.passed for check in outcomes)
        failed = sum(not check.passed and check.is_error for check in outcomes)
        table.add_row(
            group,
            f"{len(facts.rows[group])} of {len(facts.planned_assets[group])}",
            f"{sum(rows or 0 for rows in facts.rows[group].values()):,}",
            str(passed),
            str(len(outcomes) - passed - failed),
            str(failed),
            str(facts.planned_checks[group] - len(outcomes)),
        )
    return table


def _failing_check(check: CheckOutcome) -> RenderableType:
    label, style = ("FAILED", "bold red") if check.is_error else ("WARNED", "bold yellow")
    return Group(
        Text.assemble((label, style), f" {check.assumption} {check.asset}: {check.statement}"),
        Padding(
            Group(
                *([Text(check.finding)] if check.finding else []),
                Text(check.remedy),
                *([Text(f"Failing rows: {check.kept_in}")] if check.kept_in else []),
                Text(f"check {check.name}\n", style="dim"),
            ),
            (0, 0, 0, 7),
        ),
    )
