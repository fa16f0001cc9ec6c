"""``tf.io``: files and texts under shorter names."""

from __future__ import annotations

from . import gfile as gfile
from .image_files import (
    decode_bmp as decode_bmp,
    decode_gif as decode_gif,
    decode_image as decode_image,
    decode_jpeg as decode_jpeg,
    decode_png as decode_png,
    encode_jpeg as encode_jpeg,
    encode_png as encode_png,
    is_jpeg as is_jpeg,
)
from .meta_graph import write_graph as write_graph
from .missing import getter
from .parsing import (
    FixedLenFeature as FixedLenFeature,
    FixedLenSequenceFeature as FixedLenSequenceFeature,
    VarLenFeature as VarLenFeature,
    parse_example as parse_example,
    parse_single_example as parse_single_example,
    parse_single_sequence_example as parse_single_sequence_example,
)
from .python_function import read_file as read_file, write_file as write_file
from .python_io import (
    TFRecordCompressionType as TFRecordCompressionType,
    TFRecordOptions as TFRecordOptions,
    TFRecordWriter as TFRecordWriter,
    tf_record_iterator as tf_record_iterator,
)
from .readers import matching_files as matching_files
from .strings import decode_csv as decode_csv, decode_raw as decode_raw

__getattr__ = getter(__name__)
