"""The two sides of a comparison: a base from git and the project as it lies here, each built by a daily job of its own.

Neither sees `.env`, Slack, a ping address or another setting of whoever compares: everything but the source folder has
its default, in a temporary folder. What the sides hold is compare's business.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from greenery_assets.settings import PROJECT_ROOT, working_file

LAST_LINES = 15
# Of settings, and of the make that called this.
_NOT_HANDED_ON = ("GREENERY_", "DAGSTER_", "DAGIT_", "DBT_", "MAKE", "MFLAGS", "PYTHONPATH", "VIRTUAL_ENV")


class SideError(Exception):
    """A side that cannot be built; the text names it, and says why."""


@dataclass(frozen=True)
class Side:
    """The base or the change: its `title` for people, its code in `project`, and `folder` for what it makes."""

    name: str
    title: str
    project: Path
    folder: Path

    @property
    def warehouse(self) -> Path:
        """The DuckDB file in which its run worked. DuckDB takes a database's name from its file's."""
        published = self.folder / f"{self.name}.duckdb"
        working = working_file(published)
        return working if working.exists() else published

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What dbt knows of its project."""
        return json.loads((self.project / "dbt_project" / "target" / "manifest.json").read_bytes())

    def build(self, source: Path, say: Callable[[str], None]) -> Mapping[str, str]:
        """Run its daily job on a source folder. Returns each check's outcome in words. Raises SideError.

        A failed check is an outcome. Another failure of a step, or a run that never began, is none.
        """
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)},
            "PYTHONPATH": str(self.project),
            "TMPDIR": str(self.folder / "tmp"),
            "DAGSTER_HOME": str(self.folder / "dagster_home"),
            "GREENERY_WAREHOUSE_PATH": str(self.folder / f"{self.name}.duckdb"),
            "GREENERY_SOURCE_DIR": str(source),
            "GREENERY_REPORT_DIR": str(self.folder / "report"),
        }
        for part in ("greenery_assets", "pyproject.toml", "requirements.lock", "dagster_home/dagster.yaml"):
            if not (self.project / part).exists():
                raise SideError(f"The {self.name}, {self.title}, cannot be built: it has no {part}.")
        for name in ("dagster_home", "tmp"):
            (self.folder / name).mkdir(parents=True)
        shutil.copy(self.project / "dagster_home" / "dagster.yaml", self.folder / "dagster_home")
        python = Path(sys.executable)
        if not _can_share_packages(self.project):
            say(f"Setting up a virtual environment for the {self.name}, whose packages differ: some minutes")
            python = self.project / ".venv" / "bin" / "python"
            self._run(["make", f"PYTHON={sys.executable}", ".venv/.ready"], environment, allowed=(0,))
        say(f"Building the {self.name}, {self.title}: about half a minute")
        run = self._run([str(python), "-m", "greenery_assets", "run"], environment, allowed=(0, 1))
        script = Path(__file__).with_name("outcomes.py")
        found = json.loads(self._run([str(python), str(script)], environment, allowed=(0,)).stdout)
        if found is None or found["faults"] or (run.returncode and not found["has_error"]):
            raise self._failed(run)
        checks: Mapping[str, str] = found["checks"]
        return checks

    def _run(
        self, command: Sequence[str], environment: Mapping[str, str], allowed: Sequence[int]
    ) -> "subprocess.CompletedProcess[str]":
        """What a command did. Where this is interrupted, it kills the command with all that it started."""
        with subprocess.Popen(
            command, cwd=self.project, env=environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                written = process.communicate()
            except BaseException:
                # All that they wrote is removed, so nothing is lost. They may have ended by themselves meanwhile.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        done = subprocess.CompletedProcess(command, process.returncode, *written)
        if done.returncode not in allowed:
            raise self._failed(done)
        return done

    def _failed(self, done: "subprocess.CompletedProcess[str]") -> SideError:
        lines = (done.stdout + done.stderr).rstrip().splitlines()[-LAST_LINES:]
        # dbt's own log, to which these lines may refer, is removed with the rest.
        for file in (self.project / "dbt_project" / "target").glob("*/run_results.json"):
            results = json.loads(file.read_bytes())["results"]
            lines += [f"dbt: {result['message']}" for result in results if result["status"] == "error"]
        return SideError("\n".join([f"The {self.name}, {self.title}, could not be built. Its last lines:", *lines]))


@contextmanager
def both(base: str) -> Iterator[tuple[Side, Side]]:
    """Base and change in temporary folders, which are removed however this ends. Raises SideError."""
    top = Path(_git("rev-parse", "--show-toplevel", otherwise=f"{PROJECT_ROOT} is not in a git checkout"))
    commit = _git(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}",
        otherwise=f"BASE={base} is no branch, tag or commit of this checkout",
    )  # fmt: skip
    with ExitStack() as stack:
        # What a process that was killed is still writing must not hide why this ended.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="diff_", ignore_cleanup_errors=True)))
        tree = folder / "base_code"
        stack.callback(_remove_worktree, tree)
        _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        project = tree / PROJECT_ROOT.relative_to(top)
        (project / ".env").unlink(missing_ok=True)
        here = _git("rev-parse", "--abbrev-ref", "HEAD")
        changed = ", with uncommitted changes" if _git("status", "--porcelain") else ""
        yield (
            Side("base", f"{base} ({commit[:8]})", project, folder / "base"),
            Side(
                "change",
                f"{here} ({_git('rev-parse', 'HEAD')[:8]}{changed})",
                _copy(folder / "change_code"),
                folder / "change",
            ),
        )


def _remove_worktree(tree: Path) -> None:
    """Remove a worktree and what git knows of it, even if git was interrupted while it made it.

    Not by `git worktree prune`, which forgets every worktree that is not there now, as on a disk that is not mounted.
    """
    # Without its files, finished or not, git only forgets it; the second --force is for one that was not finished.
    shutil.rmtree(tree, ignore_errors=True)
    with suppress(SideError):
        _git("worktree", "remove", "--force", "--force", str(tree))


def _copy(to: Path) -> Path:
    """The project as it lies here, without what git ignores: `.env`, what runs made, the virtual environment."""
    for name in filter(None, _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")):
        if (PROJECT_ROOT / name).is_file() and name != ".env":
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_ROOT / name, to / name, follow_symlinks=False)
    return to


def _can_share_packages(project: Path) -> bool:
    """Whether a side's code runs in this virtual environment: the same packages, and no command that is not there."""
    here, there = (_installed(folder) for folder in (PROJECT_ROOT, project))
    return here[0] == there[0] and there[1].items() <= here[1].items()


def _installed(project: Path) -> tuple[str, Mapping[str, str]]:
    commands = tomllib.loads((project / "pyproject.toml").read_text())["project"].get("scripts", {})
    return (project / "requirements.lock").read_text(), commands


def _git(*arguments: str, otherwise: str = "git failed") -> str:
    try:
        done = subprocess.run(["git", "-C", str(PROJECT_ROOT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SideError("git is not installed, and the base is taken from it: install git.") from None
    if done.returncode:
        raise SideError(f"{otherwise}{f': {done.stderr.strip()}' if done.stderr.strip() else '.'}")
    return done.stdout.strip()
