"""Makes samples: the functions that the command line, the project and its tests call."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from greenery_assets.sample.build import build
from greenery_assets.sample.database import connect
from greenery_assets.sample.defects import apply_defect
from greenery_assets.sample.export import check_replaceable, swap_in, write_files
from greenery_assets.sample.spec import SampleSpec, yesterday
from greenery_assets.warehouse import SAMPLE_FILE


def generate(spec: SampleSpec, out: Path) -> dict[str, int]:
    """Write the sample that `spec` describes to the folder `out`; return the number of rows by table.

    The same spec writes the same bytes. A sample already in `out` is replaced once the new one is
    written. Raises SampleError, a ValueError, if `out` holds anything but a sample, or if a defect
    asks for more rows than there are; `out` is then as it was.
    """
    check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        written = Path(scratch, "written")
        written.mkdir()
        with connect(Path(scratch, "sample.duckdb")) as connection:
            build(connection, spec)
            for defect, count in spec.requested_defects:
                apply_defect(connection, defect, count, spec.seed)
            rows_by_table = write_files(connection, spec, written)
        swap_in(written, out, Path(scratch, "retired"))
    return rows_by_table


def ensure_default_sample(out: Path, today: date) -> bool:
    """Make sure that `out` holds a sample, and that a default one ends yesterday; return whether it wrote.

    A sample with other arguments than the defaults is somebody's choice and stays. Raises
    SampleError, a ValueError, if `out` holds anything but a sample.
    """
    check_replaceable(out)
    until = yesterday(today)
    arguments = out / SAMPLE_FILE
    if arguments.exists():
        present = SampleSpec.read(arguments)
        if present.until == until or not present.is_default():
            return False
    generate(SampleSpec(until=until), out)
    return True
