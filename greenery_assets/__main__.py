"""The commands behind the Makefile's targets."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenery_assets.command_line import command
from greenery_assets.dagster_home import open_history
from greenery_assets.settings import PROJECT_ROOT, shown
from greenery_assets.web_interface import serve

if TYPE_CHECKING:
    import dagster as dg

    from greenery_assets.alerts.project import Project

app = typer.Typer(help="Greenery's data platform.", no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def run(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Build every model from all of the history.")
    ] = False,
    days: Annotated[
        str, typer.Option("--days", help="Rebuild these days too: 2026-11-01, or 2026-11-01..2026-11-07.")
    ] = "",
    new_source: Annotated[
        bool, typer.Option("--new-source", help="The warehouse was filled from another source, and that is meant.")
    ] = False,
    accept_row_loss: Annotated[
        bool, typer.Option("--accept-row-loss", help="Source tables lost rows, or rows were rejected: that is meant.")
    ] = False,
) -> None:
    """Run the daily job once and show what came of it."""
    with command() as settings:
        from greenery_assets.dbt.refresh import named_days  # noqa: PLC0415  it imports DuckDB
        from greenery_assets.run import run_daily_job  # noqa: PLC0415  it imports Dagster: seconds

        named_days(days)
        code = run_daily_job(
            settings, full_refresh=full_refresh, days=days, new_source=new_source, accept_row_loss=accept_row_loss
        )
    raise typer.Exit(code)


@app.command()
def ui() -> None:
    """Start the Dagster web interface, on this machine alone, and the daily schedule."""
    with command() as settings:
        # What it would end with a traceback for is found here. The servers that start next at once find its
        # databases made.
        with open_history(settings.dagster_home):
            pass
        os.chdir(PROJECT_ROOT)
        serve(settings.ui_port, typer.echo)


@app.command()
def report() -> None:
    """Write the page about the state of the data, and its picture, without a run."""
    with command() as settings:
        # They import Dagster: seconds.
        from greenery_assets.definitions import catalogue  # noqa: PLC0415
        from greenery_assets.report.build import build_report  # noqa: PLC0415

        with open_history(settings.dagster_home) as instance:
            built = build_report(instance, catalogue(), settings)
    typer.echo(built.verdict)
    typer.echo(f"The page     {shown(built.page)}")
    typer.echo(f"The picture  {shown(built.picture)}")
    # Without a terminal there is nobody to open a browser for.
    if sys.stdout.isatty():
        typer.launch(str(built.page))


@app.command()
def docs() -> None:
    """Write dbt's documentation of models, columns and tests as one page."""
    with command() as settings:
        from greenery_assets.dbt.project import write_docs  # noqa: PLC0415  it imports dbt's Dagster side

        write_docs(settings.docs_page)
    typer.echo(f"The documentation  {shown(settings.docs_page)}")


@app.command()
def backup(to: Annotated[Path, typer.Argument(metavar="NEW_FOLDER", help="A new folder.")]) -> None:
    """Copy what cannot be rebuilt: warehouse, Dagster's history, the memory of the alerts."""
    with command() as settings:
        # They import Dagster: seconds.
        from greenery_assets.backup import back_up  # noqa: PLC0415
        from greenery_assets.run import one_at_a_time  # noqa: PLC0415

        with open_history(settings.dagster_home) as instance, one_at_a_time(settings, typer.echo):
            made = back_up(settings, instance, to, typer.echo)
    typer.echo(f"The backup  {to.absolute()}: {len(made.files):,} files, {made.bytes / 1e6:,.1f} MB")
    if settings.engine == "spark":
        typer.echo("The tables are not in it: Spark keeps them. Copy them with the cluster's own tools.")


@app.command()
def restore(folder: Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder of a backup.")]) -> None:
    """Bring a backup back, where DAGSTER_HOME and the warehouse are empty."""
    with command() as settings:
        # They import Dagster: seconds.
        from greenery_assets.alerts.ledger import Ledger  # noqa: PLC0415
        from greenery_assets.backup import restore as bring_back  # noqa: PLC0415
        from greenery_assets.definitions import alerts_project  # noqa: PLC0415

        made = bring_back(settings, folder)
        with closing(Ledger.open(alerts_project(settings))) as ledger, ledger.transaction() as book:
            book.doubt_waiting()
    typer.echo(f"Restored from {folder.absolute()}, made {made.made_at} by version {made.version}.")
    typer.echo(f"DAGSTER_HOME   {settings.dagster_home}")
    typer.echo(f"The warehouse  {settings.warehouse}")
    typer.echo("Next: make run")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def alerts(context: typer.Context) -> None:
    """See and steer the alerts about failed checks; alerts --help lists how."""
    from greenery_assets.alerts.cli import app as commands  # noqa: PLC0415  it imports Dagster: seconds

    commands(context.args, prog_name="python -m greenery_assets alerts", obj=open_project)


@contextmanager
def open_project() -> "Iterator[tuple[Project, dg.RepositoryDefinition]]":
    """The project and the definitions, for the commands of the alerts."""
    with command() as settings:
        from greenery_assets.definitions import alerts_project, defs  # noqa: PLC0415  seconds

        yield alerts_project(settings), defs.get_repository_def()


if __name__ == "__main__":
    app()
