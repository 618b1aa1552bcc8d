"""Why a dbt process failed, from its exit status, memory and files, in words with a remedy.

Plain functions; they import neither Dagster nor dbt. Failed checks and dbt's own messages belong to events.
"""

import re
import signal
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from greenery_assets.troubles import OUT_OF_LIMIT, fault_of

# dbt hands on only the text of an error of DuckDB, which begins with the name of its type.
OUT_OF_MEMORY = re.compile(r"^\s*Out of Memory Error:", re.MULTILINE)
LONGEST_LIST = 3


def killed_by(returncode: int | None) -> int | None:
    """The signal that ended a process, from its exit status; None if it ended by itself.

    A shell or a container in between reports a signal as 128 and its number.
    """
    if returncode is None or 0 <= returncode <= 128:
        return None
    return -returncode if returncode < 0 else returncode - 128


def killed(number: int, built: int, planned: int) -> str:
    """The message about a dbt that a signal ended after it had built some tables."""
    cause = (
        "usually because memory ran out: lower GREENERY_MEMORY_LIMIT or free memory, and run again"
        if number == signal.SIGKILL
        else "so somebody or something on this machine ended it: run again"
    )
    return f"dbt was killed by signal {number} after it had built {built} of {planned} tables, {cause}."


def surroundings(errors: Iterable[str], *written_to: Path) -> str | None:
    """The cause of dbt's errors outside of dbt: memory, or the files that it writes; None if it is neither.

    Memory or disk that dbt freed when it ended cannot be seen any more.
    """
    for path in written_to:
        if fault := fault_of(path):
            return fault
    if any(OUT_OF_MEMORY.search(error) for error in errors):
        return OUT_OF_LIMIT
    return None


def left_out(tables: Collection[str], checks: Collection[str]) -> str | None:
    """The message about planned tables and checks that dbt left out without an error; None if there are none."""
    parts = [
        f"{verb} {len(names)} planned {word if len(names) == 1 else word + 's'} ({listed(names)})"
        for verb, word, names in (("build", "table", tables), ("evaluate", "check", checks))
        if names
    ]
    if not parts:
        return None
    return (
        f"dbt reported success but did not {' and did not '.join(parts)}. Something in dbt_project changed after it "
        "was loaded, or is disabled: look there, restart make ui if it runs, and run again."
    )


def contract_broken(model: str, file: str, written: Mapping[str, str], described: Mapping[str, str]) -> str:
    """The message about a model whose SQL yields other columns than its YAML describes, both as types by name."""
    differences = [
        f"{name} is in the {'SQL' if name in written else 'YAML'} only"
        if name not in written or name not in described
        else f"{name} is {written[name]} in the SQL, but {described[name]} in the YAML"
        for name in sorted(written.keys() | described.keys())
        if written.get(name) != described.get(name)
    ]
    more = len(differences) - LONGEST_LIST
    shown = differences[:LONGEST_LIST] + ([f"{more} more"] if more > 0 else [])
    return (
        f"dbt could not build {model}, as its columns differ from its contract: {'; '.join(shown)}. "
        f"Correct the SQL or dbt_project/{file}, and run again."
    )


def listed(names: Iterable[str]) -> str:
    """Names in order, those beyond a few counted: "a, b, c and 9 more"."""
    ordered = sorted(names)
    more = len(ordered) - LONGEST_LIST
    return ", ".join(ordered[:LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")
