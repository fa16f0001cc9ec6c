"""Comparing tensors in tests."""

from .comparison import assert_close as assert_close, make_tensor as make_tensor
