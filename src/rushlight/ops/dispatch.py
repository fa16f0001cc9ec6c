"""From records to operations: how a primitive runs on tensors, records history, and gets its public forms.

The factories below specialise a closure for each record at import, so that a call does no look-ups: the common case
(operands of one dtype on the CPU) is a few attribute reads around one NumPy call; everything else goes to the general
``apply``.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..core.device import as_dtype
from ..core.dtypes import (
    BOOL,
    F32,
    F64,
    FLOATS,
    I64,
    INEXACT,
    LOW_PRECISION,
    default_numpy,
    natural_dtype,
)
from ..core.errors import no_memory
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, OutputNode, known_as, versions_of
from ..core.shapes import broadcast_shape
from ..core.storage import LIBRARY, Storage, program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched, bottom
from ..runtime.large import run_large
from ..runtime.pending import NOT_RECORDED, Pending, recorded
from .define import Primitive, Rule
from .inplace import (
    check_inplace_shape,
    check_out_overlap,
    check_partial_overlap,
    overwrite,
)
from .operand_types import (
    check_tensors as check_tensors,
    common_dtype as common_dtype,
    is_number as is_number,
    keeps_numbers,
    not_implemented as not_implemented,
    number_array as number_array,
    plain_number as plain_number,
    type_name as type_name,
)
from .out_argument import write_out as write_out

Array = NDArray[Any]
Number = bool | int | float | complex
ndarray = np.ndarray
asarray = np.asarray
grad_enabled = GRAD_MODE.get
getframe = sys._getframe

# NumPy reports overflow, 0/0 and the like as warnings; PyTorch computes inf and nan silently. The filter in
# `rushlight/__init__` keeps them quiet; where a program turned warnings into errors, they arrive as these and the
# operation runs again with NumPy's checks off (an errstate around every call would cost as much as a small operation).
INT64_END = 1 << 63
EXACT_KINDS = frozenset("iub")
FloatingPointReport = (RuntimeWarning, FloatingPointError)


def named_in_place(operator: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method ``name`` of an in-place operator: what the operator leaves to the other operand's type is an error here."""

    def method(self: Tensor, other: Any) -> Any:
        result = operator(self, other)
        if result is NotImplemented:
            raise TypeError(
                f"{name}(): argument 'other' (position 1) must be Tensor or number, not {type(other).__name__}"
            )
        return result

    return named(method, name, f"``{name[:-1]}`` in place.")  # type: ignore[no-any-return]


def compute(impl: Callable[..., Any], arrays: Any, attrs: dict[str, Any]) -> Any:
    """``impl(*arrays, **attrs)`` without floating-point reports."""
    try:
        return impl(*arrays, **attrs)
    except FloatingPointReport:
        with np.errstate(all="ignore"):
            return impl(*arrays, **attrs)
    except MemoryError as error:
        raise no_memory(error) from None


def apply(record: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any] | None = None) -> Any:
    """Run ``record`` on tensors (numbers and None allowed among them) and record history where it is needed."""
    if attrs is None:
        attrs = {}
    if record.check is not None:
        record.check(*operands)
    tape = None
    arrays: list[Any] = []
    history = False
    for operand in operands:
        if isinstance(operand, Tensor):
            if operand._node is not None:
                history = True
            operand = operand._array
            if type(operand) is not ndarray:
                if _APPLIERS:
                    for each in operands:
                        if isinstance(each, Tensor) and (own := _APPLIERS.get(type(each._array))) is not None:
                            return own(record, operands, attrs)
                operands, tape = _special(operands)
                tape = None if tape is ELSEWHERE else tape
                arrays = [each._array if isinstance(each, Tensor) else each for each in operands]
                history = True  # for all that is known here
                break
        arrays.append(operand)
    rule = record.rule
    if rule is Rule.KEEP:
        if record.refuses and arrays[0].dtype.kind in record.refuses:
            raise not_implemented(record.name, arrays[0].dtype)
        result = _checked(record, arrays, attrs, tape)
        return (
            attach(record, operands, attrs, result)
            if history or type(result) is not ndarray
            else make_tensor(result)
        )
    check_tensors(record.name, operands)
    dtype = common_dtype(operands)
    if dtype.kind in record.refuses:
        raise not_implemented(record.name, dtype)
    if rule is Rule.PROMOTE_FLOAT and dtype not in INEXACT:
        dtype = default_numpy()
    compute_dtype = dtype
    if dtype in LOW_PRECISION and keeps_numbers(record, attrs):
        for operand in operands if record.name == "mul" else operands[1:]:  # of a quotient, the divisor
            if not isinstance(operand, Tensor) or (not operand._array.ndim and operand._array.dtype != dtype):
                compute_dtype = F32
    arrays = []
    for operand in operands:
        if isinstance(operand, Tensor):
            array = operand._array
            arrays.append(array if array.dtype is compute_dtype else as_dtype(array, compute_dtype))
        else:
            arrays.append(number_array(operand, compute_dtype))
    if compute_dtype is not dtype:
        result = _checked(record, arrays, attrs, tape)
        if not isinstance(result, tuple):
            result = as_array(result)
            result = as_dtype(result, dtype) if result.dtype == compute_dtype else result
        return attach(record, operands, attrs, result)
    return attach(record, operands, attrs, _checked(record, arrays, attrs, tape))


