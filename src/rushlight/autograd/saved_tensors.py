"""Saved-tensor hooks: what operations keep for backward, packed and unpacked by the program's functions."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from ..core.grad_mode import DECIDING, GRAD_MODE
from ..core.history import RELEASED, SAVED_BY_NAME, Node, unwatch_nodes, watch_nodes
from ..core.tensor import Tensor, make_tensor

Pack = Callable[[Tensor], Any]
Unpack = Callable[[Any], Tensor]

# The hooks in force, innermost last; None while a pack hook runs.
HOOKS: ContextVar[tuple[tuple[Pack, Unpack], ...]] = ContextVar("saved_tensor_hooks", default=())
DECIDING.append(HOOKS)
DISABLED: ContextVar[str | None] = ContextVar("saved_tensor_hooks_disabled", default=None)


class Packed:
    """A saved tensor in the form that the pack hook gave it."""

    __slots__ = ("_content", "_node", "_unpack")

    def __init__(self, tensor: Tensor, node: Node | None, hooks: tuple[Pack, Unpack] | None = None) -> None:
        pack, self._unpack = HOOKS.get()[-1] if hooks is None else hooks
        self._node = node
        version = tensor._version
        grad, outer = GRAD_MODE.set(False), HOOKS.set(())
        try:
            self._content = pack(tensor)
        finally:
            HOOKS.reset(outer)
            GRAD_MODE.reset(grad)
        if tensor._version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be "
                "modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you "
                "need to perform in-place operations on the input to a pack hook."
            )

    def restore(self, node: Node | None = None) -> Tensor:
        """The tensor again, with its history (or that of ``node``)."""
        token = GRAD_MODE.set(False)
        try:
            tensor = self._unpack(self._content)
        finally:
            GRAD_MODE.reset(token)
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(tensor).__name__}"
            )
        return make_tensor(tensor._array, self._node if node is None else node)


# Where the second operand is what the first one's gradient needs, PyTorch saves it first: hooks see it first, too.
_SECOND_FIRST: Final = frozenset(
    {"mul", "div", "mm", "matmul", "bmm", "pow", "atan2", "hypot", "maximum", "minimum"}
)


def _in_pytorchs_order(node: Node, values: tuple[Any, ...], change: Callable[[Any], Any]) -> tuple[Any, ...]:
    if len(values) < 2 or node.operation.name not in _SECOND_FIRST:
        return tuple([change(v) for v in values])
    second = change(values[1])
    return (change(values[0]), second, *[change(v) for v in values[2:]])


_saved_slot: Any = Node.saved
_output_slot: Any = Node.output


class _PackedNode(Node):
    """A node whose saved tensors went through hooks."""

    __slots__ = ()

    def unpack(self) -> tuple[Any, ...]:
        saved = self.saved
        if saved is RELEASED:
            return super().unpack()  # raises
        values = _in_pytorchs_order(self, saved or (), lambda v: v.restore() if type(v) is Packed else v)
        packed = self.__dict__.get("packed_output")
        return values if packed is None else (*values, packed.restore(self))

    def release(self) -> None:
        packed = self.__dict__.pop("packed_output", None)
        if self.saved is not None or packed is not None:
            self.saved = RELEASED

    # Results are saved after the node is made: they go through the hooks, too.
    @property
    def saved(self) -> Any:
        return _saved_slot.__get__(self)

    @saved.setter
    def saved(self, value: Any) -> None:
        if type(value) is tuple:
            value = _in_pytorchs_order(
                self, value, lambda v: Packed(v, v._node) if isinstance(v, Tensor) else v
            )
            self.versions = None
        _saved_slot.__set__(self, value)

    @property
    def output(self) -> None:
        return None

    @output.setter
    def output(self, value: Any) -> None:
        if value is not None:
            self.__dict__["packed_output"] = Packed(make_tensor(value[0]), None)


_packed_classes: Final[dict[type[Node], type[Node]]] = {Node: _PackedNode}


def _make_packed(node: Node) -> None:
    """Change the node's class to one that unpacks what it saved; its name stays."""
    kind = type(node)
    if issubclass(kind, _PackedNode):
        return
    if kind not in _packed_classes:
        _packed_classes[kind] = type(
            kind.__name__, (_PackedNode,), {"__slots__": (), "__module__": "builtins"}
        )
    node.__class__ = _packed_classes[kind]


def _pack_saved(node: Node) -> None:
    if not HOOKS.get():
        return
    if type(node.saved) is tuple or getattr(node.operation, "saves_output", False):
        _make_packed(node)
        node.saved = node.saved


