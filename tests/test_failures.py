"""What a failed step leaves in Dagster's log, which all who open its pages see."""

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from greenery_assets.failures import explained
from greenery_assets.privacy import SHAREABLE_REASON, count

SECRET = "Zqxanna"


@dg.op
def with_a_full_disk() -> None:
    with explained(Path("/x/greenery.duckdb")):
        raise OSError(28, SECRET, "/x/greenery.duckdb.wal")


@dg.op
def with_a_row_in_the_error() -> None:
    with explained(Path("/x/greenery.duckdb")), duckdb.connect() as connection:
        connection.execute(f"create table t as select '{SECRET}' as x")
        count(connection, "t", "cast(x as int) = 1")


@dg.op
def with_a_programming_error() -> None:
    with explained(Path("/x/greenery.duckdb")):
        raise ZeroDivisionError


@dg.job
def failing() -> None:
    with_a_full_disk()
    with_a_row_in_the_error()
    with_a_programming_error()


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dg.DagsterEvent]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as instance:
        result = failing.execute_in_process(instance=instance, raise_on_error=False)
        events = [entry.dagster_event for entry in instance.all_logs(result.run_id) if entry.dagster_event]
    return {str(event.step_key): event for event in events if event.event_type == dg.DagsterEventType.STEP_FAILURE}


def test_a_fault_of_the_surroundings_names_cause_and_remedy(failures: dict[str, dg.DagsterEvent]) -> None:
    failure = failures["with_a_full_disk"].step_failure_data.user_failure_data
    said = "The disk that holds /x/greenery.duckdb.wal is full: make room there, and run again."
    assert failure
    assert (failure.description, failure.metadata[SHAREABLE_REASON].value) == (said, said)


def test_an_error_of_the_database_leaves_its_kind_and_place_and_no_row(failures: dict[str, dg.DagsterEvent]) -> None:
    failure = failures["with_a_row_in_the_error"].step_failure_data.user_failure_data
    assert failure
    assert "ConversionException at greenery_assets/privacy.py:" in str(failure.description)
    assert SECRET not in str(failures)


def test_an_error_of_ours_keeps_its_traceback(failures: dict[str, dg.DagsterEvent]) -> None:
    data = failures["with_a_programming_error"].step_failure_data
    assert data.user_failure_data is None
    assert "ZeroDivisionError" in str(data.error)
