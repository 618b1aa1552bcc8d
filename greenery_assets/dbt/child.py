"""The command `greenery-dbt`: dbt that ends when the process that reads its output ends, in whatever way.

A dbt whose parent was killed would go on for seconds, and nobody else could open the warehouse meanwhile. What dbt runs
and how its output is read belong elsewhere. Imports neither Dagster nor dbt until it has to.
"""

import os
import select
import signal
import stat
import sys
import threading
from importlib.metadata import version


def end_with_reader() -> None:
    """Kill this process as soon as nobody reads its stdout any more; does nothing where stdout is no pipe.

    The system closes the pipe when its reader ends, in whatever way. A signal on the death of the parent does not exist
    on all of POSIX, depends on the thread that started dbt, and is lost if the parent has ended before.
    """
    descriptor = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return

    def wait_and_end() -> None:
        poll = select.poll()
        # An error on the pipe is always reported, and nothing else is waited for.
        poll.register(descriptor, 0)
        poll.poll()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait_and_end, name="end_with_reader", daemon=True).start()


def main() -> None:
    """Run dbt's own command line."""
    end_with_reader()
    if sys.argv[1:] == ["--version"]:
        # dagster-dbt asks before each run. dbt itself would look in the package index for a newer one.
        print(f"installed: {version('dbt-core')}")
        return
    from dbt.cli.main import cli  # noqa: PLC0415  seconds in which the reader may end

    cli(prog_name="dbt")


if __name__ == "__main__":
    main()
