"""How tables and the verdicts of checks are shown in Dagster: one set of metadata keys for all, SQL and Python.

Belongs here: turning an assumption and a verdict into specs and results, rows into tables. Judging does not.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from greenery_assets.checks import Assumption, Verdict
from greenery_assets.privacy import Table


def check_spec(name: str, asset: dg.AssetKey, assumption: Assumption, owner: str) -> dg.AssetCheckSpec:
    """The spec of a check, explained in its description and metadata. An ERROR blocks what lies downstream."""
    return dg.AssetCheckSpec(
        name,
        asset=asset,
        description=assumption.statement,
        blocking=assumption.severity == "ERROR",
        metadata=explanation(assumption, owner),
    )


def explanation(assumption: Assumption, owner: str) -> dict[str, str]:
    """What the reader of a check needs to know whatever its outcome."""
    return {
        "assumption": assumption.id,
        "severity": assumption.severity,
        "owner": owner,
        "why": assumption.why,
        "remedy": assumption.remedy,
        **{name: text for name, text in (("affects", assumption.affects), ("use", assumption.use)) if text},
    }


def check_result(
    spec: dg.AssetCheckSpec,
    verdict: Verdict,
    sample: Table | None = None,
    kept_in: str | None = None,
    *,
    about: str = "",
) -> dg.AssetCheckResult:
    """The outcome of a Python check; `kept_in` names the table that holds its failing rows.

    The description of a failed check is a headline. It begins with `about`, if that is given.
    """
    return dg.AssetCheckResult(
        passed=verdict.passed,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=dg.AssetCheckSeverity(spec.metadata["severity"]),
        description=f"{about}: {verdict.reason}" if about and not verdict.passed else verdict.reason,
        metadata={
            **spec.metadata,
            **({"use": verdict.use} if verdict.use else {}),
            **row_metadata(verdict.failing_rows, verdict.rows_checked),
            **({} if verdict.passed else sample_metadata(sample, kept_in)),
        },
    )


def row_metadata(failing_rows: int, rows_checked: int | None) -> dict[str, Any]:
    """Counts that Dagster draws over time; the share only where failing rows are among those checked."""
    metadata: dict[str, Any] = {"failing_rows": failing_rows}
    if rows_checked:
        metadata["rows_checked"] = rows_checked
        if failing_rows <= rows_checked:
            metadata["share_of_rows"] = failing_rows / rows_checked
    return metadata


def sample_metadata(sample: Table | None, kept_in: str | None) -> Mapping[str, Any]:
    """Some failing rows, and where all of them are."""
    metadata: dict[str, Any] = {}
    if kept_in:
        metadata["kept_in"] = kept_in
    if sample and sample.rows:
        metadata["sample"] = _as_table(sample)
    return metadata


def materialization_metadata(rows: int, preview: Table) -> dict[str, Any]:
    """How many rows a table has, which Dagster draws over time, and a few of them, where it has any."""
    return {"dagster/row_count": rows, **({"preview": _as_table(preview)} if preview.rows else {})}


def _as_table(rows: Table) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        records=[dg.TableRecord(dict(record)) for record in rows.as_records()],
        schema=dg.TableSchema([dg.TableColumn(name) for name in rows.columns]),
    )
