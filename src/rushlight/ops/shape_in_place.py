"""Forms that change a tensor's own shape in place: ``squeeze_``, ``unsqueeze_``, ``transpose_``, ``t_``, ``as_strided_``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node
from ..core.tensor import Tensor, make_tensor, storage_of
from .inplace import check_leaf, follow
from .movement import (
    squeeze,
    t,
    transpose,
    unsqueeze,
    view,
    view_of,
)
from .numpy_names import numpy_names
from .strided import AS_STRIDED, strided_attrs

grad_enabled = GRAD_MODE.get


def _become(
    self: Tensor, change: Callable[[Tensor], Tensor], undo: Callable[[Tensor], Tensor], name: str
) -> Tensor:
    """Give ``self`` the shape, strides and history of ``change(self)``, a view of it; ``undo`` is the way back."""
    if self._node is not None and grad_enabled():
        check_leaf(self)
    token = GRAD_MODE.set(True)  # a view taken without recording would not say how it was taken
    try:
        viewed = change(self)
    finally:
        GRAD_MODE.reset(token)
    old_array, old_node, old_view = self._array, self._node, self._view
    assert viewed._view is not None
    storage = storage_of(self)
    views = storage.views or []
    _, record, attrs = viewed._view
    alive = [view for reference in views if (view := reference()) is not None and view is not viewed]
    children = [view for view in alive if view._view is not None and view._view[0] is self]
    self._array = viewed._array
    if isinstance(old_node, LeafNode):
        old_node.shape = self._array.shape
    elif old_node is not None:
        self._node = Node(record, (old_node,), self._array, None, attrs) if record is not None else old_node
    storage.mark_changed(name)
    if old_view is not None or children:
        # The shape that self had lives on in a tensor of its own: what self, if it is a view, or its views are views of.
        former: Tensor
        if old_view is not None:
            former = make_tensor(old_array, old_node)
            former._storage, former._view = storage, old_view
            self._view = (former, record, attrs)
        else:
            token = GRAD_MODE.set(True)
            former = undo(self)
            GRAD_MODE.reset(token)
        for child in children:
            assert child._view is not None
            child._view = (former, *child._view[1:])
        # Parents stay before their children in the list.
        storage.views = None
        if old_view is None:
            storage.add_view(former)
        for other in alive:
            if other is self:
                storage.add_view(former)
            storage.add_view(other)
        base = self._base
        follow(self if base is None else base)
    return self


@numpy_names
def squeeze_(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Drop dimensions of extent 1 from this tensor itself."""
    shape = self._array.shape
    return _become(self, lambda x: squeeze(x, dim), lambda x: view(x, shape), "squeeze_")


@numpy_names
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """Insert a dimension of extent 1 into this tensor itself."""
    shape = self._array.shape
    return _become(self, lambda x: unsqueeze(x, dim), lambda x: view(x, shape), "unsqueeze_")


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions of this tensor itself."""
    return _become(self, lambda x: transpose(x, dim0, dim1), lambda x: transpose(x, dim0, dim1), "transpose_")


def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose_`` under NumPy's name."""
    return transpose_(self, axis0, axis1)


def t_(self: Tensor) -> Tensor:
    """Transpose this matrix itself."""
    if self._array.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self._array.ndim}D")
    return _become(self, t, t, "t_")


def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Give this tensor itself another shape and strides over its memory."""
    attrs = strided_attrs(self, size, stride, storage_offset)
    shape, strides = attrs["parent"]
    back = {
        "size": shape,
        "stride": strides,
        "offset": -attrs["offset"],
        "parent": (attrs["size"], attrs["stride"]),
    }
    return _become(
        self, lambda x: view_of(AS_STRIDED, x, attrs), lambda x: view_of(AS_STRIDED, x, back), "as_strided_"
    )


METHODS: dict[str, Any] = {
    "squeeze_": squeeze_,
    "unsqueeze_": unsqueeze_,
    "transpose_": transpose_,
    "swapaxes_": swapaxes_,
    "swapdims_": transpose_,
    "t_": t_,
    "as_strided_": as_strided_,
}
