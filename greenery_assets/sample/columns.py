"""Arrow columns made from NumPy arrays, so that no row passes through Python one at a time.

Only conversions belong here; what the values mean is decided where they are drawn.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ids = NDArray[np.uint8]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

UUID_BYTES = 16


def random_uuids(rng: np.random.Generator, count: int) -> Ids:
    """Return `count` version-4 UUIDs as an array of shape (count, 16), bytes in text order."""
    ids = rng.integers(0, 256, (count, UUID_BYTES), dtype=np.uint8)
    ids[:, 6] = ids[:, 6] & 0x0F | 0x40
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    return ids


def uuid_column(ids: Ids, present: Mask | None = None) -> pa.Array:
    """Return a UUID column of shape (n,) from ids of shape (n, 16); null where `present` is false."""
    validity = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))
    storage = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(UUID_BYTES), len(ids), [validity, pa.py_buffer(np.ascontiguousarray(ids))]
    )
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def timestamp_column(seconds: Ints, present: Mask | None = None) -> pa.Array:
    """Return naive UTC timestamps from whole seconds since 1970; null where `present` is false."""
    moments = seconds.astype("datetime64[s]").astype("datetime64[us]")
    return pa.array(moments, mask=None if present is None else ~present)


def label_column(codes: Ints, labels: list[str], present: Mask | None = None) -> pa.Array:
    """Return text picked from `labels` by `codes`; null where `present` is false."""
    indices = pa.array(codes.astype(np.int32), mask=None if present is None else ~present)
    return pa.DictionaryArray.from_arrays(indices, pa.array(labels))


def deal(rng: np.random.Generator, weights: Floats, count: int) -> Ints:
    """Return `count` indices into `weights`, in shuffled order and in proportion to the weights.

    One draw falls in each of `count` equal slices of the distribution, so that sums over a small
    group (a day's events) stay close to their mean, which independent draws would not.
    """
    quantiles = (rng.permutation(count) + rng.random(count)) / max(count, 1)
    bounds = np.cumsum(weights / weights.sum())
    return np.minimum(np.searchsorted(bounds, quantiles, side="right"), len(weights) - 1)
