"""The command behind `make diff`."""

import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from diff_tables.compare import EXAMPLES, compare_checks, compare_figures, compare_tables, order, read
from diff_tables.markdown import Difference, in_short, page
from diff_tables.sides import SideError, both
from greenery_assets.privacy import known_texts
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.sample.spec import yesterday
from greenery_assets.settings import PROJECT_ROOT, SettingsError, load_settings
from greenery_assets.warehouse import Source

WRITTEN_TO = PROJECT_ROOT / "data" / "diff.md"
app = typer.Typer(help="Compare what a base and the present code build.", pretty_exceptions_enable=False)


@app.command()
def compare(base: Annotated[str, typer.Argument(help="A branch, a tag or a commit.")]) -> None:
    """Build a base and the present code from the same source; write which tables, figures and checks differ."""
    # What an earlier comparison found is not what this one finds, should it fail.
    WRITTEN_TO.unlink(missing_ok=True)
    _let_signals_interrupt()
    try:
        with TemporaryDirectory(prefix="diff_source_") as folder:
            found = build_and_compare(base, load_settings().source_dir, Path(folder))
    except (SideError, SettingsError) as error:
        typer.secho(str(error), fg="red", err=True)
        raise typer.Exit(1) from None
    WRITTEN_TO.parent.mkdir(exist_ok=True)
    WRITTEN_TO.write_text(page(found), encoding="utf-8")
    typer.echo(in_short(found))
    typer.echo(
        f"As Markdown{', with examples of rows' if found.is_sample else ''}: {WRITTEN_TO.relative_to(PROJECT_ROOT)}"
    )


def build_and_compare(base: str, source: Path | None, folder: Path) -> Difference:
    """How a base and the present code differ, built from a source; without one from sample data, made in `folder`.

    No row of a source that is not sample data is in it. Raises SideError.
    """
    with both(base) as sides:
        if source is None:
            typer.echo("Source: sample data (GREENERY_SOURCE_DIR is not set)")
            generate(SampleSpec(until=yesterday()), folder)
            source = folder
        elif not source.is_dir():
            raise SideError(f"The source folder {source} does not exist. Correct GREENERY_SOURCE_DIR, or remove it.")
        else:
            typer.echo(f"Source: {source}")
        checks = [side.build(source, typer.echo) for side in sides]
        manifests = [side.manifest for side in sides]
        is_sample = Source.at(source).is_sample
        files = [side.warehouse for side in sides]
        figures = [read(file, side.name) for file, side in zip(files, sides, strict=True)]
        texts = known_texts(manifests[1])
        return Difference(
            base=sides[0].title,
            change=sides[1].title,
            is_sample=is_sample,
            planned=(frozenset(order(manifests[0])), frozenset(order(manifests[1]))),
            tables=compare_tables(files[0], files[1], manifests[1], texts, examples=EXAMPLES if is_sample else 0),
            figures=compare_figures(figures[0], figures[1], texts),
            checks=compare_checks(*checks),
        )


def _let_signals_interrupt() -> None:
    """Ended by the system, or with its terminal, it removes what it made as after Ctrl-C, and is not ended twice."""
    # Under nohup a closed terminal is ignored, and stays so.
    numbers = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) != signal.SIG_IGN]

    def interrupt(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)


if __name__ == "__main__":
    app()
