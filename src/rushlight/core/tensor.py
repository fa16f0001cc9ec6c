"""The Tensor: its fields and its history. No arithmetic here: ``tensor_methods`` binds every operation to it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .dtypes import OF_NUMPY, TYPE_NAMES, dtype
from .grad_mode import INFERENCE_MODE
from .history import AS_THE_LEAF, LeafNode, Node, OutputNode, RemovableHandle, UntrackedNode, named_by_class
from .shapes import Size
from .storage import InferenceStorage, Storage
from .switch import Switch

Array = NDArray[Any]
_tuple: Final = tuple.__new__
# (the tensor that this one is a view of, the view operation's record, its parameters)
View = tuple["Tensor", Any, Any]


class Tensor:
    """An n-dimensional array with PyTorch's semantics: views alias, gradients flow, dtypes promote.

    ``Tensor(2, 3)`` makes an uninitialised float tensor of that shape and ``Tensor([1, 2])`` one with that content, as in
    PyTorch; prefer ``rushlight.empty`` and ``rushlight.tensor``.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    # _array: the NumPy array (with its strides: a view is a NumPy view).   _node: history; None needs no gradient.
    # _grad: a leaf's gradient.   _storage: shared with every alias; None until there is one.   _view: whose view it is.
    __slots__ = ("__dict__", "__weakref__", "_array", "_grad", "_node", "_storage", "_view")
    _array: Any  # an Array; while a compiled function records, what stands in its place (runtime.pending)
    _node: Node | None
    _grad: Tensor | None
    _storage: Storage | None
    _view: View | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        return make_legacy(cls, args, kwargs)

    # NumPy must leave `array + tensor` to Tensor's reflected operators.
    __array_priority__ = 1000

    @property
    def shape(self) -> Size:
        """The extents of the dimensions."""
        return _tuple(Size, self._array.shape)  # ``size_of``, without its frame

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim  # type: ignore[no-any-return]

    @property
    def dtype(self) -> dtype:
        """The element type."""
        return OF_NUMPY[self._array.dtype]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.size * self._array.itemsize  # type: ignore[no-any-return]

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded so that a gradient can be computed."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value is not True and value is not False:
            raise RuntimeError("requires_grad must be a bool")
        Tensor.requires_grad_(self, value)  # not a method that a subclass puts in its place

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start (or stop) asking for this leaf's gradient, in place.

        Raises ``RuntimeError`` for integer and bool tensors, and for stopping on a tensor that has a history.
        """
        node = self._node
        if requires_grad:
            if node is None:
                if not (self.dtype.is_floating_point or self.dtype.is_complex):
                    raise RuntimeError("only Tensors of floating point dtype can require gradients")
                if isinstance(self._storage, InferenceStorage) and not INFERENCE_MODE.get():
                    raise RuntimeError(
                        "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
                    )
                self._node = LeafNode(self)
                storage = self._storage
                if storage is not None and storage.views is not None:
                    for reference in storage.views:
                        view = reference()
                        if view is not None and view._node is None and view._base is self:
                            view._node = UntrackedNode(
                                view
                            )  # requires grad too, but was taken without recording
        elif node is not None:
            if not isinstance(node, LeafNode):
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                    "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            self._node = None
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        node = self._node
        return node is None or isinstance(node, LeafNode)

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made this tensor; None for a leaf."""
        node = self._node
        if isinstance(node, LeafNode):
            return None
        return named_by_class(node.parent if isinstance(node, OutputNode) else node)

    @property
    def output_nr(self) -> int:
        """Which result of ``grad_fn`` this tensor is."""
        return self._node.index if isinstance(self._node, OutputNode) else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` collected; None until then."""
        grad = self._grad
        if grad is None and self._node is not None and not self.is_leaf and not self.retains_grad:
            import warnings

            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
                "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
                "Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure "
                "you access the leaf Tensor instead.",
                UserWarning,
                stacklevel=2,
            )
        return grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value._array.shape != self._array.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value._array.shape)}' to a tensor of size "
                    f"'{list(self._array.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
            node = self._node
            allowed: Any = self.dtype
            if isinstance(node, LeafNode) and node.grad_dtype is not AS_THE_LEAF:
                allowed = node.grad_dtype
            if allowed is not None and value.dtype is not allowed:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{_cpp_name(value.dtype)}' to a tensor with grad_dtype "
                    f"'{_cpp_name(allowed)}'. The gradient must match the tensor's grad_dtype (defaults to the "
                    "tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow "
                    "any dtype."
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self) -> Any:
        """The dtype that this leaf's gradient is brought to: its own unless set; None leaves each gradient as it comes.

        ``RuntimeError`` for tensors with a history, and on setting it while there is a ``grad`` of another dtype.
        """
        node = self._node
        if node is None:
            return self.dtype
        if not isinstance(node, LeafNode):
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
        return self.dtype if node.grad_dtype is AS_THE_LEAF else node.grad_dtype

    @grad_dtype.setter
    def grad_dtype(self, value: Any) -> None:
        node = self._node
        if value is not None and not isinstance(value, dtype):
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}")
        if not isinstance(node, LeafNode):
            raise RuntimeError(
                "grad_dtype can only be set on leaf tensors."
                if node is not None
                else "grad_dtype: the tensor needs no gradient; call requires_grad_() first"
            )
        if value is not None and self._grad is not None and self._grad.dtype is not value:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{_cpp_name(value)}' because there is already a gradient with dtype "
                f"'{_cpp_name(self._grad.dtype)}'. Please clear the gradient (.grad = None) before changing grad_dtype, or "
                "ensure the new grad_dtype matches the existing gradient's dtype."
            )
        node.grad_dtype = AS_THE_LEAF if value is self.dtype else value
        node.special = True

    @property
    def _version(self) -> int:
        """How often this tensor's memory was changed in place."""
        if isinstance(self._storage, InferenceStorage):
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._storage is None else self._storage.version

    @property
    def _base(self) -> Tensor | None:
        """The tensor whose memory this is a differentiable view of."""
        base = self._view
        if base is None:
            return None
        tensor = base[0]
        while tensor._view is not None:
            tensor = tensor._view[0]
        return tensor

    def _is_view(self) -> bool:
        """Whether this is a differentiable view of another tensor."""
        return self._view is not None

    @property
    def retains_grad(self) -> bool:
        """Whether a tensor with a history keeps its gradient in ``grad`` (see ``retain_grad``)."""
        node = self._node
        return node is not None and node.retain_into is not None

    def retain_grad(self) -> None:
        """Keep this tensor's gradient in ``grad`` though it is not a leaf."""
        node = self._node
        if node is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not isinstance(node, LeafNode):
            node.retain_into = weakref.ref(self)
            node.special = True

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad)`` whenever this tensor's gradient is computed; a returned tensor takes its place."""
        if self._node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return self._node.add_pre_hook(hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(tensor)`` after a gradient was added to this leaf's ``grad``."""
        node = self._node
        if node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if not isinstance(node, LeafNode):
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if node.post_accumulate_hooks is None:
            node.post_accumulate_hooks = {}
        node.special = True
        return RemovableHandle(node.post_accumulate_hooks, hook)

    __hash__ = object.__hash__

    if TYPE_CHECKING:
        # Bound by tensor_methods. Type checkers get the operators, and any other method as Any.
        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __float__(self) -> float: ...
        def __index__(self) -> int: ...


def _cpp_name(kind: dtype) -> str:
    name = TYPE_NAMES[kind.name]
    return name.lower() if name in ("Float", "Double") else name


_new = object.__new__


def make_tensor(array: Array, node: Node | None = None) -> Tensor:
    """A Tensor around ``array``: every result of every operation comes through here, so it does nothing else."""
    tensor = _new(Tensor)
    tensor._array = array
    tensor._node = node
    tensor._grad = None
    tensor._storage = None
    tensor._view = None
    return tensor


def _make_inference_tensor(array: Array, node: Node | None = None) -> Tensor:
    tensor = _new(Tensor)
    tensor._array = array
    tensor._node = node
    tensor._grad = None
    tensor._storage = InferenceStorage() if INFERENCE_MODE.get() else None
    tensor._view = None
    return tensor


# On while any thread is in inference mode: ``make_tensor`` marks what that thread makes.
MARKING: Final = Switch(make_tensor, _make_inference_tensor)


def init_fields(tensor: Tensor, array: Array, node: Node | None = None) -> None:
    """The fields of a tensor of a subclass, as ``make_tensor`` sets them for a plain one."""
    tensor._array = array
    tensor._node = node
    tensor._grad = None
    tensor._storage = None
    tensor._view = None


def storage_of(tensor: Tensor) -> Storage:
    """The tensor's storage, made now if nothing asked for it before."""
    storage = tensor._storage
    if storage is None:
        storage = tensor._storage = Storage()
    return storage


def as_array(value: Any) -> Array:
    """``value`` as an ndarray: NumPy gives scalars where an operation has a 0-dim result."""
    return value if type(value) is np.ndarray else np.asarray(value)


def make_legacy(cls: type[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """``Tensor(...)``; ``tensor_methods`` sets the rule, because it needs the creation functions."""
    return LEGACY_CONSTRUCTOR[0](cls, args, kwargs)  # type: ignore[no-any-return]


LEGACY_CONSTRUCTOR: Final[list[Any]] = []
