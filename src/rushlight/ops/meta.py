"""What the operations are told of the ``meta`` device when a program first asks for it."""

from __future__ import annotations

from typing import Any

from ..core import device as devices
from .dispatch import computed_by


def _meta() -> Any:
    if not _started:
        from ..runtime.meta import BACKEND, MetaMode
        from ..runtime.meta_arrays import MetaArray
        from .batching import RULES
        from .batching_core import lined

        mode = MetaMode(frozenset([name for name, rule in RULES.items() if rule is lined]))
        computed_by(MetaArray, lambda operands: (operands, mode))
        _started.append(BACKEND)
    return _started[0]


_started: list[Any] = []
devices.LOADERS["meta"] = _meta
