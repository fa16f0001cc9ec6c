"""Pipes of data: PyTorch's older way to put a stream together from steps, kept for the programs that have it.

Example:
    >>> from rushlight.utils.data.datapipes.iter import IterableWrapper
    >>> list(IterableWrapper(range(6)).filter(lambda x: x % 2 == 0).batch(2))
    [[0, 2], [4]]
"""

from __future__ import annotations

from . import iter as iter, map as map
from .datapipe import DataChunk as DataChunk, IterDataPipe as IterDataPipe, MapDataPipe as MapDataPipe
