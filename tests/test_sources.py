"""A warehouse knows the source that filled it: another one stops the run, unless somebody says that it is meant."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from greenery_assets.assets import raw
from tests.conftest import RunJob
from tests.job import Home, Outcome, copy_of_project, fingerprints

pytestmark = pytest.mark.slow

ALL_SCHEMAS = ("raw", "core", "marketing", "product", "snapshots", "quality")


def export_of(sample: Path, folder: Path) -> Path:
    """A folder of a shop's own: the same tables, and nothing that says they are made up."""
    shutil.copytree(sample, folder)
    (folder / "sample.json").unlink()
    return folder


def aside(home: Home) -> list[Path]:
    """The warehouses that were set aside."""
    return sorted(path for path in home.warehouse.parent.glob("greenery.*.duckdb") if path != home.warehouse)


@pytest.mark.slowest
def test_another_source_stops_the_run_before_anything_is_read_and_goes_on_where_it_is_meant(
    run_job: RunJob, built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    """From a sample to a shop's export, then to the same export moved, then to sample data for want of a setting."""
    home, shop = built[0].copy(tmp_path), export_of(sample_dir, tmp_path / "shop")
    before = home.fingerprints(ALL_SCHEMAS)
    (shop / "orders.csv").rename(shop / "_orders.csv")
    done = home.command(shop, "run")
    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    for named in (str(sample_dir), str(shop), "GREENERY_SOURCE_DIR", ".env", "GREENERY_WAREHOUSE_PATH"):
        assert named in told
    assert "make run ARGS=--new-source" in told
    assert "new_source: true" in told
    assert "lacks the table" not in told, "the folder was read"
    assert "Traceback" not in done.stdout + done.stderr
    assert home.fingerprints(ALL_SCHEMAS) == before

    # A source that cannot be loaded takes nothing away, even where it is meant.
    assert run_job(home, shop, new_source=True).success is False
    assert home.fingerprints(ALL_SCHEMAS) == before
    assert aside(home) == []

    (shop / "_orders.csv").rename(shop / "orders.csv")
    assert run_job(home, shop, new_source=True).failing_errors == {}
    [of_sample] = aside(home)
    assert of_sample.name.startswith("greenery.sample-")
    assert fingerprints(of_sample, ALL_SCHEMAS) == before
    assert home.query("select kind, folder from landing.source") == [("folder", str(shop))]

    moved = shop.rename(tmp_path / "moved")
    done = home.command(moved, "run", "--new-source")
    assert done.returncode == 0, done.stdout
    assert "SAMPLE DATA" not in done.stdout
    assert aside(home) == [of_sample], "the history of a shop whose export moved goes on"
    assert home.query("select count(*), count(distinct order_id) from snapshots.orders_snapshot") == home.query(
        "select count(*), count(*) from raw.orders"
    )

    before = home.fingerprints(ALL_SCHEMAS)
    project = copy_of_project(tmp_path / "project")
    done = home.command(None, "run", project=project)
    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    assert f"was filled from {moved}" in told
    assert "would load sample data" in told
    assert not (project / "data" / "sample").exists(), "sample data was made"
    assert home.fingerprints(ALL_SCHEMAS) == before


def test_sample_data_is_marked_wherever_it_is_shown(built: tuple[Home, Outcome], sample_dir: Path) -> None:
    home, _ = built
    page = (home.report / "state_of_the_data.html").read_text()
    assert "SAMPLE DATA" in page
    assert home.query("select kind, folder from landing.source") == [("sample data", str(sample_dir))]


def test_where_no_sample_can_be_made_the_setting_for_a_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder belongs")
    with pytest.raises(dg.Failure) as failed:
        raw._sample(tmp_path / "data" / "sample")
    assert str(failed.value.description).startswith("GREENERY_SOURCE_DIR is not set, and sample data cannot be written")
    assert "data/sample (File exists)" in str(failed.value.description)