class SavedTensor:
    """One tensor that a node keeps for backward: ``node._raw_saved_self`` and the like."""

    _node: Node
    _position: int

    def __init__(self) -> None:
        raise RuntimeError("Trying to create a SavedTensor object from Python is forbidden.")

    @classmethod
    def of(cls, node: Node, position: int) -> SavedTensor:
        """What ``node`` keeps at ``position``."""
        made = cls.__new__(cls)
        made._node, made._position = node, position
        return made

    def _packed(self) -> Packed | None:
        saved = self._node.saved
        entries = () if saved is None or saved is RELEASED else saved
        is_output = self._position == len(entries)
        content: Any = self._node.__dict__.get("packed_output") if is_output else entries[self._position]
        content = content[0] if type(content) is tuple else content
        return content if isinstance(content, Packed) else None

    @property
    def data(self) -> Any:
        """What was saved: what the pack hook made of it, where there is one."""
        packed = self._packed()
        return self._node.unpack()[self._position] if packed is None else packed._content

    @property
    def unpack_hook(self) -> Unpack | None:
        """The hook that it goes through when it is needed; None without hooks."""
        packed = self._packed()
        return None if packed is None else packed._unpack

    def register_hooks(self, pack_hook: Pack, unpack_hook: Unpack | None = None) -> None:
        """Put what was saved through ``pack_hook`` now, and through ``unpack_hook`` when it is needed.

        Raises ``TypeError`` for what can't be called, ``RuntimeError`` for None, for what was freed, and where there are
        hooks already.
        """
        if not callable(pack_hook) or not callable(unpack_hook):
            raise TypeError("register_hooks(): incompatible function arguments: both hooks must be callable")
        node, position = self._node, self._position
        saved = node.saved
        if saved is RELEASED:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph are "
                "freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
                "through the graph a second time or if you need to access saved variables after calling backward."
            )
        entries = list(saved or ())
        is_output = position == len(entries)
        content: Any = node.__dict__.get("packed_output") if is_output else entries[position]
        of_function = type(content) is tuple
        if isinstance(content, Packed) or (of_function and isinstance(content[0], Packed)):
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is "
                "allowed at a time."
            )
        tensor = self.data
        if tensor is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        hooks = (pack_hook, unpack_hook)
        if of_function:
            index = content[3]
            plain = tensor if index is None else make_tensor(tensor._array)
            entries[position] = (
                Packed(plain, tensor._node if index is None else None, hooks),
                None,
                0,
                index,
            )
            node.saved = tuple(entries)
            return
        if is_output:
            packed = Packed(make_tensor(tensor._array), None, hooks)
            _make_packed(node)
            _output_slot.__set__(node, None)
            node.__dict__["packed_output"] = packed
            return
        entries[position] = Packed(tensor, tensor._node, hooks)
        _make_packed(node)
        _saved_slot.__set__(node, tuple(entries))


# What PyTorch calls the operands, where it is not `self` and `other`.
_OPERANDS: Final = {
    "pow": ("self", "exponent"), "mm": ("self", "mat2"), "bmm": ("self", "mat2"), "mv": ("self", "vec"),
    "dot": ("self", "tensor"), "where": ("condition",), "addcmul": ("self", "tensor1", "tensor2"),
    "clamp": ("self", "min", "max"), "lerp": ("self", "end", "weight"), "gather": ("self", "index"),
    "conv": ("input", "weight", "bias"),
}  # fmt: skip


def _saved_by_name(node: Node, name: str) -> Any:
    """``node._saved_self``, ``_saved_other``, ``_saved_result``, ``_saved_dim``: what was saved, by PyTorch's names."""
    raw = name.startswith("_raw_saved_")
    wanted = name.removeprefix("_raw_saved_" if raw else "_saved_")
    if raw and wanted == "tensors" and getattr(node, "saved_tensors", None) is not None:
        node.unpack()
        return tuple([SavedTensor.of(node, i) for i in range(len(node.saved or ()))])
    operation = node.operation
    saves = tuple(getattr(operation, "saves", None) or ())
    position = None
    if wanted == "result" and getattr(operation, "saves_output", False):
        position = len(saves)
    else:
        operands = _OPERANDS.get(operation.name, ("self", "other"))
        for i, (operand, *_) in enumerate(saves):
            if operand < len(operands) and operands[operand] == wanted:
                position = i
    if position is not None:
        return SavedTensor.of(node, position) if raw else node.unpack()[position]
    attrs = node.attrs
    if not raw and isinstance(attrs, dict) and wanted in attrs:
        return attrs[wanted]
    raise AttributeError(f"'{node.name()}' object has no attribute '{name}'", name=name, obj=node)


SAVED_BY_NAME.append(_saved_by_name)


class saved_tensors_hooks:
    """Within this context every tensor that is saved for backward goes through ``pack_hook`` when it is saved, and
    through ``unpack_hook`` when backward needs it.

    Args:
        pack_hook: from a tensor to anything; it must not change the tensor. It gets the very tensor that is saved, so a
            hook may leave an ``nn.Parameter`` as it is; an operation's own result comes without its history, which would be
            a cycle.
        unpack_hook: from that back to a tensor with the same content.

    Raises ``RuntimeError`` where ``disable_saved_tensors_hooks`` is in force.

    Example:
        >>> import rushlight as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().numpy().copy(), torch.from_numpy):
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 2.])
    """

    def __init__(self, pack_hook: Pack, unpack_hook: Unpack) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        message = DISABLED.get()
        if message is not None:
            raise RuntimeError(message)
        HOOKS.set((*HOOKS.get(), (self.pack_hook, self.unpack_hook)))
        watch_nodes(_pack_saved)

    def __exit__(self, *exc: object) -> None:
        HOOKS.set(HOOKS.get()[:-1])
        unwatch_nodes(_pack_saved)


class save_on_cpu(saved_tensors_hooks):
    """Within this context what is saved for backward is kept in the CPU's memory and brought back to its device then.

    ``pin_memory`` asks for page-locked copies, which a GPU copies from faster; there is nothing to lock on the CPU.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:
    """Within this context entering ``saved_tensors_hooks`` raises ``RuntimeError`` with the given message."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message
        self._previous: str | None = None

    def __enter__(self) -> None:
        if HOOKS.get():
            raise RuntimeError(self.error_message)
        self._previous = DISABLED.get()
        DISABLED.set(self.error_message)

    def __exit__(self, *exc: object) -> None:
        DISABLED.set(self._previous)


__all__: Final = ["disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]
