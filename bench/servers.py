"""What a run costs beside the process of dbt: in the server of its database, as that counts it, and on disk.

A new engine gets its counters here, if its server has any.
"""

import json
import os
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from greenery_assets.settings import PostgresAddress
from greenery_assets.warehouse import Place, WarehouseError, open_for_reading
from greenery_assets.warehouse.postgres import connect

_PROC = Path("/proc")


def counters(place: Place, spark_ui: str | None = None) -> dict[str, float]:
    """What a server has spent until now, to be subtracted from a later answer; empty where that is not known.

    Raises WarehouseError where the page of Spark's server does not know all of it.
    """
    if isinstance(place, PostgresAddress):
        return _of_postgres(place)
    return _of_spark(spark_ui) if spark_ui and not isinstance(place, Path) else {}


def size(place: Place) -> dict[str, float]:
    """GB on disk; empty where the warehouse has no place of its own."""
    if isinstance(place, Path):
        return {"GB": place.stat().st_size / 1e9}
    if isinstance(place, PostgresAddress):
        with open_for_reading(place) as connection:
            [(found,)] = connection.execute("select pg_database_size(current_database())").fetchall()
        return {"GB": found / 1e9}
    return {}


def _of_postgres(address: PostgresAddress) -> dict[str, float]:
    """The cpu of a server on this machine: of all its processes, those that ended among them."""
    with connect(address) as session:
        backend = session.execute("select pg_backend_pid()").fetchone()[0]
        try:
            name, server, _ = _process(backend)
        except OSError:
            name, server = "", 0
        if name != "postgres":  # on another machine, or in a container
            return {}
        spent = 0.0
        for folder in _PROC.glob("[0-9]*"):
            try:
                _, parent, cpu = _process(int(folder.name))
            except OSError:  # it ended meanwhile, and its parent has it
                continue
            spent += cpu if server in (parent, int(folder.name)) else 0
    return {"server cpu s": spent}


def _process(pid: int) -> tuple[str, int, float]:
    """Name and parent of a process, and the cpu seconds of itself and of the children that it has waited for."""
    name, _, rest = (_PROC / str(pid) / "stat").read_text().partition("(")[2].rpartition(") ")
    fields = rest.split()
    return name, int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _of_spark(ui: str) -> dict[str, float]:
    """What all tasks of an application took, by its own page: /api/v1/applications/<id>/stages of Spark 3.5.

    The page forgets old stages, which is an error here: start the server with spark.ui.retainedStages=1000000.
    """
    api = f"{ui.rstrip('/')}/api/v1/applications"
    application = _answer(api)[0]["id"]
    stages = _answer(f"{api}/{application}/stages")
    if stages and min(stage["stageId"] for stage in stages) > 0:
        raise WarehouseError(f"{ui} has forgotten old stages: start Spark with spark.ui.retainedStages=1000000.")
    return {
        "executor cpu s": sum(stage["executorCpuTime"] for stage in stages) / 1e9,
        "read GB": sum(stage["inputBytes"] for stage in stages) / 1e9,
        "shuffled GB": sum(stage["shuffleWriteBytes"] for stage in stages) / 1e9,
    }


def _answer(address: str) -> Any:
    try:
        with urlopen(address, timeout=60) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        raise WarehouseError(f"No page of Spark's server answers at {address}.") from None
