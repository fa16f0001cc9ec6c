"""Changes in place: what they do to memory, to version counters, and to the history of a tensor and of its views.

An in-place operation is its out-of-place form followed by ``commit``: the new value is written over the old one, the
version goes up (so that a backward that needed the old value can say so), and the tensor takes the new value's history.
A change through a view is a change of the base: the base's new history is ``copy_slices``, which sends the gradient of
the changed region to the new value and that of the rest to the old base; every live view then gets the history that it
would have, had it been taken now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.device import OF_ARRAYS, placed_beside, strided
from ..core.dtypes import OF_NUMPY, TYPE_NAMES, can_cast
from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node, OutputNode
from ..core.shapes import broadcast_shape
from ..core.sparse_arrays import SparseArray
from ..core.storage import Storage, program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched, wrap
from ..runtime.pending import Pending, address
from .define import Primitive

grad_enabled = GRAD_MODE.get
# The records whose views are several results of one call (split, unbind): those can't be changed in place where gradients
# are recorded, as in PyTorch. ``joining`` enters them.
SEVERAL_VIEWS: Final[set[Primitive]] = set()
# The records whose views are counted in memory, not in elements (as_strided): they can be taken again only of a tensor with
# the same strides. ``views`` enters them.
LAYOUT_DEPENDENT: Final[set[Primitive]] = set()


def overwrite(
    self: Tensor,
    method: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: str,
    *,
    keeps_inputs: bool = True,
) -> Tensor:
    """``self`` changed to ``method(self, *args, **kwargs)`` in place.

    ``keeps_inputs``: the operation saves its inputs for backward, so it must see a copy of the old value, which is
    about to be written over.
    """
    recording = False
    others = (
        [other for other in (*args, *kwargs.values()) if isinstance(other, Tensor)] if args or kwargs else ()
    )
    for other in others:
        if other._storage is not None and other._storage is self._storage and other is not self:
            check_partial_overlap(self._array, other._array)
    if grad_enabled():
        recording = self._node is not None or any(other._node is not None for other in others)
        if recording:
            check_leaf(self)
    array = self._array
    # Only a recorded operation keeps what it read.
    old = make_tensor(array.copy() if recording and keeps_inputs else array, self._node)
    return commit(self, method(old, *args, **kwargs), name)


def check_leaf(tensor: Tensor) -> None:
    """Raise if a recorded change of ``tensor`` would change a leaf, or a view whose history can't follow the change."""
    view = tensor._view
    while view is not None:
        record = view[1]
        if record is None:
            raise RuntimeError(
                "A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
                + NO_GRAD_VIEW
            )
        if record is FUNCTION_VIEW:
            raise RuntimeError(
                f"Output {view[2]['output']} of {view[2]['function']} is a view and is being modified inplace. This view was "
                "created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle "
                "view+inplace would override the custom backward associated with the custom Function, leading to incorrect "
                "gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function."
            )
        if record in SEVERAL_VIEWS:
            number = tensor._node.index if isinstance(tensor._node, OutputNode) else 0
            raise RuntimeError(
                f"Output {number} of {record.name.title().replace('_', '')} is a view and is being modified inplace. This view "
                "is the output of a function that returns multiple views. Such functions do not allow the output views to be "
                "modified inplace. You should replace the inplace operation by an out-of-place one."
            )
        parent = view[0]
        view = parent._view
        if view is None and isinstance(parent._node, LeafNode):
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
    if isinstance(tensor._node, LeafNode):
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


NO_GRAD_VIEW: Final = (
    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the "
    "view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both "
    "outside (if you want the inplace to be tracked)."
)


def check_inplace_shape(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    common = broadcast_shape(shape, other)
    if common != shape:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape {list(common)}"
        )


def check_no_overlap(array: Any) -> None:
    """Raise if several elements of ``array`` are one place in memory (an expanded dimension)."""
    if (
        not isinstance(array, SparseArray)
        and array.size
        and 0 in array.strides
        and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True))
    ):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


def check_partial_overlap(target: Any, source: Any) -> None:
    """Raise if both are parts of one block of memory and share some of it without being the same part."""
    if target.flags.forc and source.flags.forc and target.size and source.size:
        start, other = address(target), address(source)
        same = start == other and target.nbytes == source.nbytes and _steps(target) == _steps(source)
        if not same and start < other + source.nbytes and other < start + target.nbytes:
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )


def check_out_overlap(out: Any, *operands: Any) -> None:
    """Raise if ``out`` and one of the operands are different parts of one memory and share some of it."""
    storage = getattr(out, "_storage", None)
    if storage is not None:
        for operand in operands:
            if isinstance(operand, Tensor) and operand._storage is storage and operand is not out:
                check_partial_overlap(out._array, operand._array)
    if len(operands) > 1 and any([operand is out for operand in operands]):
        shapes = [operand._array.shape for operand in operands if isinstance(operand, Tensor)]
        shape = broadcast_shape(*shapes)
        if shape != out._array.shape:
            raise RuntimeError(
                f"output with shape {list(out._array.shape)} doesn't match the broadcast shape {list(shape)}"
            )


def _steps(array: Any) -> list[int]:
    return [s for s, n in zip(array.strides, array.shape, strict=True) if n > 1]


def same_region(a: Any, b: Any) -> bool:
    """Whether both arrays are the same elements of one memory in the same order."""
    return bool(a.shape == b.shape and a.strides == b.strides and address(a) == address(b))


def commit(self: Tensor, value: Tensor, name: str) -> Tensor:
    """Write ``value`` over ``self`` and give ``self`` (and its base and views) the new history."""
    if type(value._array) is Pending and type(self._array) is not Pending:
        value._array.tape.adopt(self)
    target, source = self._array, value._array
    if source.shape != target.shape:
        check_inplace_shape(target.shape, source.shape)
    if source.dtype != target.dtype:
        if not can_cast(OF_NUMPY[source.dtype], OF_NUMPY[target.dtype]):
            raise RuntimeError(
                f"result type {TYPE_NAMES[value.dtype.name]} can't be cast to the desired output type "
                f"{TYPE_NAMES[self.dtype.name]}"
            )
        value = _cast(value, self)
        source = value._array
    check_no_overlap(target)
    node = value._node
    recording = grad_enabled() and (node is not None or self._node is not None)
    if recording:
        check_leaf(self)
        if type(target) is Batched:
            from .batching import alike  # its rules are built on this module

            value = alike(value, self)
            source, node = value._array, value._node
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.mark_changed(name)  # before anything is written: inference tensors may refuse
    target[...] = source
    if recording:
        if node is None:
            node = Node(OVERWRITTEN, (self._node,), target)
        elif node.output is not None and node.output[0] is source:
            # The operation saved its result, which is this tensor from now on: a later change of it must be noticed.
            node.output = (target, storage, storage.version)
        rebase(self, node)
    return self


def announce(self: Tensor, name: str) -> Storage:
    """The storage, told what is going to write to it: where that is forbidden (inference tensors), nothing is written."""
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.changed_by = name
    return storage


def changed(self: Tensor, storage: Storage, node: Node | None) -> Tensor:
    """``self`` after its memory was written directly; ``node`` is the history of what it holds now, if one is recorded."""
    storage.version += 1
    storage.changed_at = program_site()
    if node is not None:
        rebase(self, node)
    return self


def _cast(value: Tensor, like: Tensor) -> Tensor:
    from .movement import cast  # movement is built on dispatch, which is built on this module

    return cast(value, like._array.dtype)


def rebase(self: Tensor, node: Node) -> None:
    """Make ``node`` the history of ``self``, and that of its base and of the base's other views follow from it."""
    view = self._view
    if view is None:
        base = self
        _set_history(base, node)
    else:
        chain = []
        base = self
        while view is not None:
            chain.append((view[1], view[2]))
            base = view[0]
            view = base._view
        chain.reverse()
        old = self._node
        if old is not None and old.pre_hooks:
            # The view's own history is not part of the base's new one: hooks of the view's old value are not called.
            bare = Node(old.operation, old.edges, self._array, old.saved, old.attrs, old.site, old.versions)
            node.edges = tuple([bare if edge is old else edge for edge in node.edges])
        attrs = {"chain": tuple(chain), "strides": base._array.strides}
        _set_history(base, Node(COPY_SLICES, (base._node, node), base._array, None, attrs))
    follow(base)


def follow(base: Tensor) -> None:
    """Give each live view of ``base`` the history that it would have, had it been taken now."""
    storage = base._storage
    if storage is None or storage.views is None:
        return
    for reference in storage.views:
        tensor = reference()
        if tensor is None or tensor._view is None or tensor._base is not base:
            continue
        parent, record, attrs = tensor._view
        edge = parent._node
        if edge is None:
            tensor._node = None
        elif record is None:
            tensor._node = Node(UNTRACKED_VIEW, (edge,), tensor._array)
        else:
            _set_history(tensor, Node(record, (edge,), tensor._array, None, attrs))


