"""``autograd.Function``: operations with a gradient that the program defines."""

from __future__ import annotations

import functools
import sys
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from ..core.device import placed_beside
from ..core.dtypes import F32, INEXACT
from ..core.grad_mode import GRAD_MODE
from ..core.history import RELEASED, LeafNode, Node, OutputNode
from ..core.storage import Storage, program_site
from ..core.tensor import Tensor, make_tensor, storage_of
from ..ops.dispatch import alias_of
from ..ops.inplace import FUNCTION_VIEW, check_leaf, rebase
from ..runtime.batched import Batched
from .saved_tensors import HOOKS, Packed

grad_enabled = GRAD_MODE.get


def of_batches(cls: Any, args: tuple[Any, ...]) -> Any:
    """What ``cls.vmap`` makes of arguments some of which are batches of ``vmap``; ``NotImplemented`` where none is."""
    return NotImplemented if _batch_rule is None else _batch_rule(cls, args)


_batch_rule: Any = None  # what func.custom_functions makes of Functions on batches of vmap
# Whether backward runs for jvp: its result counts only as what is linear in the gradients that arrive.
TRANSPOSING: Final[ContextVar[bool]] = ContextVar("transposing", default=False)


def set_batch_rule(rule: Callable[[Any, tuple[Any, ...]], Any]) -> None:
    """From now on ``rule(cls, args)`` answers ``cls.apply(*args)`` where arguments are batches, unless NotImplemented."""
    global _batch_rule
    _batch_rule = rule


__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]


class FunctionCtx:
    """What ``forward`` (or ``setup_context``) leaves for ``backward``: any attribute, and the tensors that it saved."""

    needs_input_grad: tuple[
        bool, ...
    ] = ()  # for each argument of apply: whether backward must give its gradient
    materialize_grads = True
    _materialize_non_diff_grads = True  # whether outputs without gradient count as unused, too
    to_save: tuple[Any, ...] = ()
    saved_for_forward: tuple[Any, ...] = ()
    dirty_tensors: tuple[Any, ...] = ()
    non_differentiable: tuple[Any, ...] = ()
    _node: Callable[[], Node | None] | None = None
    _forward = False  # while jvp runs
    _inputs: list[Any] = []  # noqa: RUF012 - for jvp: each argument's shape and dtype, None if it is no tensor

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs, outputs or others; None is allowed) for ``backward``, which finds them in ``saved_tensors``.

        They are checked against changes in place. Call it once; other values can simply be set as attributes.
        """
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for ``jvp``, which finds them in ``saved_tensors``."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that ``forward`` changed these inputs in place; each must also be returned."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self.non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (the default) or None for outputs that nothing used."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept (in ``jvp``, ``save_for_forward``). ``RuntimeError`` after backward freed it, and if
        it was changed in place."""
        if self._forward and self.saved_for_forward:
            return self.saved_for_forward
        node = None if self._node is None else self._node()
        return () if node is None else node.unpack()

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        """An old name of ``saved_tensors``."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors


class BackwardCFunction(FunctionCtx):
    """The base of every Function's own context class."""

    _forward_cls: type[Function]


class _Record:
    """What nodes of one Function have for an operation."""

    saves_output = False

    def __init__(self, function: type[Function]) -> None:
        self.function = function
        self.name = function.__name__
        self.grad_name = f"{function.__name__}Backward"

    def vjp(self, gradient: Any, node: Any) -> Any:
        function = self.function
        ctx = node.attrs
        if gradient is None and node.outputs is not None:
            gradients: tuple[Any, ...] = (None,) * len(node.outputs)
        else:
            gradients = tuple(gradient) if type(gradient) is list else (gradient,)
        if TRANSPOSING.get() and function.jvp is not Function.jvp:
            return _pushed(node, gradients)
        if ctx.materialize_grads and any(part is None for part in gradients):
            gradients = node.materialized(gradients)
            if not ctx._materialize_non_diff_grads and node.outputs is not None:
                gradients = tuple(
                    [None if i in node.without_gradient else part for i, part in enumerate(gradients)]
                )
        if function.backward is not Function.backward:
            if function.vjp is not Function.vjp:
                raise RuntimeError(
                    "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement "
                    "one of them."
                )
            result = function.backward(ctx, *gradients)
        else:
            result = function.vjp(ctx, *gradients)
        return _checked_gradients(self, node, ctx, result)


