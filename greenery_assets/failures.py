"""Steps that fail for a reason that may be shown: what Dagster keeps of an error is seen by all who open its pages."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from greenery_assets.privacy import SHAREABLE_REASON
from greenery_assets.settings import PACKAGE
from greenery_assets.troubles import explain
from greenery_assets.warehouse import DATABASE_ERRORS, Interrupted, Place, StatementError, WarehouseError


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Turn faults of the machine into failures that name cause and remedy; `place` is the file or database in use.

    Any other error of a database becomes a failure with its type and place only, because its text may quote rows. All
    other errors pass unchanged, also those that this project raises: their text says more.
    """
    try:
        yield
    except (dg.Failure, Interrupted):
        raise
    except WarehouseError as error:
        raise failure(str(error)) from None
    except Exception as error:
        if type(error).__module__.startswith(f"{PACKAGE.name}.") and not isinstance(error, StatementError):
            raise
        reason = explain(error, place if isinstance(place, Path) else None)
        if reason is None and isinstance(error, DATABASE_ERRORS):
            raised = f"DuckDB raised {type(error).__name__}"
            if isinstance(error, StatementError):
                raised = f"The server of the warehouse {place} raised {error}"
            reason = f"{raised} at {_place(error)}; its text is not shown, as it may quote rows."
        if reason is None:
            raise
        raise failure(reason) from None


def failure(reason: str, *, allow_retries: bool = True) -> dg.Failure:
    """A failure whose reason quotes nothing of a source: it is shown in Slack as well."""
    return dg.Failure(reason, metadata={SHAREABLE_REASON: reason}, allow_retries=allow_retries)


def _place(error: Exception) -> str:
    """The innermost line of this project that an error passed."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(PACKAGE)
    ]
    return ", ".join(f"{Path(frame.filename).relative_to(PACKAGE.parent)}:{frame.lineno}" for frame in frames[-1:])
