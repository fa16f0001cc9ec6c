"""``tf.contrib.data``: ``tf.data.experimental`` under its older name."""

from __future__ import annotations

from ..data import Dataset as Dataset, Iterator as Iterator
from ..data.experimental import (
    AUTOTUNE as AUTOTUNE,
    batch_and_drop_remainder as batch_and_drop_remainder,
    ignore_errors as ignore_errors,
    map_and_batch as map_and_batch,
    parallel_interleave as parallel_interleave,
    prefetch_to_device as prefetch_to_device,
    shuffle_and_repeat as shuffle_and_repeat,
    unbatch as unbatch,
)
