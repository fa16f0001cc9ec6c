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

from ..core.dtypes import OF_NUMPY, can_cast
from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node
from ..core.shapes import broadcast_shape
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from .define import Primitive

grad_enabled = GRAD_MODE.get


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
    recording = grad_enabled()
    if recording:
        check_leaf(self)
    array = self._array
    old = make_tensor(array.copy() if recording and keeps_inputs else array, self._node)
    if old._node is not None or not keeps_inputs or not recording:
        pass
    value = method(old, *args, **kwargs)
    return commit(self, value, name)


def check_leaf(tensor: Tensor) -> None:
    """Raise if a change of ``tensor`` would change a leaf that backward must find as it is."""
    if isinstance(tensor._node, LeafNode):
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if tensor._view is not None:
        if tensor._view[1] is None:
            raise RuntimeError(
                "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that "
                "this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
                "both the view and the inplace either both inside the no_grad block (if you don't want the inplace "
                "to be tracked) or both outside (if you want the inplace to be tracked)."
            )
        base = tensor._base
        if base is not None and isinstance(base._node, LeafNode):
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")


def check_inplace_shape(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    common = broadcast_shape(shape, other)
    if common != shape:
        raise RuntimeError(f"output with shape {list(shape)} doesn't match the broadcast shape {list(common)}")


def check_no_overlap(array: Any) -> None:
    if 0 in array.strides and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


def commit(self: Tensor, value: Tensor, name: str) -> Tensor:
    """Write ``value`` over ``self`` and give ``self`` (and its base and views) the new history."""
    target, source = self._array, value._array
    if source.shape != target.shape:
        check_inplace_shape(target.shape, source.shape)
    if source.dtype != target.dtype:
        if not can_cast(OF_NUMPY[source.dtype], OF_NUMPY[target.dtype]):
            raise RuntimeError(
                f"result type {value.dtype.name.capitalize()} can't be cast to the desired output type "
                f"{self.dtype.name.capitalize()}"
            )
        value = _cast(value, self)
        source = value._array
    check_no_overlap(target)
    recording = grad_enabled() and (value._node is not None or self._node is not None)
    if recording:
        check_leaf(self)
    if not recording and self._view is not None and self._view[1] is not None and grad_enabled():
        base = self._base
        if base is not None and base._node is not None:
            recording = True
    target[...] = source
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.mark_changed(name)
    if recording:
        node = value._node
        if node is None:
            node = Node(OVERWRITTEN, (self._node,), target)
        rebase(self, node)
    return self


def _cast(value: Tensor, like: Tensor) -> Tensor:
    from .movement import cast  # movement is built on dispatch, which is built on this module

    return cast(value, like._array.dtype)  # type: ignore[no-any-return]


def rebase(self: Tensor, node: Node) -> None:
    """Make ``node`` the history of ``self``, and that of its base and of the base's other views follow from it."""
    view = self._view
    if view is None:
        base = self
        base._node = node
    else:
        chain = []
        base = self
        while view is not None:
            chain.append((view[1], view[2]))
            base = view[0]
            view = base._view
        chain.reverse()
        base._node = Node(COPY_SLICES, (base._node, node), base._array, None, tuple(chain))
    storage = base._storage
    if storage is None or storage.views is None:
        return
    for reference in storage.views:
        tensor = reference()
        if tensor is None or tensor._view is None:
            continue
        parent, record, attrs = tensor._view
        if record is None or (tensor._base is not base):
            continue
        edge = parent._node
        tensor._node = None if edge is None else Node(record, (edge,), tensor._array, None, attrs)


def replay(chain: tuple[tuple[Any, Any], ...], tensor: Tensor) -> Tensor:
    """The view of ``tensor`` that the chain of view operations leads to."""
    from .movement import view_of

    for record, attrs in chain:
        tensor = view_of(record, tensor, attrs)
    return tensor


def _copy_slices_vjp(gradient: Tensor, node: Node) -> tuple[Tensor | None, Tensor | None]:
    old = None
    if node.edges[0] is not None:
        old = gradient.clone()
        replay(node.attrs, old).zero_()
    new = replay(node.attrs, gradient) if node.edges[1] is not None else None
    return old, new


COPY_SLICES: Final = Primitive(
    "copy_slices",
    lambda base, value, chain: _write_through(base, value, chain),
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


# The history of a tensor whose content was replaced by something that needs no gradient: the old content gets none.
OVERWRITTEN: Final = Primitive(
    "overwritten", lambda old, value: np.broadcast_to(value, old.shape), lambda gradient, node: (None,) * len(node.edges)
)
