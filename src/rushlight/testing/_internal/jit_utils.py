"""The ``TestCase`` of PyTorch's tests of TorchScript, for the tests in their files that script nothing."""

from __future__ import annotations

from .common_utils import TestCase
from .switches import named


class JitTestCase(TestCase):
    """A ``TestCase``."""


__getattr__ = named(__name__)
