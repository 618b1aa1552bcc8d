"""A synthetic Greenery source folder: the seven tables, sound or with planted defects.

Everything that makes sample data belongs in this package, and nothing that loads, models or checks
data. It imports no Dagster.
"""

from greenery_assets.sample.errors import SampleError
from greenery_assets.sample.generate import ensure_default_sample, generate
from greenery_assets.sample.spec import EventFiles, Format, SampleSpec

__all__ = ["EventFiles", "Format", "SampleError", "SampleSpec", "ensure_default_sample", "generate"]
