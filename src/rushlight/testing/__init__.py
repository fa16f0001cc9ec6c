"""Comparing tensors in tests."""

from ..missing import lazily as _lazily
from .comparison import assert_close as assert_close, make_tensor as make_tensor

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