def _special(operands: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """The operands, of which some are no NumPy arrays, and what computes with them: a recording, the rules of batches, or
    what ``computed_by`` was told for their type."""
    batched = any([isinstance(operand, Tensor) and type(operand._array) is Batched for operand in operands])
    if _FINDERS and not batched:
        for operand in operands:
            if isinstance(operand, Tensor) and (find := _FINDERS.get(type(operand._array))) is not None:
                return find(operands)
    if batched:
        from .batching import MODE, lifted  # its rules are built on this module

        for operand in operands:
            if isinstance(operand, Tensor) and type(under := bottom(operand._array)) is Pending:
                arrays_of((make_tensor(cast(Any, under)), *[o for o in operands if o is not operand]))
                break
        return (lifted(operands) if grad_enabled() else operands), MODE
    tape = _tape_of(operands)
    return (_from_elsewhere(operands), tape) if tape is ELSEWHERE else (operands, tape)


# What finds the rules of computation for arrays that are neither NumPy's nor a recording's, by the arrays' type.
_FINDERS: dict[type, Callable[[tuple[Any, ...]], tuple[tuple[Any, ...], Any]]] = {}


def computed_by(kind: type, find: Callable[[tuple[Any, ...]], tuple[tuple[Any, ...], Any]]) -> None:
    """From now on tensors may hold arrays of type ``kind``. ``find(operands)`` answers, for an operation's operands of which
    one holds such an array, (operands, mode): the operands as they should take part, and what has
    ``call(record, arrays, attrs)`` and ``share(array)`` as ``runtime.recording.Tape`` has them. It raises where the operands
    do not go together (two devices)."""
    _FINDERS[kind] = find
    _ARRAYS.add(kind)


# What applies records to tensors whose arrays, by their type, need gradients of their own besides values of their own.
_APPLIERS: dict[type, Callable[[Primitive, tuple[Any, ...], dict[str, Any]], Any]] = {}


def applied_by(kind: type, application: Callable[[Primitive, tuple[Any, ...], dict[str, Any]], Any]) -> None:
    """From now on tensors may hold arrays of type ``kind``, and ``application(record, operands, attrs)`` gives the tensor (or
    tensors) that ``record`` makes of operands of which one holds such an array; it raises for records that it does not
    know."""
    _APPLIERS[kind] = application
    _ARRAYS.add(kind)


ELSEWHERE: Any = object()


def _from_elsewhere(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands with real arrays for those that another thread is recording with."""
    result = []
    for operand in operands:
        if isinstance(operand, Tensor) and type(operand._array) is Pending:
            array = operand._array
            alias = make_tensor(array.tape.seen_elsewhere(array), operand._node)
            alias._storage = operand._storage
            operand = alias
        result.append(operand)
    return tuple(result)


def _tape_of(operands: tuple[Any, ...]) -> Any:
    """The recording that the operands belong to, with those that hold NumPy arrays adopted; None if it is over."""
    tape = None
    for operand in operands:
        if isinstance(operand, Tensor) and type(operand._array) is Pending:
            if operand._array.tape.finished:
                operand._array = operand._array.memory
            elif operand._array.tape.thread != get_ident():
                return ELSEWHERE
            else:
                tape = operand._array.tape
    if tape is not None:
        for operand in operands:
            if isinstance(operand, Tensor) and type(operand._array) is not Pending:
                tape.adopt(operand)
    return tape


def as_array(value: Any) -> Any:
    """``value`` as an array that a tensor can hold."""
    return value if type(value) in _ARRAYS else asarray(value)


_ARRAYS = {ndarray, Pending, Batched}  # and what computed_by adds
# First operands for which large calls may run as a compiled kernel; bool is the condition of ``where``.
_COMPILED = FLOATS | {BOOL}


def _checked(record: Primitive, arrays: list[Any], attrs: dict[str, Any], tape: Any) -> Any:
    if tape is not None:
        result = tape.call(record, arrays, attrs)
        if result is not NOT_RECORDED:
            return result
        arrays = [tape.share(array) if type(array) is Pending else array for array in arrays]
    try:
        if type(arrays[0]) is ndarray and arrays[0].size >= record.large and arrays[0].dtype in _COMPILED:
            return run_large(record, arrays, attrs)
        return compute(record.impl, arrays, attrs)
    except ValueError as error:
        check_shapes(record, arrays, error)
        raise


def check_shapes(record: Any, arrays: Sequence[Any], error: ValueError) -> None:
    """Raise what PyTorch does where ``error``, NumPy's, says that the shapes of ``arrays`` do not go together.

    The impl's own checks raise what PyTorch raises; what NumPy itself finds wrong are such shapes.
    """
    if not str(error).startswith(("operands could not be broadcast", "shape mismatch", "matmul:")):
        return
    shapes = [a.shape for a in arrays if isinstance(a, ndarray | Pending)]
    if "broadcast" in str(error) and getattr(record, "rule", Rule.KEEP) is not Rule.KEEP:
        broadcast_shape(*shapes)  # raises in PyTorch's words
    described = " and ".join(str(list(shape)) for shape in shapes)
    raise RuntimeError(f"{record.name}: shapes {described} do not go together: {error}") from None


def attach(record: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any], result: Any) -> Any:
    """Wrap ``result`` (an array or a tuple of them) in tensors with the history that gradients need."""
    node = None
    for operand in operands:
        if isinstance(operand, Tensor) and operand._node is not None:
            break
    else:
        if type(result) is ndarray:  # without history, as most results are
            return make_tensor(result)
        operands = ()
    if record.vjp is not None and operands:
        edges = tuple([operand._node if isinstance(operand, Tensor) else None for operand in operands])
        if grad_enabled():
            site = None
            saved = None
            if record.saves:
                kept: list[Any] = []
                for index, wanted in record.saves:
                    value = None
                    for place in wanted:
                        if edges[place] is not None:
                            value = operands[index]
                            break
                    kept.append(value.item() if isinstance(value, np.generic) else value)
                saved = tuple(kept)
                site = program_site(getframe(1))
            if isinstance(result, tuple):
                return _attach_many(record, edges, attrs, result, saved, site)
            array = as_array(result)
            if array.dtype not in INEXACT:
                return held(make_tensor(array))
            node = Node(
                record, edges, array, saved, attrs, site, None if saved is None else versions_of(saved)
            )
            tensor = held(make_tensor(array, node))
            if record.saves_output:
                node.output = (array, _fresh_storage(tensor), 0)
                if site is None:
                    node.site = program_site(getframe(1))
            return tensor
    if isinstance(result, tuple):
        return tuple([held(make_tensor(as_array(array))) for array in result])
    if type(result) is ndarray:
        return make_tensor(result)
    return held(make_tensor(as_array(result)))


def run(record: Primitive, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """``record`` on arrays, recorded where one of them is pending: for the operations that do not go through ``apply``."""
    others = False
    for array in arrays:
        if type(array) is ndarray:
            continue
        others = True
        if _FINDERS and (find := _FINDERS.get(type(array))) is not None:
            if any([type(other) is Batched for other in arrays]):
                continue  # whose rules decide
            result = find(())[1].call(record, arrays, attrs)
            if result is not NOT_RECORDED:
                return result
            break
        if type(array) is Batched:
            from .batching import run_batched  # its rules are built on this module

            return run_batched(record, arrays, attrs)
        if type(array) is Pending and not array.tape.finished:
            if any([type(other) is Batched for other in arrays]):
                continue  # whose rules decide
            result = array.tape.call(record, arrays, attrs)
            if result is not NOT_RECORDED:
                return result
            break
    first = arrays[0]
    if type(first) is ndarray and first.size >= record.large and first.dtype in _COMPILED:
        return run_large(record, arrays, attrs)
    if others:
        arrays = [np.asarray(a) if type(a) is Pending else a for a in arrays]
    return compute(record.impl, arrays, attrs)


def arrays_of(operands: Sequence[Any]) -> list[Any]:
    """The arrays of the tensors among ``operands``, for ``run``: where one of them is pending, all join its recording, which
    then knows who changes them."""
    arrays = [o._array if isinstance(o, Tensor) else o for o in operands]
    for array in arrays:
        if type(array) is Pending and not array.tape.finished and array.tape.thread == get_ident():
            for operand in operands:
                if isinstance(operand, Tensor) and type(operand._array) not in (Pending, Batched):
                    array.tape.adopt(operand)
            return [o._array if isinstance(o, Tensor) else o for o in operands]
    return arrays


def held(tensor: Tensor) -> Tensor:
    """``tensor``, known to the recording that its array belongs to, if it does."""
    if type(tensor._array) is Pending:
        tensor._array.held_by(tensor)
    return tensor


def _attach_many(
    record: Primitive,
    edges: tuple[Node | None, ...],
    attrs: Any,
    result: tuple[Any, ...],
    saved: Any,
    site: Any,
) -> tuple[Tensor, ...]:
    arrays = tuple([as_array(array) for array in result])
    node = Node(record, edges, arrays[0], saved, attrs, site, None if saved is None else versions_of(saved))
    node.outputs = tuple([(array.shape, array.dtype) for array in arrays])
    tensors: list[Tensor] = []
    limit = len(arrays) if record.differentiable is None else record.differentiable
    for i, array in enumerate(arrays):
        flows = i < limit and array.dtype in INEXACT
        tensor = make_tensor(array, OutputNode(node, i, array) if flows else None)
        tensors.append(tensor if type(array) is ndarray else held(tensor))
    if type(record.saves_output) is tuple:
        outputs = [tensors[i] for i in record.saves_output]
        # With its history a saved result would make a cycle.
        outputs = [tensor if tensor._node is None else alias_of(tensor) for tensor in outputs]
        node.saved = (*(node.saved or ()), *outputs)
        if node.versions is not None:
            node.versions = (*node.versions, *[0 for _ in record.saves_output])
        if site is None:
            node.site = program_site(getframe(2))
    elif record.saves_output:
        # Several results are saved as detached aliases: their histories are not needed for first-order gradients of
        # the operations that save them, and second-order formulas go through the inputs.
        node.attrs = {**attrs, "outputs": tuple([alias_of(tensor) for tensor in tensors])}
    return tuple(tensors)


def _fresh_storage(tensor: Tensor) -> Storage:
    storage = tensor._storage = Storage()
    return storage


def alias_of(tensor: Tensor) -> Tensor:
    """A tensor without history that shares memory and version with ``tensor`` (``detach``)."""
    alias = held(make_tensor(tensor._array))
    storage = tensor._storage
    if storage is None:
        storage = tensor._storage = Storage()
    alias._storage = storage
    return alias


# --- public forms -----------------------------------------------------------------------------------------------------


def named(function: Any, name: str, doc: str | None = None) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "rushlight"
    if doc:
        function.__doc__ = doc
    return function


def unary(record: Primitive, doc: str | None = None) -> Any:
    """The public function of a one-input primitive; its method is ``record.method``."""
    impl, name, differentiable = record.impl, record.name, record.vjp is not None
    keeps_input, saves_output = bool(record.saves), record.saves_output
    large = record.large
    names_site = keeps_input or saves_output
    # The quick path is for the dtypes that the NumPy function keeps.
    any_dtype = record.rule is Rule.KEEP and not record.refuses

    def method(self: Tensor) -> Tensor:
        x = self._array
        if not (x.dtype is F32 or x.dtype is F64 or any_dtype) or type(x) is not ndarray:
            array = None
            if type(x) is Pending and (x.dtype is F32 or x.dtype is F64):
                array = recorded(record, x)
            if array is None:
                return apply(record, (self,))  # type: ignore[no-any-return]
            return attach(record, (self,), {}, array)  # type: ignore[no-any-return]
        try:
            array = impl(x) if x.size < large else run_large(record, (x,), {})
        except FloatingPointReport:
            array = compute(impl, (x,), {})
        except TypeError:  # NumPy has no loop for the dtype: said in PyTorch's words there
            return apply(record, (self,))  # type: ignore[no-any-return]
        if type(array) is not ndarray:
            array = asarray(array)
        edge = self._node
        if edge is None or not differentiable or not grad_enabled() or array.dtype.kind in EXACT_KINDS:
            return make_tensor(array)
        if not names_site:
            return make_tensor(array, Node(record, (edge,), array))
        frame: Any = getframe(1)
        code = frame.f_code
        site = program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
        if keeps_input:
            storage = self._storage
            node = Node(
                record, (edge,), array, (self,), None, site, None if storage is None else (storage.version,)
            )
        else:
            node = Node(record, (edge,), array, None, None, site)
        tensor = make_tensor(array, node)
        if saves_output:
            storage = tensor._storage = Storage()
            node.output = (array, storage, 0)
        return tensor

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        result = method(input)
        if out is None:
            return result
        check_out_overlap(out, input)
        return write_out(out, result, name)

    record.method = named(method, name, doc)
    record.function = named(function, name, doc)
    record.inplace = inplace_form(name, method, keeps_inputs=keeps_input)
    return record.function


def inplace_form(name: str, method: Callable[..., Tensor], *, keeps_inputs: bool = True) -> Any:
    """``x.name_(...)`` from ``x.name(...)``; see ``inplace.overwrite`` for what it does to history."""

    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return overwrite(self, method, args, kwargs, name + "_", keeps_inputs=keeps_inputs)

    return named(inplace, name + "_", f"In-place form of ``{name}``.")


def _wrote_pending(self: Tensor, record: Primitive, x: Any, other: Any) -> bool:
    """``self`` changed in place in a recording, outside of any history; False, and nothing done, for what is not plain."""
    if not (x.dtype is F32 or x.dtype is F64) or 0 in x.strides:
        return False
    if isinstance(other, Tensor):
        y = other._array
        if type(y) is not Pending or y.dtype is not x.dtype or (other._node is not None and grad_enabled()):
            return False
    elif type(other) is float or type(other) is int:
        y = number_array(other, x.dtype)
    else:
        return False
    array = recorded(record, x, y)
    if array is None or array.shape != x.shape or array.dtype is not x.dtype:
        return False
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.changed_by = record.name  # before anything is written: inference tensors may refuse
    x.tape.write(x, array)
    storage.version += 1
    storage.changed_at = program_site()
    return True


_OF_TWO_NUMBERS = ("mul", "div", "floor_divide")


def _number_tensor(number: Any) -> Tensor:
    return make_tensor(number_array(number, natural_dtype(number)))


def _of_two(record: Primitive, x: Array, y: Array) -> Any:
    """``record`` on operands that may be large, or whose result may be: they broadcast."""
    size, other = x.size, y.size
    if size < record.large and size > 1 and other > 1 and x.shape != y.shape:
        long, short = (x.shape, y.shape) if x.ndim >= y.ndim else (y.shape, x.shape)
        lead = len(long) - len(short)
        size = 1
        for position, extent in enumerate(long):
            if position >= lead and extent == 1:
                extent = short[position - lead]
            size *= extent
    if size < record.large and other < record.large:
        return record.impl(x, y)
    return run_large(record, (x, y), {})


def binary(record: Primitive, doc: str | None = None, *, float_only: bool = False) -> Any:
    """The two-operand function of a pointwise primitive, with quick paths for tensors of one dtype and for numbers.

    ``float_only``: the quick path takes floating-point operands alone (division of integers changes dtype).
    """
    impl, name, differentiable = record.impl, record.name, record.vjp is not None
    kept = dict(record.saves)
    a_for_a, a_for_b = 0 in kept.get(0, ()), 1 in kept.get(0, ())
    b_for_a, b_for_b = 0 in kept.get(1, ()), 1 in kept.get(1, ())
    saves_any, saves_output = bool(record.saves), record.saves_output
    large = record.large
    any_dtype = not float_only
    plain = not record.refuses  # of what ``check`` may say, nothing is about floats
    commutes = name in ("add", "mul")  # as PyTorch, whose node has the tensor first then
    reflected_name = "RsubBackward1" if name == "sub" else None

    def operator(self: Tensor, other: Any) -> Any:
        x = self._array
        tensors = isinstance(other, Tensor)
        if tensors:
            y = other._array
            edge_b = other._node
            if (
                x.dtype is not y.dtype
                or not (any_dtype or x.dtype is F32 or x.dtype is F64)
                or type(x) is not ndarray
                or type(y) is not ndarray
            ):
                if (
                    type(x) is Pending is type(y)
                    and x.dtype is y.dtype
                    and (x.dtype is F32 or x.dtype is F64)
                ):
                    array = recorded(record, x, y)
                    if array is not None:
                        return attach(record, (self, other), {}, array)
                return apply(record, (self, other))
        elif type(x) is not ndarray and is_number(other):
            if type(x) is Pending and (x.dtype is F32 or x.dtype is F64) and type(other) is not complex:
                array = recorded(record, x, number_array(other, x.dtype))
                if array is not None:
                    return attach(record, (self, other), {}, array)
            return apply(record, (self, other))
        elif (type(other) is float or type(other) is int) and (x.dtype is F32 or x.dtype is F64):
            y = asarray(other, x.dtype)
            edge_b = None
        elif type(other) is int and x.dtype is I64 and any_dtype and -INT64_END <= other < INT64_END:
            y = asarray(other, I64)
            edge_b = None
        elif is_number(other):
            return apply(record, (self, other))
        else:
            return NotImplemented  # as an operator, the other type's reflected form is tried next
        try:
            # The product bounds the result's size from above (but for operands without elements), whatever is broadcast.
            array = impl(x, y) if x.size * y.size < large else _of_two(record, x, y)
        except FloatingPointReport:
            array = compute(impl, (x, y), {})
        except ValueError:
            broadcast_shape(x.shape, y.shape)
            raise
        except TypeError:  # NumPy has no loop for the dtype: said in PyTorch's words there
            return apply(record, (self, other))
        if type(array) is not ndarray:
            array = asarray(array)
        edge_a = self._node
        if (edge_a is None and edge_b is None) or not differentiable or not grad_enabled():
            return make_tensor(array)
        if not saves_any:
            node = Node(record, (edge_a, edge_b), array)
        else:
            frame: Any = getframe(1)
            code = frame.f_code
            node = Node(
                record,
                (edge_a, edge_b),
                array,
                (
                    self if (a_for_b and edge_b is not None) or (a_for_a and edge_a is not None) else None,
                    other if (b_for_a and edge_a is not None) or (b_for_b and edge_b is not None) else None,
                ),
                None,
                program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti),
            )
            storage_a, storage_b = self._storage, other._storage if tensors else None
            if storage_a is not None or storage_b is not None:
                node.versions = (
                    0 if storage_a is None else storage_a.version,
                    0 if storage_b is None else storage_b.version,
                )
        tensor = make_tensor(array, node)
        if saves_output:
            storage = tensor._storage = Storage()
            node.output = (array, storage, 0)
        return tensor

    def method(self: Tensor, other: Any) -> Tensor:
        result = operator(self, other)
        if result is NotImplemented:
            raise TypeError(
                f"{name}(): argument 'other' (position 1) must be Tensor or number, not {type(other).__name__}"
            )
        return result  # type: ignore[no-any-return]

    def reflected(self: Tensor, other: Any) -> Any:
        x = self._array
        if (
            (type(other) is float or type(other) is int)
            and (x.dtype is F32 or x.dtype is F64)
            and type(x) is ndarray
            and plain
            and x.size < large
        ):
            number = asarray(other, x.dtype)
            try:
                array = impl(number, x)
            except FloatingPointReport:
                array = compute(impl, (number, x), {})
            except TypeError:  # NumPy has no loop for the dtype: said in PyTorch's words there
                return apply(record, (other, self))
            result = attach(record, (self, other) if commutes else (other, self), {}, array)
            return result if reflected_name is None else known_as(result, reflected_name)
        if is_number(other):
            result = apply(record, (self, other) if commutes and type(x) is ndarray else (other, self))
            return result if reflected_name is None else known_as(result, reflected_name)
        return apply(record, (other, self)) if isinstance(other, Tensor) else NotImplemented

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        if isinstance(input, Tensor):
            result = method(input, other)
        elif isinstance(other, Tensor) and input is not None:
            result = apply(record, (input, other))
        elif name in _OF_TWO_NUMBERS and is_number(input) and is_number(other):
            result = apply(record, (_number_tensor(input), _number_tensor(other)))
        else:
            raise TypeError(
                f"{name}(): expected a Tensor, got {type(input).__name__} and {type(other).__name__}"
            )
        if out is None:
            return result
        check_out_overlap(out, input, other)
        return write_out(out, result, name)

    def inplace(self: Tensor, other: Any) -> Tensor:
        x = self._array
        if (self._node is None or not grad_enabled()) and type(x) is ndarray:
            if isinstance(other, Tensor):
                y = other._array
                usable = (
                    x.dtype is y.dtype
                    and type(y) is ndarray
                    and (any_dtype or x.dtype is F32 or x.dtype is F64)
                    and (other._node is None or not grad_enabled())
                )
            else:
                kind = x.dtype
                usable = ((type(other) is float or type(other) is int) and (kind is F32 or kind is F64)) or (
                    kind is I64 and any_dtype and type(other) is int and -INT64_END <= other < INT64_END
                )
                y = asarray(other, kind) if usable else x
            if usable and x.ndim >= y.ndim and 0 not in x.strides:
                storage = self._storage
                if storage is None:
                    storage = self._storage = Storage()
                elif isinstance(other, Tensor) and other._storage is storage and other is not self:
                    check_partial_overlap(x, y)
                storage.changed_by = name  # before anything is written: inference tensors may refuse
                try:
                    impl(x, y, x)
                except FloatingPointReport:
                    pass  # reported after the whole array was written
                except ValueError:
                    check_inplace_shape(x.shape, y.shape)
                    raise
                except TypeError:  # NumPy has no loop for the dtype: said in PyTorch's words there
                    return overwrite(self, method, (other,), {}, name + "_", keeps_inputs=saves_any)
                storage.version += 1
                frame: Any = getframe(1)
                code = frame.f_code
                storage.changed_at = (
                    program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
                )
                return self
        if not isinstance(other, Tensor) and not is_number(other):
            return NotImplemented  # type: ignore[no-any-return]
        if type(x) is Pending and (self._node is None or not grad_enabled()):
            storage = self._storage
            if storage is not None and getattr(other, "_storage", None) is storage and other is not self:
                check_partial_overlap(x, other._array)
            if _wrote_pending(self, record, x, other):
                return self
        return overwrite(self, method, (other,), {}, name + "_", keeps_inputs=saves_any)

    record.method = named(method, name, doc)
    record.function = named(function, name, doc)
    record.inplace = named(
        inplace if isinstance(impl, np.ufunc) else inplace_form(name, method), name + "_", doc
    )
    function.operator = operator  # type: ignore[attr-defined]
    function.reflected = reflected  # type: ignore[attr-defined]
    return function


__all__ = [
    "FLOATS",
    "alias_of",
    "apply",
    "attach",
    "binary",
    "check_tensors",
    "common_dtype",
    "compute",
    "inplace_form",
    "is_number",
    "named",
    "not_implemented",
    "number_array",
    "type_name",
    "unary",
    "write_out",
]
