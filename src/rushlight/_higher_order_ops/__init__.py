"""Control flow over values under PyTorch's names."""

from __future__ import annotations

from .cond import cond as cond
from .map import map as map
from .scan import scan as scan
from .while_loop import while_loop as while_loop
