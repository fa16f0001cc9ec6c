"""Comparing tensors in tests, and making random ones."""

from ..missing import lazily as _lazily
from .comparison import assert_allclose as assert_allclose, assert_close as assert_close
from .creation import make_tensor as make_tensor

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__, {"FileCheck": ".file_check:FileCheck"})
