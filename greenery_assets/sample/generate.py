"""Makes samples: the functions that the command line, the project and its tests call, and the files they write."""

import shutil
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from greenery_assets.sample.build import build
from greenery_assets.sample.database import connect, contract_columns
from greenery_assets.sample.defects import apply_defect, break_lines, spoil_columns
from greenery_assets.sample.errors import SampleError
from greenery_assets.sample.spec import EventFiles, Format, SampleSpec, yesterday
from greenery_assets.warehouse import SAMPLE_FILE, DuckDB

# A total order each, so that equal samples are equal files.
ROW_ORDER = {
    "users": "created_at, user_id",
    "addresses": "address_id",
    "products": "name, product_id",
    "promos": "promo_id",
    "orders": "created_at, order_id",
    "order_items": "order_id, product_id",
    "events": "created_at, event_id",
}
COPY_OPTIONS = {
    Format.CSV: "format csv, header, timestampformat '%Y-%m-%dT%H:%M:%SZ'",
    Format.PARQUET: "format parquet, compression zstd",
}


def generate(spec: SampleSpec, out: Path) -> dict[str, int]:
    """Write the sample that `spec` describes to the folder `out`; return the number of rows by table.

    The same spec writes the same bytes. A sample already in `out` is replaced once the new one is
    written. Raises SampleError, a ValueError, if `out` holds anything but a sample, or if a defect
    asks for more rows than there are; `out` is then as it was.
    """
    _check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        written = Path(scratch, "written")
        written.mkdir()
        with connect(Path(scratch, "sample.duckdb")) as connection:
            build(connection, spec)
            for defect, count in spec.requested_defects:
                apply_defect(connection, defect, count, spec.seed)
            rows_by_table = _write_files(connection, spec, written)
        _swap_in(written, out, Path(scratch, "retired"))
    return rows_by_table


def ensure_default_sample(out: Path, today: date) -> bool:
    """Make sure that `out` holds a sample, and that a default one ends yesterday; return whether it wrote.

    A sample with other arguments than the defaults is somebody's choice and stays. Raises
    SampleError, a ValueError, if `out` holds anything but a sample.
    """
    _check_replaceable(out)
    until = yesterday(today)
    arguments = out / SAMPLE_FILE
    if arguments.exists():
        present = SampleSpec.read(arguments)
        if present.until == until or not present.is_default():
            return False
    generate(SampleSpec(until=until), out)
    return True


def _write_files(connection: DuckDB, spec: SampleSpec, folder: Path) -> dict[str, int]:
    """Write the seven tables and the sample's arguments to the empty `folder`; return rows by table."""
    spoil_columns(connection)
    for table in contract_columns():
        if table == "events" and spec.event_files == EventFiles.DAILY:
            _write_daily_events(connection, spec, folder / table)
        else:
            _copy(connection, table, spec.format, folder / f"{table}.{spec.format}")
    if spec.format == Format.CSV:
        break_lines(connection, sorted(folder.glob("events.csv")) + sorted(folder.glob("events/*.csv")))
    (folder / SAMPLE_FILE).write_text(spec.to_json(), encoding="utf-8")
    return {table: len(connection.table(table)) for table in contract_columns()}


def _check_replaceable(folder: Path) -> None:
    """Raise SampleError unless `folder` is missing, empty, or holds an earlier sample."""
    if folder.exists() and not folder.is_dir():
        raise SampleError(f"{folder} is a file; a sample needs a folder of its own")
    if folder.exists() and any(folder.iterdir()) and not (folder / SAMPLE_FILE).is_file():
        raise SampleError(
            f"{folder} holds files that are no sample (no {SAMPLE_FILE}); "
            "choose a folder that is new, empty or an earlier sample"
        )


def _swap_in(written: Path, folder: Path, retired: Path) -> None:
    """Move the sample in `written` to `folder`, an earlier sample's tables to the new folder `retired`.

    Other files in `folder` stay. The arguments come last: until then they describe the old sample.
    """
    folder.mkdir(parents=True, exist_ok=True)
    retired.mkdir()
    for table in contract_columns():
        for old in (folder / table, *(folder / f"{table}.{ending}" for ending in Format)):
            if old.exists():
                shutil.move(old, retired)
        for new in (*written.glob(table), *written.glob(f"{table}.*")):
            shutil.move(new, folder)
    shutil.move(written / SAMPLE_FILE, folder / SAMPLE_FILE)


def _write_daily_events(connection: DuckDB, spec: SampleSpec, folder: Path) -> None:
    folder.mkdir()
    days = connection.execute(
        "select distinct created_at::date from events where created_at is not null order by 1"
    ).fetchall()
    for (day,) in days:
        # Events without a time arrive with the last day's.
        undated = "or created_at is null" if day == days[-1][0] else ""
        _copy(
            connection,
            "events",
            spec.format,
            folder / f"{day}.{spec.format}",
            f"where created_at >= '{day}' and created_at < '{day}'::date + 1 {undated}",
        )


def _copy(connection: DuckDB, table: str, file_format: Format, path: Path, condition: str = "") -> None:
    target = str(path).replace("'", "''")
    connection.execute(
        f"""copy (from {table} {condition} order by {ROW_ORDER[table]}) to '{target}'
            ({COPY_OPTIONS[file_format]})"""
    )
