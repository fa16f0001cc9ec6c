"""What programs for torchrun import; jobs are started by ``rushlight launch``."""

from __future__ import annotations

from ...missing import lazily as _lazily

__getattr__ = _lazily(__name__, {"multiprocessing": ".multiprocessing"})
