"""The command line of the sample generator: arguments in, a summary or one line of error out."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from greenery_assets.sample.defects import CATALOGUE
from greenery_assets.sample.errors import SampleError
from greenery_assets.sample.generate import generate
from greenery_assets.sample.spec import (
    DEFAULT_DAYS,
    DEFAULT_ORDERS,
    DEFAULT_SEED,
    EventFiles,
    Format,
    SampleSpec,
    yesterday,
)
from greenery_assets.settings import PROJECT_ROOT, can_be_written_down

DEFAULT_OUT = PROJECT_ROOT / "data" / "sample"
USAGE_ERROR = 2

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_defects(wanted: bool) -> None:
    if not wanted:
        return
    for defect in CATALOGUE.values():
        count = "" if defect.counted is None else f" COUNT: {defect.counted}, default {defect.default_count}."
        only = " CSV only." if defect.csv_only else ""
        typer.echo(f"{defect.name} ({defect.assumption}): {defect.description}{count}{only}")
    raise typer.Exit


def _folder(out: Path) -> Path:
    if not can_be_written_down(out):
        raise SampleError("--out must be a path in UTF-8 without control characters")
    try:
        # DuckDB would take a ~ at the beginning for somebody's home otherwise, and Python for a name.
        return out.expanduser().absolute()
    except RuntimeError:
        raise SampleError(f"--out {out} names a user who is not known here") from None


@app.command()
def main(
    *,
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier sample in it is replaced.")] = DEFAULT_OUT,
    orders: Annotated[int | None, typer.Option(help=f"Number of orders (default {DEFAULT_ORDERS}).")] = None,
    events: Annotated[int | None, typer.Option(help="About this many events, instead of --orders.")] = None,
    days: Annotated[int, typer.Option(help="Days of data.")] = DEFAULT_DAYS,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day of data (default yesterday in UTC)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes another sample.")] = DEFAULT_SEED,
    file_format: Annotated[Format, typer.Option("--format", help="File format.")] = Format.CSV,
    event_files: Annotated[
        EventFiles, typer.Option(help="Events in one file, or in a folder of one file for each day.")
    ] = EventFiles.ONE,
    defect: Annotated[
        list[str] | None, typer.Option(metavar="NAME[:COUNT]", help="Plant a defect; may be repeated.")
    ] = None,
    list_defects: Annotated[  # noqa: ARG001 - acts in its callback, before the others are looked at
        bool,
        typer.Option("--list-defects", callback=_print_defects, is_eager=True, help="List the defects and stop."),
    ] = False,
) -> None:
    """Write a synthetic Greenery source folder; the same arguments write the same bytes."""
    try:
        spec = SampleSpec(
            until=until.date() if until else yesterday(),
            orders=orders,
            events=events,
            days=days,
            seed=seed,
            format=file_format,
            event_files=event_files,
            defects=tuple(defect or ()),
        )
        rows_by_table = generate(spec, _folder(out))
    except SampleError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(USAGE_ERROR) from None
    except OSError as error:
        typer.echo(f"error: {out} cannot be written ({error.strerror}); name another folder with --out", err=True)
        raise typer.Exit(USAGE_ERROR) from None
    typer.echo(f"Sample of {spec.days} days until {spec.until} in {out}")
    summary = Table("table")
    summary.add_column("rows", justify="right")
    for table, count in rows_by_table.items():
        summary.add_row(table, f"{count:,}")
    Console().print(summary)
