"""``tf.contrib.rnn``: ``tf.nn.rnn_cell`` and static recurrent nets under their older names."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away)
from ..rnn import (
    static_bidirectional_rnn as static_bidirectional_rnn,
    static_rnn as static_rnn,
)
from ..rnn_cell import (
    BasicLSTMCell as BasicLSTMCell,
    BasicLSTMCell as LSTMBlockCell,
    BasicRNNCell as BasicRNNCell,
    DeviceWrapper as DeviceWrapper,
    DropoutWrapper as DropoutWrapper,
    GRUCell as GRUBlockCell,
    GRUCell as GRUBlockCellV2,
    GRUCell as GRUCell,
    LSTMCell as LSTMCell,
    LSTMStateTuple as LSTMStateTuple,
    MultiRNNCell as MultiRNNCell,
    ResidualWrapper as ResidualWrapper,
    RNNCell as RNNCell,
)
from .rnn_wrappers import (
    EmbeddingWrapper as EmbeddingWrapper,
    InputProjectionWrapper as InputProjectionWrapper,
    LayerNormBasicLSTMCell as LayerNormBasicLSTMCell,
    OutputProjectionWrapper as OutputProjectionWrapper,
    stack_bidirectional_dynamic_rnn as stack_bidirectional_dynamic_rnn,
    stack_bidirectional_rnn as stack_bidirectional_rnn,
    transpose_batch_time as transpose_batch_time,
)

__path__: list[str] = []  # modules below this one can be imported: see the table in contrib/__init__.py
