"""The recorded graph from outside: nodes, gradient edges, hooks over several tensors, saved-tensor hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ..core.history import Node, OutputNode, RemovableHandle
from ..core.storage import InferenceStorage
from ..core.tensor import Tensor, storage_of
from ..missing import lazily as _lazily
from .differentiate import GradientEdge
from .engine import Run, current_run, tell_runs_apart
from .saved_tensors import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks

__all__: Final = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
    "set_warn_on_accumulate_grad_stream_mismatch",
]


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Within this context what is saved for backward may be changed in place: a copy of it is kept, so backward computes with
    the values of then.

    Example:
        >>> import rushlight as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
        ...     y = x.clone()
        ...     z = (y * y).sum()
        ...     _ = y.zero_()
        >>> z.backward()
        >>> x.grad
        tensor([2., 2.])
    """

    def __init__(self) -> None:
        super().__init__(lambda tensor: tensor.detach().clone(), lambda tensor: tensor)


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place in the graph where ``tensor``'s gradient arrives: ``grad`` and ``backward`` take it in place of the tensor,
    which need not be kept.

    Raises ``RuntimeError`` for a tensor that does not require grad.

    Example:
        >>> import rushlight as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> torch.autograd.graph.get_gradient_edge(x * 2).output_nr
        0
    """
    node = tensor._node
    if node is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    if isinstance(node, OutputNode):
        return GradientEdge(node.parent, node.index, node)
    return GradientEdge(node, 0, node)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a change in place of ``tensor`` (or of each of several) that was made without its operations.

    Inference tensors count none.
    """
    for changed in (tensor,) if isinstance(tensor, Tensor) else tensor:
        storage = storage_of(changed)
        if not isinstance(storage, InferenceStorage):  # those count none
            storage.mark_changed("increment_version")


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """Accepted and without effect: gradients are added up in the order in which they come.

    Example:
        >>> import rushlight as torch
        >>> torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    """


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> RemovableHandle:
    """Call ``fn`` when backward has computed the gradients of ``tensors``.

    Args:
        tensors: each must require grad.
        fn: with ``mode="all"`` it gets the list of gradients (None for tensors that this backward does not reach), after the
            last of them; with ``mode="any"`` the first gradient, once a backward.

    Raises ``ValueError`` for another mode, ``RuntimeError`` for a tensor that does not require grad.

    Example:
        >>> import rushlight as torch
        >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
        >>> handle = torch.autograd.graph.register_multi_grad_hook([a, b], print)
        >>> (a + 2 * b).backward()
        [tensor([1.]), tensor([2.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tell_runs_apart()
    if mode == "all":
        gathered = _Gathered(tuple(tensors), fn)
        return _MultiHandle([tensor.register_hook(gathered.hook_for(i)) for i, tensor in enumerate(tensors)])
    called = _Once(fn)
    return _MultiHandle([tensor.register_hook(called) for tensor in tensors])


class _MultiHandle(RemovableHandle):
    """Removes several hooks as one."""

    def __init__(self, handles: list[RemovableHandle]) -> None:
        super().__init__({}, None)
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


class _Gathered:
    """The gradients of several tensors in the backward that runs now."""

    def __init__(self, tensors: tuple[Tensor, ...], fn: Callable[..., None]) -> None:
        self.nodes = tuple([tensor._node for tensor in tensors])
        self.fn = fn
        self.runs: dict[
            Run, list[Any]
        ] = {}  # for each backward: how many are still missing, and the gradients

    def hook_for(self, i: int) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            run = current_run()
            if run is None:  # registered while this backward was running already
                return
            state = self.runs.get(run)
            if state is None:
                missing = sum([node is not None and run.reaches(node) for node in self.nodes])
                state = self.runs[run] = [missing, [None] * len(self.nodes)]
            state[0] -= 1
            state[1][i] = gradient
            if not state[0]:
                del self.runs[run]
                self.fn(state[1])

        return hook


class _Once:
    def __init__(self, fn: Callable[..., None]) -> None:
        self.fn = fn
        self.last_run: Run | None = None

    def __call__(self, gradient: Tensor) -> None:
        run = current_run()
        if run is not None and run is not self.last_run:
            self.last_run = run
            self.fn(gradient)


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
