"""Gradients for each sample of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.tensor import Tensor
from ..module import Module

__all__ = ["call_for_per_sample_grads"]


def call_for_per_sample_grads(
    module: Module, *, batch_size: int | None = None, loss_reduction: str = "sum", batch_first: bool = True
) -> Callable[..., Any]:
    """``module`` as a function after whose backward each parameter has ``grad_sample`` (batch, *shape): its gradient by each
    sample alone.

    ``batch_size`` is found from the inputs where it is not given. ``loss_reduction`` says how the samples' losses are put
    together, ``"sum"`` or ``"mean"``. ``batch_first=False``: the batch is the inputs' second dimension. The module must treat
    samples independently: no batch norm. ``RuntimeError`` for other arguments, inputs of different batch sizes, and parameters
    that have a ``grad_sample`` already.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> call_for_per_sample_grads(layer)(x).sum().backward()
        >>> layer.weight.grad_sample
        tensor([[[1., 2.]],
        <BLANKLINE>
                [[3., 4.]]])
    """
    if loss_reduction not in ("sum", "mean"):
        raise RuntimeError(f"Expected loss_reduction argument to be sum or mean, got {loss_reduction}")
    if not isinstance(module, Module):
        raise RuntimeError(f"Module passed must be nn.Module, got {type(module).__name__}")
    if not (batch_size is None or isinstance(batch_size, int)):
        raise RuntimeError(f"Batch size passed must be None or an integer, got {type(batch_size).__name__}")
    if batch_size is not None and batch_size < 1:
        raise RuntimeError(f"Batch size must be positive, got {batch_size}")
    for name, parameter in module.named_parameters():
        if getattr(parameter, "grad_sample", None) is not None:
            raise RuntimeError(
                "Current Expanded Weights accumulates the gradients, which will be incorrect for multiple calls without "
                f"clearing gradients. Please clear out the grad_sample parameter of {name} or post an issue to pytorch/pytorch "
                "to prioritize correct behavior"
            )
    batch_dim = 0 if batch_first else 1

    def call(*args: Any, **kwargs: Any) -> Any:
        from ...func import functional_call, vmap
        from ...utils import _pytree

        size = batch_size or _batch_size((args, kwargs), batch_dim)
        expanded: dict[str, Tensor] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                copies: Any = parameter.detach().expand(size, *parameter.shape).requires_grad_()
                copies.register_hook(_noting(parameter, size if loss_reduction == "mean" else 1))
                expanded[name] = copies
        leaves, spec = _pytree.tree_flatten((args, kwargs))
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.dim()]

        def one(parameters: dict[str, Tensor], inputs: tuple[Any, ...]) -> Any:
            values = list(leaves)
            for place, value in zip(places, inputs, strict=True):
                values[place] = value.unsqueeze(batch_dim)
            own_args, own_kwargs = _pytree.tree_unflatten(values, spec)
            result = functional_call(module, parameters, own_args, own_kwargs)
            return _pytree.tree_map_only(Tensor, lambda value: value.squeeze(batch_dim), result)

        mapped = vmap(one, in_dims=(0, batch_dim), out_dims=batch_dim, randomness="different")
        return mapped(expanded, tuple([leaves[place] for place in places]))

    return call


def _noting(parameter: Any, factor: int) -> Callable[[Tensor], None]:
    def note(gradient: Tensor) -> None:
        found = gradient.detach() * factor if factor != 1 else gradient.detach()
        before = getattr(parameter, "grad_sample", None)
        parameter.grad_sample = found if before is None else before + found

    return note


def _batch_size(values: Any, batch_dim: int) -> int:
    from ...utils import _pytree

    size: int | None = None
    for leaf in _pytree.tree_leaves(values):
        if not isinstance(leaf, Tensor) or leaf.dim() <= batch_dim:
            continue
        here = leaf.shape[batch_dim]
        if size is not None and here != size:
            raise RuntimeError(
                "When computing batch size, found at least one input with batch size "
                f"{size} and one with batch size {here}. Please specify it explicitly using the batch size kwarg in "
                "call_for_per_sample_grads"
            )
        size = here
    if size is None:
        raise RuntimeError(
            "Unable to find a tensor in the passed args and kwargs. They may not be pytree-able and so ExpandedWeights cannot "
            "compute the batch size from the inputs. Please specify it explicitly"
        )
    return size
