"""``import functorch``: the package in which ``torch.func`` began, which PyTorch still installs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import func
from rushlight.func import functional_call, stack_module_state
from rushlight.missing import lazily as _lazily
from rushlight.nn import Module, Parameter

__all__ = [
    "combine_state_for_ensemble", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "make_functional", "make_functional_with_buffers", "vjp", "vmap",
]  # fmt: skip


def _told(name: str, instead: str) -> None:
    import warnings

    warnings.warn(
        f"We've integrated functorch into PyTorch. As the final step of the integration, `functorch.{name}` is deprecated as "
        f"of PyTorch 2.0 and will be deleted in a future version of PyTorch >= 2.3. Please use `{instead}` instead; see the "
        "PyTorch 2.0 release notes and/or the `torch.func` migration guide for more details "
        "https://pytorch.org/docs/main/func.migrating.html",
        FutureWarning,
        stacklevel=3,
    )


def _older(function: Callable[..., Any], instead: str) -> Callable[..., Any]:
    """``function`` under functorch's name: PyTorch warns that it has another one now."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        _told(function.__name__, instead)
        return function(*args, **kwargs)

    return called


vmap = _older(func.vmap, "torch.vmap")
grad = _older(func.grad, "torch.func.grad")
grad_and_value = _older(func.grad_and_value, "torch.func.grad_and_value")
vjp = _older(func.vjp, "torch.func.vjp")
jvp = _older(func.jvp, "torch.func.jvp")
jacrev = _older(func.jacrev, "torch.func.jacrev")
jacfwd = _older(func.jacfwd, "torch.func.jacfwd")
hessian = _older(func.hessian, "torch.func.hessian")
functionalize = _older(func.functionalize, "torch.func.functionalize")


class FunctionalModule(Module):
    """A module without state of its own: it is called with the parameters first."""

    def __init__(self, stateless_model: Module) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self._names = [name for name, _ in stateless_model.named_parameters()]

    def forward(self, params: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        return functional_call(
            self.stateless_model, dict(zip(self._names, params, strict=True)), args, kwargs
        )


class FunctionalModuleWithBuffers(Module):
    """The same, called with the parameters and the buffers first."""

    def __init__(self, stateless_model: Module) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self._names = [name for name, _ in stateless_model.named_parameters()]
        self._buffer_names = [name for name, _ in stateless_model.named_buffers()]

    def forward(self, params: Sequence[Any], buffers: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(self._names, params, strict=True)) | dict(
            zip(self._buffer_names, buffers, strict=True)
        )
        return functional_call(self.stateless_model, given, args, kwargs)


def make_functional(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """``(function, parameters)`` with ``function(parameters, *args)`` what ``model(*args)`` gives with these parameters.

    The older form of ``torch.func.functional_call``. The parameters share memory with the model's;
    ``disable_autograd_tracking`` gives them without gradients. A model with buffers needs ``make_functional_with_buffers``:
    this raises ``RuntimeError`` for one.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # PyTorch has another form of it now, and says so
        ...     function, parameters = make_functional(torch.nn.Linear(2, 1))
        >>> function([torch.ones(1, 2), torch.zeros(1)], torch.ones(3, 2)).flatten()
        tensor([2., 2., 2.])
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) instead."
        )
    _told("make_functional", "torch.func.functional_call")
    return FunctionalModule(model), _parameters(model, disable_autograd_tracking)


def make_functional_with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]:
    """As ``make_functional``, for ``function(parameters, buffers, *args)``: ``(function, parameters, buffers)``.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     function, parameters, buffers = make_functional_with_buffers(torch.nn.BatchNorm1d(3))
        >>> len(parameters), len(buffers)
        (2, 3)
    """
    _told("make_functional_with_buffers", "torch.func.functional_call")
    return _with_buffers(model, disable_autograd_tracking)


def _with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, tuple[Any, ...], tuple[Any, ...]]:
    buffers = tuple([buffer.detach() for buffer in model.buffers()])
    return FunctionalModuleWithBuffers(model), _parameters(model, disable_autograd_tracking), buffers


def combine_state_for_ensemble(
    models: Sequence[Module],
) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]:
    """``(function, parameters, buffers)`` of models of one architecture: their states stacked, for ``vmap`` over them.

    Raises ``RuntimeError`` for no models, for models of different classes, and for some in training mode and some not.

    Example:
        >>> import rushlight as torch
        >>> models = [torch.nn.Linear(2, 1) for _ in range(3)]
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     function, parameters, buffers = combine_state_for_ensemble(models)
        >>> torch.vmap(function, in_dims=(0, 0, None))(parameters, buffers, torch.ones(4, 2)).shape
        torch.Size([3, 4, 1])
    """
    _told("combine_state_for_ensemble", "torch.func.stack_module_state")
    parameters, buffers = stack_module_state(list(models))
    function, _, _ = _with_buffers(models[0])
    return function, tuple(parameters.values()), tuple(buffers.values())


def _parameters(model: Module, without_gradients: bool) -> tuple[Any, ...]:
    found = []
    for parameter in model.parameters():
        copy = Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
        found.append(copy.requires_grad_(False) if without_gradients else copy)
    return tuple(found)


# Names that are not here raise MissingNameError.
__path__: list[str] = []  # so that functorch.experimental can be imported
__getattr__ = _lazily(__name__, {"experimental": "..functorch_experimental"})
