"""``torch.utils.hooks``: the handle that removes a hook, and what is said of hooks when tensors are pickled."""

from __future__ import annotations

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]

import warnings
from typing import Any

from ..core.history import RemovableHandle as RemovableHandle


def unserializable_hook(f: Any) -> Any:
    """Mark a hook as one that need not be pickled: no warning is given for it."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warn of each hook on ``tensor`` that will not be pickled with it."""
    for hook in (getattr(tensor, "_backward_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the "
                "function with @torch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )
