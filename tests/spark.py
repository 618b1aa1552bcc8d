"""A Spark Thrift server of a test session's own, with tables in Iceberg, where this machine has what it takes."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.ports import free_port

JARJAR = Path("/usr/share/java/jarjar.jar")
STARTS_WITHIN_S = 120
# A Java for short work.
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
ICEBERG = (
    "spark.sql.catalog.spark_catalog=org.apache.iceberg.spark.SparkSessionCatalog",
    "spark.sql.catalog.spark_catalog.type=hive",
    "spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    # Derby, which keeps the catalog, has no locks: a commit would wait for minutes.
    "spark.hadoop.iceberg.engine.hive.lock-enabled=false",
)


def is_here() -> bool:
    """Whether a server can be started."""
    packages = ("pyspark", "pyhive", "snowpark_connect_deps_iceberg")
    return all(map(find_spec, packages)) and shutil.which("java") is not None and JARJAR.exists()


@contextmanager
def server(*, has_iceberg: bool = True) -> Iterator[str]:
    """A new server on a free port of this machine; gives its URL, and removes it all.

    Without Iceberg its tables can be plain Parquet alone.
    """
    folder = Path(tempfile.mkdtemp(prefix="greenery_spark_"))
    port = free_port()
    options = (
        "spark.ui.enabled=false",
        "spark.sql.legacy.createHiveTableByDefault=false",
        f"spark.sql.warehouse.dir={folder / 'tables'}",
        # The data of tests is small: what is paid for is the plan of each statement, not its rows.
        "spark.sql.shuffle.partitions=1",
        "spark.sql.adaptive.enabled=false",
        "spark.sql.codegen.wholeStage=false",
        "spark.sql.codegen.factoryMode=NO_CODEGEN",
        # In memory the catalog waits for no disk.
        "spark.hadoop.javax.jdo.option.ConnectionURL=jdbc:derby:memory:catalog;create=true",
        *(ICEBERG if has_iceberg else ()),
    )
    command = [str(_package("pyspark") / "bin" / "spark-submit"), "--master", "local[2]", "--driver-memory", "2g"]
    command += ["--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"]
    if has_iceberg:
        command += ["--driver-class-path", os.pathsep.join(map(str, iceberg(folder / "jars")))]
    command += [
        "--driver-java-options",
        f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Duser.timezone=UTC -Dderby.system.home={folder}",
    ]
    command += [part for option in options for part in ("--conf", option)]
    command += ["spark-internal", "--hiveconf", f"hive.server2.thrift.port={port}"]
    command += ["--hiveconf", "hive.server2.thrift.bind.host=127.0.0.1"]
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(port, process, folder / "log")
            yield f"thrift://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def iceberg(folder: Path) -> list[Path]:
    """The jars of Iceberg, made whole in a folder.

    The package has Iceberg without the copy of Jackson, under other names, that it was built with: Spark's own, renamed
    in the same way, is that.
    """
    folder.mkdir()
    rule = folder / "rule"
    rule.write_text("rule com.fasterxml.jackson.** org.apache.iceberg.shaded.com.fasterxml.jackson.@1\n")
    for name in ("core", "databind", "annotations"):
        (jar,) = (_package("pyspark") / "jars").glob(f"jackson-{name}-2*.jar")
        plain = folder / f"plain-{name}.jar"
        with zipfile.ZipFile(jar) as whole, zipfile.ZipFile(plain, "w") as without:
            for member in whole.namelist():
                # Classes for newer Javas, which jarjar cannot read.
                if not member.startswith("META-INF/versions"):
                    without.writestr(member, whole.read(member))
        main = ["java", "-cp", str(JARJAR), "com.tonicsystems.jarjar.Main", "process"]
        subprocess.run([*main, str(rule), str(plain), str(folder / f"jackson-{name}.jar")], check=True)
    of_iceberg = _package("snowpark_connect_deps_iceberg").rglob("iceberg-*_2.12-*.jar")
    return [*of_iceberg, *folder.glob("jackson-*.jar")]


@contextmanager
def connection(url: str) -> Iterator[Any]:
    """A cursor on a server."""
    from pyhive import hive  # noqa: PLC0415  an extra

    host, _, port = url.removeprefix("thrift://").partition(":")
    with hive.connect(host, port=int(port), username="tests") as connected:
        yield connected.cursor()


def _package(name: str) -> Path:
    found = find_spec(name)
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0])


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends_at = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends_at and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise AssertionError(f"Spark did not start:\n{log.read_text()[-5_000:]}")