class _Pushed:
    """The history of what ``backward`` would give, for ``jvp``: its derivative is what the Function's own ``jvp`` says."""

    name = "jvp"
    grad_name = "JvpBackward"
    saves_output = False

    @staticmethod
    def vjp(tangents: Any, node: Node) -> Any:
        ctx, function, positions, outputs = node.attrs
        given: list[Any] = [None] * len(ctx.needs_input_grad)
        for position, part in zip(positions, tangents, strict=True):
            given[position] = part
        if ctx.materialize_grads:
            given = [
                make_tensor(np.zeros(*shape)) if part is None and shape is not None else part
                for part, shape in zip(given, ctx._inputs, strict=True)
            ]
        ctx._forward = True
        try:
            found = function.jvp(ctx, *given)
        finally:
            ctx._forward = False
        found = found if isinstance(found, tuple) else (found,)
        # What follows are the edges that only say what the result depends on.
        return (*[found[i] for i in outputs], *[None] * (len(node.edges) - len(outputs)))


def _pushed(node: Any, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    """Zeros for each edge that depend, by ``_Pushed``, on the gradients that arrived."""
    edges = node.edges
    ctx = node.attrs
    positions = tuple(range(len(edges))) if len(edges) == len(ctx.needs_input_grad) else node.tensor_positions
    arrived = [i for i, part in enumerate(gradients) if part is not None and part._node is not None]
    zeros = [None if edge is None else make_tensor(np.zeros(edge.shape, edge.dtype)) for edge in edges]
    if not arrived:
        return tuple(zeros)
    first = next(zero for zero in zeros if zero is not None)
    own = tuple([edge for edge in edges if edge is not None])
    attrs = (ctx, node.operation.function, positions, tuple(arrived))
    pushed = Node(_Pushed, (*[gradients[i]._node for i in arrived], *own), first._array, None, attrs)
    pushed.outputs = tuple([((), F32) if edge is None else (edge.shape, edge.dtype) for edge in edges])
    for i, zero in enumerate(zeros):
        if zero is not None:
            zero._node = OutputNode(pushed, i, zero._array)
    return tuple(zeros)


def _checked_gradients(record: _Record, node: Node, ctx: FunctionCtx, result: Any) -> tuple[Any, ...]:
    """What ``backward`` returned, as one gradient for each edge."""
    given = result if isinstance(result, tuple) else (result,)
    expected = len(ctx.needs_input_grad)
    if len(given) != expected:
        if len(given) < expected or any(extra is not None for extra in given[expected:]):
            raise RuntimeError(
                f"function {record.grad_name} returned an incorrect number of gradients (expected {expected}, got {len(given)})"
            )
        given = given[:expected]
    edges = node.edges
    if len(edges) != expected:
        given = tuple([given[i] for i in node.tensor_positions])
    for i, (edge, part) in enumerate(zip(edges, given, strict=True)):
        if part is None:
            continue
        if not isinstance(part, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(part).__name__})")
        if (
            edge is not None
            and part._array.shape != edge.shape
            and not _sums_to(part._array.shape, edge.shape)
        ):
            raise RuntimeError(
                f"Function {record.grad_name} returned an invalid gradient at index {i} - got {list(part._array.shape)} but "
                f"expected shape compatible with {list(edge.shape)}"
            )
    return given


