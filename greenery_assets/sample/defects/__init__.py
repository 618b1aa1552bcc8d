"""The catalogue of faults that can be planted in a sample, one assumption broken by each.

What a defect promises: it changes exactly COUNT things, in rows spread over the sample, and breaks
no other assumption than its own and those that must follow from it.
"""

from greenery_assets.sample.defects import events, files, keys, orders, volume
from greenery_assets.sample.defects.base import UNBOUNDED, Defect, apply_defect
from greenery_assets.sample.defects.files import break_lines, spoil_columns

CATALOGUE: dict[str, Defect] = {
    defect.name: defect
    for module in (events, orders, keys, volume, files)
    for defect in sorted(module.DEFECTS, key=lambda defect: defect.assumption)
}

__all__ = ["CATALOGUE", "UNBOUNDED", "Defect", "apply_defect", "break_lines", "spoil_columns"]
