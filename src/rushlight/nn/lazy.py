"""Modules that take their sizes from their first input."""

from __future__ import annotations

from typing import Any

from ..core.grad_mode import GRAD_MODE
from .parameter import is_lazy


class LazyModuleMixin:
    """Makes a module lazy: it has uninitialized parameters until its first call, which gives them their shapes.

    Use it as the first base, give ``initialize_parameters(self, *args)``, which looks at the input and materializes the
    parameters, and with ``cls_to_become`` the class that the module has from then on.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.LazyLinear(3)
        >>> layer(torch.ones(2, 5)).shape, layer
        (torch.Size([2, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        module: Any = self
        self._load_hook = module._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = module.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize the parameters for this input; every lazy class defines it."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether any of the module's own parameters or buffers has no shape yet."""
        module: Any = self
        return any(map(is_lazy, (*module._parameters.values(), *module._buffers.values())))

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        module: Any = self
        for name, own in (*module._parameters.items(), *module._buffers.items()):
            given = state_dict.get(prefix + name)
            if is_lazy(own) and given is not None and not is_lazy(given):
                token = GRAD_MODE.set(False)
                try:
                    own.materialize(given.shape)
                finally:
                    GRAD_MODE.reset(token)

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward pass to correctly "
            "initialize the modules"
        )
