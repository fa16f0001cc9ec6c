"""``torch.utils.hooks``: the handle that removes a hook."""

from __future__ import annotations

from ..core.history import RemovableHandle as RemovableHandle
