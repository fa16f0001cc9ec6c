"""``tf.data``: data sets, which are pipelines of elements, and iterators that bring them into a graph."""

from __future__ import annotations

from . import experimental as experimental
from .dataset import (
    Dataset as Dataset,
    get_output_classes as get_output_classes,
    get_output_shapes as get_output_shapes,
    get_output_types as get_output_types,
    make_initializable_iterator as make_initializable_iterator,
    make_one_shot_iterator as make_one_shot_iterator,
)
from .files import (
    FixedLengthRecordDataset as FixedLengthRecordDataset,
    TextLineDataset as TextLineDataset,
    TFRecordDataset as TFRecordDataset,
)
from .iterator import Iterator as Iterator


class Options:
    """Options of a pipeline; accepted without effect."""

    def __init__(self) -> None:
        self.experimental_deterministic = True
