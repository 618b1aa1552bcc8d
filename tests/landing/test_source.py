"""A warehouse knows its source, and a load that takes too much away leaves everything as it was."""

import os
from pathlib import Path

import duckdb
import pytest

from greenery_assets.landing import LoadRefusedError, load
from greenery_assets.warehouse import (
    Source,
    SourceChangedError,
    WarehouseError,
    recorded_source,
    settle_source,
)
from greenery_assets.warehouse.loads import Arrival, last_arrival

from .support import CONTRACTS, Landing

NOTES = {"notes": CONTRACTS["notes"]}


@pytest.fixture
def sample_dir(tmp_path: Path) -> Path:
    """Where sample data would be made; nothing is there yet."""
    return tmp_path / "data" / "sample"


@pytest.fixture
def filled(landing: Landing) -> Landing:
    landing.write("notes.csv", "note,n\na,1\nb,2\n")
    landing.load("notes")
    return landing


def sample_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "sample.json").write_text("{}")
    (folder / "notes.csv").write_text("note,n\ns,1\n")
    return folder


def test_the_first_load_notes_what_fills_the_warehouse(filled: Landing) -> None:
    for _ in range(2):
        assert filled.query("from landing.source") == [("folder", str(filled.sources), 1)]
        filled.write("notes.csv", "note,n\nchanged,1\n")
        filled.load("notes")


