"""Comparing tensors in tests."""

from .comparison import assert_close as assert_close
from .comparison import make_tensor as make_tensor
