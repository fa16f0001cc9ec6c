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
