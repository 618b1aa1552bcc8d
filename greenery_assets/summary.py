"""A run of the daily job in a few lines for the terminal: what was built, which checks hold, what to open next, and at
the end the status, what failed and what to do.

Pure: collects plain facts about a run and renders them with rich. Where the facts come from is run.py's
business.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from greenery_assets.alerts.incidents import Finding
from greenery_assets.alerts.wording import counts, figures_of, in_one_line, reference, status, tally

# What ends the output fits a terminal of 80 by 24 with room for the next prompt.
LINES_OF_A_PROBLEM = 4
LENGTH_OF_A_PROBLEM = 900
LONGEST_LIST = 3
REPORTING = "reporting"


@dataclass
class RunFacts:
    """What is known of a run so far, collected while it goes on.

    `planned_assets` and `planned_checks` are the names by group, in the order in which data flows; a check is named by
    its asset and its own name. `rows` has the number of rows of each built asset. `problems` are all other failures,
    each a text with its remedy. `is_sample`: the tables hold sample data. `figures` has the name that people use for
    the figures of a table, `marts_from` gives the tables of marts that are made from an asset.
    """

    planned_assets: dict[str, list[str]]
    planned_checks: dict[str, list[tuple[str, str]]]
    rows: dict[str, dict[str, int | None]] = field(default_factory=lambda: defaultdict(dict))
    checks: dict[tuple[str, str], Finding] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    succeeded: bool = False
    is_sample: bool = False
    figures: Mapping[str, str] = field(default_factory=dict)
    marts_from: Callable[[str], Sequence[str]] = lambda _asset: ()

    def add(self, found: Finding) -> None:
        """Add the result of a check. It replaces an earlier attempt in the same run."""
        self.checks[found.subject.asset, found.subject.name] = found

    def outcomes(self, group: str) -> list[Finding]:
        """The evaluated checks of a group."""
        return [self.checks[key] for key in self.planned_checks[group] if key in self.checks]

    def is_complete(self, group: str) -> bool:
        """Whether all assets of the group are built and all its checks evaluated."""
        return len(self.rows[group]) == len(self.planned_assets[group]) and len(self.outcomes(group)) == len(
            self.planned_checks[group]
        )

    @property
    def not_refreshed(self) -> list[str]:
        """Planned assets that were not built. They keep their old content."""
        return [name for group, names in self.planned_assets.items() for name in names if name not in self.rows[group]]

    @property
    def not_evaluated(self) -> list[str]:
        """The names of planned checks that were not evaluated."""
        return [key[1] for planned in self.planned_checks.values() for key in planned if key not in self.checks]

    @property
    def failing(self) -> list[Finding]:
        """Checks that failed, ERRORs first and notes last, in order of the graph."""
        ordered = [
            self.checks[key]
            for planned in self.planned_checks.values()
            for key in sorted(planned, key=_name)
            if key in self.checks
        ]
        return sorted(
            (found for found in ordered if found.outcome.is_failing),
            key=lambda found: (not found.is_error, found.is_note),
        )

    @property
    def exit_code(self) -> int:
        """0 when the job ran, all that was planned was built and evaluated and no ERROR check failed, else 1."""
        is_whole = not self.not_refreshed and not self.not_evaluated
        is_sound = not self.problems and not any(check.is_error for check in self.failing)
        return 0 if self.succeeded and is_whole and is_sound else 1


def group_line(facts: RunFacts, group: str) -> str:
    """The line that is printed when a group is complete."""
    failing = counts(found for found in facts.outcomes(group) if found.outcome.is_failing)
    number = len(facts.planned_assets[group])
    built = f"{number:>2} {'asset' if number == 1 else 'assets'} built"
    return f"{group:<10} {built}, {tally(failing) or 'all checks hold'}"


def render(facts: RunFacts, repeat_rate: str) -> RenderableType:
    """What the run did: one row for each group, each failing check, and the repeat rate."""
    parts: list[RenderableType] = [Text()]
    if any(facts.rows.values()):
        parts += [_by_group(facts), Text()]
    parts += [_failing_check(check, facts) for check in facts.failing]
    parts.append(Text.assemble("Repeat rate: ", (repeat_rate, "bold"), "\n"))
    return Group(*parts)


def render_end(facts: RunFacts, run_url: str) -> RenderableType:
    """The last lines: how the run ended and which tables it left out, the cause, and at the end what to do."""
    mark = ("SAMPLE DATA: " if facts.is_sample else "", "bold magenta")
    parts: list[RenderableType] = [Text(), Text.assemble(mark, _verdict(facts))]
    errors = [found for found in facts.failing if found.is_error]
    # A warning is no cause of a run that failed, so it is read above then.
    worst = errors or ([] if facts.exit_code else facts.failing)
    style = "red" if facts.exit_code else "yellow"
    if facts.exit_code:
        parts.append(Text(_usable(facts)))
        # What stopped a run explains what was not evaluated after it.
        if facts.not_evaluated and not errors and not facts.problems:
            parts.append(Text(f"Not evaluated: {_listed(facts.not_evaluated)}."))
    parts += [Text(_in_short(problem), style=style) for problem in facts.problems]
    # Of many findings the others are read above; a person begins with what the first one asks for.
    parts += [Text(_in_short(_line(found, facts)), style=style) for found in worst[:1]]
    if worst[1:]:
        also = _listed([found.subject.name for found in worst[1:]])
        parts.append(Text(f"Also failing, see above: {also}.", style=style))
    parts += [Text(_in_short(f"Next: {found.remedy}")) for found in worst[:1]]
    if facts.exit_code and not worst and not (facts.problems and _is_short(facts.problems[-1])):
        parts.append(Text("Next: look in the log of the run for the cause, and run again:"))
        parts.append(Text(run_url, style="cyan"))
    return Group(*parts)


def render_next_steps(next_steps: list[tuple[str, str]]) -> Text:
    """What to open next, each with its command or address."""
    width = max(len(what) for what, _ in next_steps) + 2
    return Text("\n").join(Text.assemble(f"{what:<{width}}", (how, "cyan")) for what, how in next_steps)


def _verdict(facts: RunFacts) -> Text:
    failing = counts(facts.failing)
    is_error = bool(failing["ERROR"])
    failed = ""
    if facts.exit_code and not is_error:
        # The job may have ended well and yet have left something out.
        failed = f"Today's run {'is not complete' if facts.succeeded else 'failed'}"
    said = status(
        failing,
        sum(map(len, facts.planned_checks.values())),
        unknown=len(facts.not_evaluated),
        not_built=0 if failed else len(facts.not_refreshed),
        failed=failed,
    )
    is_well = facts.exit_code == 0
    return Text(said, style="bold red" if not is_well else "bold yellow" if facts.failing else "bold green")


def _usable(facts: RunFacts) -> str:
    if not facts.not_refreshed:
        has_errors = any(found.is_error for found in facts.failing)
        return "All tables were built in this run." + " Do not use those whose ERROR checks failed." * has_errors
    # The page is built also where nothing else was.
    tables = {name for group, names in facts.planned_assets.items() if group != REPORTING for name in names}
    missing = [name for name in facts.not_refreshed if name in tables]
    if not missing:
        return "All tables were built in this run, but the page about the state of the data was not."
    if len(missing) == len(tables):
        return "No table was built: all are as they were before this run."
    count = f"{len(missing)} of {len(tables)}"
    return f"{count} tables were not built and are as they were before this run: {_listed(missing)}."


def _in_short(text: str) -> str:
    """The first lines of a text, and that there are more."""
    short = "\n".join(text.strip().splitlines()[:LINES_OF_A_PROBLEM])[:LENGTH_OF_A_PROBLEM]
    return short if _is_short(text) else f"{short} ... (the run's log has the rest)"


def _is_short(text: str) -> bool:
    return len(text.strip().splitlines()) <= LINES_OF_A_PROBLEM and len(text.strip()) <= LENGTH_OF_A_PROBLEM


def _listed(names: Sequence[str]) -> str:
    """Names, those beyond a few counted: "a, b, c and 9 more"."""
    more = len(names) - LONGEST_LIST
    return ", ".join(names[:LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")


def _by_group(facts: RunFacts) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("group")
    for column in ("assets", "rows", "hold", "ERROR", "warning", "note", "not evaluated"):
        table.add_column(column, justify="right")
    for group in facts.planned_assets:
        outcomes = facts.outcomes(group)
        failing = counts(found for found in outcomes if found.outcome.is_failing)
        table.add_row(
            group,
            f"{len(facts.rows[group])} of {len(facts.planned_assets[group])}",
            f"{sum(rows or 0 for rows in facts.rows[group].values()):,}",
            str(len(outcomes) - failing.total()),
            *(str(failing[word]) for word in ("ERROR", "Warning", "Note")),
            str(len(facts.planned_checks[group]) - len(outcomes)),
        )
    return table


def _failing_check(found: Finding, facts: RunFacts) -> RenderableType:
    word, _, said = _line(found, facts).partition(": ")
    more = [found.remedy, *([f"Failing rows: {found.kept_in}"] if found.kept_in else [])]
    return Group(
        Text.assemble((f"{word}: ", "bold red" if found.is_error else "bold yellow"), said),
        Padding(
            Group(*(Text(line) for line in more), Text(f"check {found.subject.name}\n", style="dim")), (0, 0, 0, 7)
        ),
    )


def _line(found: Finding, facts: RunFacts) -> str:
    """The finding as every other place shows it, and by what it is found."""
    left = set(facts.not_refreshed)
    frozen = figures_of((name for name in facts.marts_from(found.subject.asset) if name in left), facts.figures)
    return f"{in_one_line(found, frozen)} ({reference(found)})"


def _name(key: tuple[str, str]) -> str:
    return key[1]
