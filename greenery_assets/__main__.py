"""The commands behind the Makefile's targets."""

import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from greenery_assets.settings import PROJECT_ROOT, Settings, SettingsError, load_settings, shown

app = typer.Typer(help="Greenery's data platform.", no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def run(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Build every model from all of the history.")
    ] = False,
    days: Annotated[
        str, typer.Option("--days", help="Rebuild these days too: 2026-11-01, or 2026-11-01..2026-11-07.")
    ] = "",
) -> None:
    """Run the daily job once and show what came of it."""
    settings = _settings()
    # They import Dagster: seconds.
    from greenery_assets.alerts.routing import RoutingError  # noqa: PLC0415
    from greenery_assets.refresh import DaysError, named_days  # noqa: PLC0415
    from greenery_assets.runner import run_daily_job  # noqa: PLC0415

    try:
        named_days(days)
        code = run_daily_job(settings, full_refresh=full_refresh, days=days)
    except (RoutingError, DaysError) as error:
        _stop(str(error))
    raise typer.Exit(code)


@app.command()
def ui() -> NoReturn:
    """Start the Dagster web interface, and the daily schedule."""
    settings = _settings()
    port = str(settings.ui_port)
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(PROJECT_ROOT / "workspace.yaml"), "-p", port]
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, command)


@app.command()
def report() -> None:
    """Tell the state of the data from what is there, without a run: a page, and a picture of it."""
    settings = _settings()
    # They import Dagster: seconds.
    import dagster as dg  # noqa: PLC0415

    from greenery_assets.alerts.history import Catalogue  # noqa: PLC0415
    from greenery_assets.alerts.routing import RoutingError  # noqa: PLC0415
    from greenery_assets.report.build import ReportError, build_report  # noqa: PLC0415

    try:
        from greenery_assets.definitions import defs  # noqa: PLC0415

        with dg.DagsterInstance.get() as instance:
            built = build_report(instance, Catalogue.of(defs.get_repository_def()), settings)
    except (RoutingError, ReportError) as error:
        _stop(str(error))
    typer.echo(built.verdict)
    typer.echo(f"The page     {shown(built.page)}")
    typer.echo(f"The picture  {shown(built.picture)}")
    # Where nobody sits in front of it, a browser would open for nobody.
    if sys.stdout.isatty():
        typer.launch(str(built.page))


@app.command()
def docs() -> None:
    """Write dbt's documentation of models, columns and tests as one page."""
    settings = _settings()
    from greenery_assets.project import DbtError, write_docs  # noqa: PLC0415  it imports dbt's Dagster side

    try:
        write_docs(settings.docs_page)
    except DbtError as error:
        _stop(str(error))
    typer.echo(f"The documentation  {shown(settings.docs_page)}")


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        _stop(str(error))


def _stop(reason: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(reason, style="red", markup=False)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