def _sums_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a tensor of shape ``target`` could have been broadcast to ``shape``."""
    lead = len(shape) - len(target)
    return lead >= 0 and all(n in (1, shape[lead + i]) for i, n in enumerate(target))


class FunctionNode(Node):
    """The node of a Function's call: ``attrs`` is its context, whose attributes can be read from the node as well."""

    __slots__ = ()

    accepts_none = True  # backward runs with zeros if nothing arrived
    without_gradient: tuple[int, ...] = ()  # of several results, those marked as not differentiable
    tensor_positions: tuple[int, ...]  # which arguments were tensors, where not all were
    result_nodes: dict[int, weakref.ref[Node]]  # of several results

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "_raw_saved_tensors":
            return super().__getattr__(name)
        return getattr(self.attrs, name)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors that ``save_for_backward`` kept."""
        return self.unpack()

    def unpack(self) -> tuple[Any, ...]:
        saved = self.saved
        if saved is None:
            return ()
        if saved is RELEASED:
            return super().unpack()  # raises
        values: list[Any] = []
        for entry in saved:
            if entry is None:
                values.append(None)
                continue
            content, storage, version, index = entry
            if type(content) is Packed:
                values.append(content.restore(None if index is None else self._result_node(index)))
                continue
            array = content if index is not None else content._array
            if storage is None:
                storage = content._storage
            if storage is not None and storage.version != version:
                raise self._changed(storage, version, array)
            if index is None:
                values.append(content)
            else:
                tensor = make_tensor(array, self._result_node(index))
                tensor._storage = storage
                values.append(tensor)
        return tuple(values)

    def _result_node(self, index: int) -> Node | None:
        """The history of result ``index``: the very node that the tensor has, while there is one."""
        outputs = self.outputs
        if outputs is None:
            return self
        own: Node | None = self.result_nodes[index]() if index in self.result_nodes else None
        if own is not None:
            return own
        shape, dtype = outputs[index]
        if dtype not in INEXACT or shape is None:
            return None
        return OutputNode(self, index, np.broadcast_to(np.zeros((), dtype), shape))

    def materialized(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """``gradients`` with zeros in place of None, for the outputs that are tensors."""
        outputs = self.outputs or ((self.shape, self.dtype),)
        # On the device of the others: what a function gives is seldom on several.
        like = next((part._array for part in gradients if part is not None), None)
        return tuple(
            [
                make_tensor(placed_beside(np.zeros(output[0], output[1]), like))
                if part is None and output is not None
                else part
                for part, output in zip(gradients, outputs, strict=True)
            ]
        )


class FunctionMeta(type):
    """Gives every Function its context class, its node class and its record."""

    _context: type[BackwardCFunction]
    _node_class: type[FunctionNode]
    _record: _Record

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        title = f"{name}Backward"
        function: Any = cls
        function._backward_cls = function._context = type(title, (BackwardCFunction,), {"_forward_cls": cls})
        function._node_class = type(title, (FunctionNode,), {"__slots__": ()})
        function._record = _Record(function)


class Function(metaclass=FunctionMeta):
    """The base of operations with a gradient of their own: define ``forward`` and ``backward``, call ``apply``.

    ``forward(ctx, *args)`` computes the results (one tensor, or a tuple; other values are passed on), and nothing in it is
    recorded. ``backward(ctx, *grads)`` gets one gradient for each result and returns one for each argument, None where
    there is none; written in differentiable operations it can be differentiated again. Alternatively ``forward(*args)``
    leaves the context to ``setup_context(ctx, inputs, output)``. See ``FunctionCtx`` for what ``ctx`` can do.

    Errors from ``backward``: ``RuntimeError`` for a wrong number, type or shape of gradients.

    Example:
        >>> import rushlight as torch
        >>> class Square(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * grad
        >>> x = torch.tensor([3.0], requires_grad=True)
        >>> Square.apply(x).backward()
        >>> x.grad
        tensor([6.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them "
            "on the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function "
            "with static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; to be defined."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Set up ``ctx`` from the arguments and the result, if ``forward`` does not take ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """From the gradients of the results to those of the arguments; to be defined."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward "
            "mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """From the arguments' tangents to the results': what ``func.jvp`` and ``forward_ad`` take in place of ``backward``.

        May be left out: they differentiate ``backward`` then.
        """
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    _runs_on_batches = False  # Functions of the library itself, which vmap asks nothing
    generate_vmap_rule = False  # whether vmap may run the methods as they are, on batches

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """The results for all examples, and their batch dimensions; ``info`` has ``batch_size`` and ``randomness``.

        ``args`` have their batch dimensions, which ``in_dims`` names, None where there is none.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` on the arguments and record the call if a gradient can flow through it."""
        edges: list[Node | None] = []
        needs: list[bool] = []
        batched = False
        for arg in args:
            if isinstance(arg, Tensor):
                edge = arg._node
                edges.append(edge)
                needs.append(edge is not None)
                if type(arg._array) is Batched:
                    batched = True
            else:
                needs.append(False)
        if batched and not cls._runs_on_batches:
            found = _batch_rule(cls, args)
            if found is not NotImplemented:
                return found
        recording = True in needs and grad_enabled()
        ctx = cls._context()
        ctx.needs_input_grad = tuple(needs)
        if cls.jvp is not _NO_JVP:
            ctx._inputs = [(a._array.shape, a._array.dtype) if isinstance(a, Tensor) else None for a in args]
        token = GRAD_MODE.set(False)
        try:
            if cls.setup_context is _NO_SETUP:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                if kwargs or getattr(getattr(cls.forward, "__code__", None), "co_argcount", -1) != len(args):
                    args = _bound_arguments(cls.forward, args, kwargs)
                    if len(args) != len(needs):
                        ctx.needs_input_grad = tuple(
                            [isinstance(a, Tensor) and a.requires_grad for a in args]
                        )
                        edges = [a._node for a in args if isinstance(a, Tensor)]
                        recording = True in ctx.needs_input_grad and token.old_value is not False
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        finally:
            GRAD_MODE.reset(token)
        if (
            recording
            and type(result) is Tensor
            and result._node is None
            and result._view is None
            and result._array.dtype in INEXACT
            and not ctx.dirty_tensors
            and not ctx.non_differentiable
            and not _holds(args, result)
        ):
            # The usual case: one new tensor.
            node = cls._node_class(cls._record, tuple(edges), result._array, None, ctx)
            if len(edges) != len(args):
                node.tensor_positions = tuple([i for i, arg in enumerate(args) if isinstance(arg, Tensor)])
            result._node = node
            if ctx.to_save:
                _save(ctx, node, (result,), (result,))
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        if ctx.dirty_tensors:
            ctx.dirty_tensors = _check_dirty(ctx.dirty_tensors, args, outputs, cls.__name__)
        if not recording:
            outputs = tuple([_unrecorded(output, args, ctx) for output in outputs])
            return outputs if isinstance(result, tuple) else outputs[0]
        if not any(isinstance(output, Tensor) for output in outputs):
            return result
        node = _make_node(cls, ctx, edges, args, outputs)
        # A tensor that is returned twice stays one tensor, and counts as the last of them.
        last = {id(output): i for i, output in enumerate(outputs) if isinstance(output, Tensor)}
        made = {key: _with_history(outputs[i], i, node, ctx, args) for key, i in last.items()}
        wrapped = tuple([made.get(id(output), output) for output in outputs])
        if ctx.to_save:
            _save(ctx, node, outputs, wrapped)
        if ctx.dirty_tensors or ctx.non_differentiable:
            ctx.dirty_tensors = ctx.non_differentiable = ()
        return wrapped if isinstance(result, tuple) else wrapped[0]


_NO_SETUP: Final = Function.setup_context
_NO_JVP: Final = Function.jvp


class InplaceFunction(Function):
    """A Function with an ``inplace`` flag; kept for programs that derive from it."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


def _bound_arguments(forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments by position, defaults filled in: ``setup_context`` and ``backward`` count on it."""
    import inspect

    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _check_dirty(
    dirty: tuple[Any, ...], args: tuple[Any, ...], outputs: Sequence[Any], name: str
) -> tuple[Any, ...]:
    """The tensors of ``dirty`` that are inputs, whose versions count the change; the others are none of its business."""
    changed = []
    for i, tensor in enumerate(dirty):
        if not isinstance(tensor, Tensor):
            raise RuntimeError(
                f"mark_dirty can only accept variables, but argument {i} is of type {type(tensor).__name__}"
            )
        if not _holds(args, tensor):
            message = (
                "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated should be "
                "passed to ctx.mark_dirty()."
            )
            if tensor._view is not None:
                raise RuntimeError(message)
            import warnings

            warnings.warn(message, stacklevel=3)
            continue
        changed.append(tensor)
        storage_of(tensor).mark_changed(name)
        if not _holds(outputs, tensor):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
                "modified inplace must all be outputs of the Function."
            )
    return tuple(changed)


def _holds(tensors: Sequence[Any], tensor: Tensor) -> bool:
    for other in tensors:  # not `in`, which compares elements  # noqa: SIM110 - any() costs four times as much
        if other is tensor:
            return True
    return False


def _unrecorded(output: Any, args: tuple[Any, ...], ctx: FunctionCtx) -> Any:
    if not isinstance(output, Tensor):
        return output
    if _holds(args, output) and not _holds(ctx.dirty_tensors, output):
        return alias_of(output)
    if output._node is not None and not isinstance(output._node, LeafNode):
        output._node = None
    return output


def _make_node(
    cls: type[Function],
    ctx: BackwardCFunction,
    edges: list[Node | None],
    args: tuple[Any, ...],
    outputs: tuple[Any, ...],
) -> FunctionNode:
    first = next(output for output in outputs if isinstance(output, Tensor))
    node = cls._node_class(cls._record, tuple(edges), first._array, None, ctx)
    if len(edges) != len(args):
        node.tensor_positions = tuple([i for i, arg in enumerate(args) if isinstance(arg, Tensor)])
    if len(outputs) > 1:
        node.result_nodes = {}
        if ctx.non_differentiable:
            marked = ctx.non_differentiable
            node.without_gradient = tuple([i for i, o in enumerate(outputs) if _holds(marked, o)])
        node.outputs = tuple(
            [(o._array.shape, o._array.dtype) if isinstance(o, Tensor) else None for o in outputs]
        )
    return node


def _with_history(
    output: Tensor, i: int, node: FunctionNode, ctx: FunctionCtx, args: tuple[Any, ...]
) -> Tensor:
    """``output`` as a result of ``node``: itself, or an alias where it is an input or has a history already."""
    array = output._array
    if array.dtype not in INEXACT or (ctx.non_differentiable and _holds(ctx.non_differentiable, output)):
        if _holds(args, output) and not _holds(ctx.dirty_tensors, output):
            return alias_of(output)
        return output
    own: Node = node
    if node.outputs is not None:
        own = OutputNode(node, i, array)
        node.result_nodes[i] = weakref.ref(own)
    if ctx.dirty_tensors and _holds(ctx.dirty_tensors, output):
        if output._view is not None and node.outputs is not None:
            raise RuntimeError(
                "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more "
                "than one Tensor. You should either make sure the input is not a view (using .clone() for example) or make "
                "your Function only return one Tensor (potentially splitting it into two Functions)."
            )
        if isinstance(output._node, LeafNode):
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        check_leaf(output)
        rebase(output, own)
        return output
    parent = None
    if _holds(args, output):
        parent, output = output, alias_of(output)
        storage_of(output).add_view(output)
    elif output._view is not None:
        parent = output._view[0]
    elif output._node is not None:
        output = alias_of(output)
    if parent is not None:
        output._view = (parent, FUNCTION_VIEW, {"function": node.operation.name, "output": i})
    output._node = own
    return output


def _save(ctx: FunctionCtx, node: FunctionNode, outputs: tuple[Any, ...], wrapped: tuple[Any, ...]) -> None:
    to_save, ctx.to_save = ctx.to_save, ()  # a result among them would be a cycle
    node.saved = _saved_entries(to_save, outputs, wrapped)
    node.site = program_site(sys._getframe(2))
    ctx._node = weakref.ref(node)


def _saved_entries(
    to_save: tuple[Any, ...], outputs: tuple[Any, ...], wrapped: tuple[Any, ...]
) -> tuple[Any, ...]:
    """What a node keeps: (tensor, None, version, None), or (array, storage, version, index) of a result, which as a tensor
    would be a cycle."""
    entries: list[Any] = []
    hooks = HOOKS.get()
    for i, tensor in enumerate(to_save):
        if tensor is None:
            entries.append(None)
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type {type(tensor).__name__}"
            )
        index = None
        for j, output in enumerate(outputs):
            if output is tensor and wrapped[j] is output and isinstance(output, Tensor):
                index = j
        storage: Storage | None = tensor._storage
        if hooks:
            packed = (
                Packed(tensor, tensor._node) if index is None else Packed(make_tensor(tensor._array), None)
            )
            entries.append((packed, None, 0, index))
        elif index is None:
            entries.append((tensor, None, 0 if storage is None else storage.version, None))
        else:
            storage = storage_of(tensor)
            entries.append((tensor._array, storage, storage.version, index))
    return tuple(entries)


# --- once_differentiable ----------------------------------------------------------------------------------------------


class _DifferentiatedTwice:
    """The history of gradients that can't be differentiated."""

    name = "error"
    grad_name = "Error"
    saves_output = False

    @staticmethod
    def vjp(gradient: Tensor, node: Node) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """For ``backward`` methods that can't be differentiated: nothing in them is recorded, and trying it is an error."""

    @functools.wraps(fn)
    def once(ctx: Any, *gradients: Any) -> Any:
        token = GRAD_MODE.set(False)
        try:
            result = fn(ctx, *gradients)
        finally:
            GRAD_MODE.reset(token)
        if not grad_enabled():
            return result
        edges = tuple([g._node for g in gradients if isinstance(g, Tensor) and g._node is not None])
        if not edges:
            return result
        values = result if isinstance(result, tuple) else (result,)
        marked = tuple(
            [
                make_tensor(v._array, Node(_DifferentiatedTwice, edges, v._array))
                if isinstance(v, Tensor)
                else v
                for v in values
            ]
        )
        return marked if isinstance(result, tuple) else marked[0]

    return once
