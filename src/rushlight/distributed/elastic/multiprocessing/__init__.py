"""``record``, which programs for torchrun put before their main function, and the processes of ``torch.multiprocessing``."""

from __future__ import annotations

from ....missing import lazily as _lazily
from . import errors as errors

__getattr__ = _lazily(__name__)