def test_one_folder_by_several_names_is_one_source(
    filled: Landing, sample_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(filled.sources)
    for name in (filled.sources, Path("sources"), Path("sources/../sources"), f"{filled.sources}/", tmp_path / "link"):
        assert settle_source(filled.warehouse, Source.of(Path(name), sample_dir), sample_dir) is None
    # One name, which leads to every day's newest export.
    load(filled.warehouse, tmp_path / "link", NOTES)
    newer = filled.sources.rename(tmp_path / "newer")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(newer)
    assert settle_source(filled.warehouse, Source.of(tmp_path / "link", sample_dir), sample_dir) is None


@pytest.mark.parametrize("is_older_version", [False, True])
def test_another_folder_is_refused_by_name_and_unread(
    filled: Landing, sample_dir: Path, is_older_version: bool
) -> None:
    if is_older_version:
        with duckdb.connect(str(filled.warehouse)) as connection:
            connection.execute("drop table landing.source")
    other = Source.of(filled.sources / "elsewhere", sample_dir)
    before = filled.warehouse.read_bytes()
    with pytest.raises(SourceChangedError) as caught:
        settle_source(filled.warehouse, other, sample_dir)
    for named in (str(filled.warehouse), f"filled from {filled.sources};", f"load {other.folder} into", "--new-source"):
        assert named in str(caught.value)
    assert "set it back to go on" in str(caught.value)
    assert "its history then go on" in str(caught.value)
    assert is_older_version or filled.warehouse.read_bytes() == before
    assert settle_source(filled.warehouse, other, sample_dir, is_new_source=True) is None
    with pytest.raises(SourceChangedError, match="load the seven of them in one run"):
        settle_source(filled.warehouse, other, sample_dir, is_new_source=True, is_whole=False)


def test_a_warehouse_of_an_older_version_is_adopted_by_the_folder_its_files_are_in(
    landing: Landing, sample_dir: Path
) -> None:
    landing.write("notes/1.csv", "note,n\na,1\n")
    landing.load("notes")
    with duckdb.connect(str(landing.warehouse)) as connection:
        connection.execute("drop table landing.source; drop table landing.arrivals")
        connection.execute("alter table quality.rejected_rows drop column load_was_refused")
        assert recorded_source(connection) is None
        assert last_arrival(connection, "notes") is None
    assert settle_source(landing.warehouse, Source.of(landing.sources, sample_dir), sample_dir) is None
    assert landing.load("notes")["notes"].arrival.rows_before == 1
    assert landing.query("select folder from landing.source") == [(str(landing.sources),)]
    with duckdb.connect(str(landing.warehouse)) as connection:
        connection.execute("drop schema landing cascade")
    with pytest.raises(SourceChangedError, match="a source that is not on record"):
        settle_source(landing.warehouse, Source.of(landing.sources, sample_dir), sample_dir)


def test_sample_data_takes_no_warehouse_of_a_shop_nor_a_shop_one_of_sample_data(
    filled: Landing, sample_dir: Path, tmp_path: Path
) -> None:
    sample = Source.of(None, sample_dir)
    assert (sample.name, sample.folder) == ("sample data", sample_dir)
    with pytest.raises(SourceChangedError, match=f"load sample data in {sample_dir} into"):
        settle_source(filled.warehouse, sample, sample_dir)
    assert not sample_dir.exists()
    set_aside = settle_source(filled.warehouse, sample, sample_dir, is_new_source=True)
    assert isinstance(set_aside, Path)
    assert set_aside.name.startswith("warehouse.before-")
    folder = sample_in(sample_dir)
    # A source that cannot be loaded takes nothing away.
    (folder / "notes.csv").rename(folder / "_notes.csv")
    with pytest.raises(Exception, match="lacks the table"):
        load(filled.warehouse, folder, NOTES, set_aside=set_aside)
    (folder / "_notes.csv").rename(folder / "notes.csv")
    with pytest.raises(LoadRefusedError):
        load(filled.warehouse, folder, NOTES, set_aside=set_aside, refuses=lambda _: True)
    assert filled.query("select note from raw.notes") == [("a",), ("b",)]
    load(filled.warehouse, folder, NOTES, set_aside=set_aside)
    assert filled.query("select note from raw.notes") == [("s",)]
    with duckdb.connect(str(set_aside), read_only=True) as connection:
        assert connection.execute("select note from raw.notes").fetchall() == [("a",), ("b",)]
    assert sorted(path.name for path in filled.warehouse.parent.iterdir()) == sorted(
        [filled.warehouse.name, set_aside.name]
    )
    with pytest.raises(SourceChangedError, match="names the source: leave it unset to go on") as caught:
        settle_source(filled.warehouse, Source.of(filled.sources, sample_dir), sample_dir)
    assert "is then renamed" in str(caught.value)
    back = settle_source(filled.warehouse, Source.of(filled.sources, sample_dir), sample_dir, is_new_source=True)
    assert isinstance(back, Path)
    assert back.name.startswith("warehouse.sample-")
    # Another sample is another source too, but its history is worth no file of its own.
    other = Source.of(sample_in(tmp_path / "other"), sample_dir)
    with pytest.raises(SourceChangedError):
        settle_source(filled.warehouse, other, sample_dir)
    assert settle_source(filled.warehouse, other, sample_dir, is_new_source=True) is None


def test_a_warehouse_that_cannot_be_set_aside_is_as_it_was(filled: Landing, sample_dir: Path, tmp_path: Path) -> None:
    sample = sample_in(sample_dir)
    with pytest.raises(WarehouseError, match=r"cannot be renamed to .* is as it was"):
        load(filled.warehouse, sample, NOTES, set_aside=tmp_path / "nowhere" / "before.duckdb")
    assert filled.query("select note from raw.notes order by note") == [("a",), ("b",)]
    assert [path.name for path in filled.warehouse.parent.glob("*.duckdb*")] == [filled.warehouse.name]


def test_a_refused_load_changes_nothing_and_keeps_its_rejected_rows_until_the_next(landing: Landing) -> None:
    path = landing.write("notes.csv", "note,n\na,1\nb,x\n")
    landing.load("notes")
    good = path.with_name("_good.csv")
    path.rename(good)
    landing.write("notes.csv", "note,n\nc,x\nd,x\n")
    seen: list[Arrival] = []

    def refuses(arrival: Arrival) -> bool:
        seen.append(arrival)
        return arrival.rows == 0

    for _ in range(2):
        with pytest.raises(LoadRefusedError, match=r"tables are as they were: .* in, notes\..*--accept-row-loss"):
            load(landing.warehouse, landing.sources, NOTES, refuses=refuses)
        assert seen[0] == Arrival("notes", 1, 0, 2, 2, is_accepted=False)
        assert landing.query("select note from raw.notes") == [("a",)]
        assert landing.query("select line, load_was_refused from quality.rejected_rows order by all") == [
            (2, True), (3, False), (3, True),
        ]  # fmt: skip
    # The good file comes back as it was.
    good.replace(path)
    os.utime(path, ns=(0, path.stat().st_mtime_ns))
    landing.load("notes")
    assert landing.query("select note from raw.notes") == [("a",)]
    assert landing.query("select line, load_was_refused from quality.rejected_rows") == [(3, False)]
    # What is accepted is what the next load is compared with.
    landing.write("notes.csv", "note,n\n")
    load(landing.warehouse, landing.sources, NOTES, is_accepted=True)
    with duckdb.connect(str(landing.warehouse), read_only=True) as connection:
        assert last_arrival(connection, "notes") == Arrival("notes", 1, 0, 0, 0, is_accepted=True)
    assert landing.load("notes")["notes"].arrival.rows_before == 0


def test_a_full_refresh_reads_every_file_again(filled: Landing) -> None:
    assert filled.load("notes")["notes"].read_files == ()
    table = load(filled.warehouse, filled.sources, NOTES, reread=True)["notes"]
    assert (table.read_files, table.rows, table.arrival.rows_before) == (("notes.csv",), 2, 2)
    assert filled.query("select count(*) from raw.notes") == [(2,)]
