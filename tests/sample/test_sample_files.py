"""The sample's files: the same bytes every time, the same rows in every form, replaced as a whole or not."""

import json
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from greenery_assets.sample import (
    EventFiles,
    Format,
    SampleError,
    SampleSpec,
    ensure_default_sample,
    generate,
)
from greenery_assets.sample.database import contract_columns
from tests.defects import KEYS, UNTIL

SMALL = 40
TODAY = UNTIL + timedelta(days=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table_rows(folder: Path, table: str) -> list[tuple[object, ...]]:
    files = [str(path) for path in [*folder.glob(f"{table}.*"), *folder.glob(f"{table}/*")]]
    columns = contract_columns()[table]
    with duckdb.connect() as connection:
        if files[0].endswith(".csv"):
            connection.execute("from read_csv($1, header = true, columns = $2)", [files, columns])
        else:
            connection.execute("from read_parquet($1)", [files])
        return sorted(connection.fetchall(), key=repr)


@pytest.mark.parametrize("file_format", Format)
@pytest.mark.parametrize("event_files", EventFiles)
def test_equal_specs_write_equal_bytes(tmp_path: Path, file_format: Format, event_files: EventFiles) -> None:
    spec = SampleSpec(until=UNTIL, orders=SMALL, format=file_format, event_files=event_files, defects=("heavy_user",))
    generate(spec, tmp_path / "first")
    generate(spec, tmp_path / "second")

    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_seeds_write_other_rows(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(SampleSpec(until=UNTIL, orders=SMALL, seed=seed), tmp_path / str(seed))

    first, second = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert [name for name in first if first[name] == second[name]] == ["promos.csv"]


def test_every_form_holds_the_same_rows(tmp_path: Path) -> None:
    folders = []
    for file_format in Format:
        for event_files in EventFiles:
            folders.append(tmp_path / f"{file_format}-{event_files}")
            spec = SampleSpec(until=UNTIL, orders=SMALL, format=file_format, event_files=event_files)
            counts = generate(spec, folders[-1])

    for table in KEYS:
        first, *others = [table_rows(folder, table) for folder in folders]
        assert len(first) == counts[table]
        assert all(rows == first for rows in others)


def test_daily_files_hold_their_own_day(tmp_path: Path) -> None:
    generate(SampleSpec(until=UNTIL, orders=SMALL, days=5, event_files=EventFiles.DAILY), tmp_path / "out")

    files = sorted((tmp_path / "out" / "events").iterdir())
    assert [file.stem for file in files] == [str(UNTIL - timedelta(days=back)) for back in range(4, -1, -1)]
    for file in files:
        lines = file.read_text().splitlines()[1:]
        times = [line.split(",")[4] for line in lines]
        assert {time[:10] for time in times} == {file.stem}
        assert times == sorted(times)


def test_csv_is_written_like_the_shops_export(tmp_path: Path) -> None:
    generate(SampleSpec(until=UNTIL, orders=SMALL), tmp_path / "out")

    header, *lines = (tmp_path / "out" / "events.csv").read_text().splitlines()
    assert header == ",".join(contract_columns()["events"])
    checkout = next(line for line in lines if ",checkout," in line).split(",")
    order_id, product_id = checkout[6:]
    assert (len(order_id), product_id) == (36, "")
    assert order_id[14] == "4"
    assert checkout[3] == f"https://greenery.com/checkout/{order_id}"
    assert checkout[4][10] + checkout[4][-1] == "TZ"
    assert '"' not in "".join(path.read_text() for path in (tmp_path / "out").glob("*.csv"))


def test_parquet_has_real_types(tmp_path: Path) -> None:
    generate(SampleSpec(until=UNTIL, orders=SMALL, format=Format.PARQUET), tmp_path / "out")

    orders = pq.ParquetFile(tmp_path / "out" / "orders.parquet").schema
    kinds = {orders.column(i).name: str(orders.column(i).logical_type) for i in range(len(orders))}
    assert kinds["order_id"] == "UUID"
    assert kinds["order_total"] == "Decimal(precision=18, scale=2)"
    assert "isAdjustedToUTC=false" in kinds["created_at"]
    items = pq.ParquetFile(tmp_path / "out" / "order_items.parquet").schema
    assert items.column(2).physical_type == "INT64"


def test_new_sample_replaces_every_table_and_no_other_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(SampleSpec(until=UNTIL, orders=SMALL, event_files=EventFiles.DAILY), out)
    (out / "notes.txt").write_text("mine")

    generate(SampleSpec(until=UNTIL, orders=SMALL, format=Format.PARQUET), out)

    tables = {f"{table}.parquet" for table in KEYS}
    assert {path.name for path in out.iterdir()} == tables | {"sample.json", "notes.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_failure_leaves_the_old_sample_and_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    generate(SampleSpec(until=UNTIL, orders=SMALL), out)
    before = contents(out)

    def fail_to_write(*_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(SampleError, match="duplicate_promo"):
        generate(SampleSpec(until=UNTIL, orders=SMALL, defects=("duplicate_promo:7",)), out)
    # The package has a function of the module's name.
    monkeypatch.setattr(import_module("greenery_assets.sample.generate"), "break_lines", fail_to_write)
    with pytest.raises(OSError, match="disk full"):
        generate(SampleSpec(until=UNTIL, orders=SMALL, seed=8), out)

    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_foreign_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("real data")

    for attempt in (
        lambda: generate(SampleSpec(until=UNTIL, orders=SMALL), tmp_path),
        lambda: ensure_default_sample(tmp_path, TODAY),
    ):
        with pytest.raises(ValueError, match=r"holds files that are no sample \(no sample.json\)"):
            attempt()
    assert contents(tmp_path) == {"users.csv": b"real data"}


def test_default_sample_is_made_and_kept_up_to_date(tmp_path: Path) -> None:
    out = tmp_path / "missing" / "out"

    assert ensure_default_sample(out, TODAY)
    assert json.loads((out / "sample.json").read_text()) == {
        "until": str(UNTIL),
        "orders": 400,
        "events": None,
        "days": 30,
        "seed": 7,
        "format": "csv",
        "event_files": "one",
        "defects": [],
    }
    assert not ensure_default_sample(out, TODAY)
    assert ensure_default_sample(out, TODAY + timedelta(days=1))
    assert SampleSpec.read(out / "sample.json") == SampleSpec(until=TODAY)


def test_default_sample_is_made_in_an_empty_folder(tmp_path: Path) -> None:
    assert ensure_default_sample(tmp_path, TODAY)


@pytest.mark.parametrize(
    "chosen",
    [
        SampleSpec(until=date(2020, 1, 1), orders=SMALL),
        SampleSpec(until=date(2020, 1, 1), orders=SMALL, defects=("second_checkout",)),
        SampleSpec(until=date(2020, 1, 1), orders=SMALL, format=Format.PARQUET),
    ],
    ids=str,
)
def test_chosen_sample_is_never_touched(tmp_path: Path, chosen: SampleSpec) -> None:
    generate(chosen, tmp_path / "out")
    before = contents(tmp_path / "out")

    assert not ensure_default_sample(tmp_path / "out", TODAY)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"until": "2020-01-01", "format": "xml"}'])
def test_unreadable_arguments_are_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "sample.json").write_text(text)

    with pytest.raises(SampleError, match="does not describe a sample"):
        ensure_default_sample(tmp_path, TODAY)