def _set_history(tensor: Tensor, node: Node) -> None:
    old = tensor._node
    if old is not None and old.retain_into is not None and old.retain_into() is tensor:
        node.special = True
        node.retain_into, old.retain_into = old.retain_into, None  # retain_grad means the tensor's last value
    tensor._node = node


def replay(chain: tuple[tuple[Any, Any], ...], tensor: Tensor) -> Tensor:
    """The view of ``tensor`` that the chain of view operations leads to."""
    from .movement import view_of

    for record, attrs in chain:
        tensor = view_of(record, tensor, attrs)
    return tensor


def _copy_slices_vjp(gradient: Tensor, node: Node) -> tuple[Tensor | None, Tensor | None]:
    chain, strides = node.attrs["chain"], node.attrs["strides"]
    if any(record in LAYOUT_DEPENDENT for record, _ in chain):
        gradient = _laid_out(gradient, strides)
    new = replay(chain, gradient) if node.edges[1] is not None else None
    old = None
    if node.edges[0] is not None:
        # In the base's own layout: in another one, a view of it might have to be a copy.
        old = _laid_out(gradient, strides)
        region = replay(chain, old)
        assert not region._array.size or np.may_share_memory(region._array, old._array)
        region.zero_()
    return old, new


def _laid_out(tensor: Tensor, strides: tuple[int, ...]) -> Tensor:
    """A copy of ``tensor`` with the given strides."""
    from .movement import CLONE

    array = tensor._array
    copied = _copy_in_layout(array, strides)
    edge = tensor._node
    return make_tensor(copied, None if edge is None or not grad_enabled() else Node(CLONE, (edge,), copied))


def _copy_in_layout(array: Any, strides: tuple[int, ...]) -> Any:
    if array.size == 0 or any(s <= 0 for s in strides):
        return array.copy()
    bytes_ = array.itemsize + sum([(n - 1) * s for n, s in zip(array.shape, strides, strict=True)])
    if type(array) is Batched:
        return wrap(array.level, _copy_in_layout(array.value, (bytes_, *strides)))
    if type(array) is Pending and type(array.memory) is np.ndarray and not array.tape.finished:
        tape, shape = array.tape, (bytes_ // array.itemsize,)
        memory = tape.fresh(tape.constant(0, shape, array.dtype), shape, array.dtype)
        copied = memory.through(strided, array.shape, strides)
        copied[...] = array
        return copied
    backend = OF_ARRAYS.get(type(array))
    if backend is not None:
        memory = backend.made("empty", (bytes_ // array.itemsize,), array.dtype, backend.device_of(array))
        copied = backend.strided(memory, array.shape, strides)
        copied[...] = array
        return copied
    memory = placed_beside(np.empty(bytes_ // array.itemsize, array.dtype), array)
    copied = strided(memory, array.shape, strides)
    copied[...] = array
    return copied


COPY_SLICES: Final = Primitive(
    "copy_slices",
    lambda base, value, chain, strides: _write_through(base, value, chain),
    _copy_slices_vjp,
    grad_name="CopySlices",
)


def _write_through(base: Any, value: Any, chain: tuple[tuple[Any, Any], ...]) -> Any:
    result = base.copy()
    region = result
    for record, attrs in chain:
        region = record.impl(region, **attrs)
    region[...] = value
    return result


def _zero_vjp(gradient: Tensor, node: Node) -> tuple[Tensor, ...]:
    from .creation import zeros_like  # creation is built on dispatch

    return (zeros_like(gradient),) * len(node.edges)


def _untracked_vjp(gradient: Tensor, node: Node) -> Tensor:
    raise RuntimeError(
        "A view was created in no_grad mode and its base or another view of its base has been modified inplace with grad "
        "mode enabled. " + NO_GRAD_VIEW
    )


def _function_view_vjp(gradient: Tensor, node: Node) -> Tensor:
    raise RuntimeError(
        f"Output {node.attrs['output']} of {node.attrs['function']} is a view whose base was modified inplace: which gradient "
        "the custom Function would have now is not known. You can fix this by cloning the output of the custom Function."
    )


# The history of a tensor whose content was replaced by something that needs no gradient: the old content gets zeros.
OVERWRITTEN: Final = Primitive("overwritten", lambda old, value: np.broadcast_to(value, old.shape), _zero_vjp)
# A view made without history, whose memory got one since: which of the two it should have is not known.
UNTRACKED_VIEW: Final = Primitive("untracked_view", lambda x: x, _untracked_vjp)
# A result of an autograd.Function that shares memory with an input or with a tensor from elsewhere.
FUNCTION_VIEW: Final = Primitive("function_view", lambda x, function, output: x[...], _function_view_vjp)
