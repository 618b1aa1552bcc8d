"""Why a dbt process failed, judged by what it ended with and by its surroundings, in words with a remedy.

Plain functions; they import neither Dagster nor dbt. Which checks failed and what dbt itself says belong to dbt_events.
"""

import os
import re
import shutil
import signal
from collections.abc import Collection, Iterable
from pathlib import Path

# Below that DuckDB cannot write a checkpoint, nor dbt its log.
LEAST_FREE_BYTES = 50 * 1024**2
# dbt hands on only the text of an error of DuckDB, which begins with the name of its type.
OUT_OF_MEMORY = re.compile(r"^\s*Out of Memory Error:", re.MULTILINE)
LONGEST_LIST = 3


def killed_by(returncode: int | None) -> int | None:
    """The signal that ended a process, by its exit status; None where it ended by itself.

    A shell or a container in between reports a signal as 128 and its number.
    """
    if returncode is None or 0 <= returncode <= 128:
        return None
    return -returncode if returncode < 0 else returncode - 128


def killed(number: int, built: int, planned: int) -> str:
    """What to say of a dbt that was ended by a signal, having built so many tables."""
    cause = (
        "usually because memory ran out: lower GREENERY_MEMORY_LIMIT or free memory, and run again"
        if number == signal.SIGKILL
        else "so somebody or something on this machine ended it: run again"
    )
    return f"dbt was killed by signal {number} after it had built {built} of {planned} tables, {cause}."


def surroundings(errors: Iterable[str], *written_to: Path) -> str | None:
    """What around dbt explains its errors: memory, or the folders that it writes to; None where nothing does.

    What a failed dbt gave back when it ended is not seen any more.
    """
    for folder in dict.fromkeys(path if path.is_dir() else path.parent for path in written_to):
        if not folder.is_dir():
            return f"The folder {folder} is not there any more; make it again and run again."
        if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            return f"No space is left on the disk of {folder}; make room there and run again."
    for path in written_to:
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            return f"{path} cannot be written to; give this user the right to, and run again."
    if any(OUT_OF_MEMORY.search(error) for error in errors):
        return (
            "DuckDB ran out of the memory that GREENERY_MEMORY_LIMIT allows; raise it, or run on a machine with more "
            "memory."
        )
    return None


def left_out(tables: Collection[str], checks: Collection[str]) -> str | None:
    """What to say of planned tables and checks that dbt left out without an error; None where there are none."""
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


def listed(names: Iterable[str]) -> str:
    """Names in order, those beyond a few counted: "a, b, c and 9 more"."""
    ordered = sorted(names)
    more = len(ordered) - LONGEST_LIST
    return ", ".join(ordered[:LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")
