"""``torch.signal``: its windows."""

from __future__ import annotations

from ..missing import lazily as _lazily
from . import windows as windows

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
