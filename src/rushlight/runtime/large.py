"""Eager operations on large arrays as compiled kernels.

NumPy computes pointwise operations on one core, its float32 ``exp`` and ``tanh`` are slow without AVX-512, and an operation of
several steps (softmax, layer norm, gelu) makes a pass over memory for each. From a measured size on an operation therefore
runs as a compiled program of the same record, that is, of the same formula. The first call of its kind is NumPy's, so that
what happens once is never compiled; a kind that the compiler has no kernel for stays NumPy's.

What takes NumPy several steps gains on arrays of any size. On small ones a kernel is used from the hundredth call of a kind,
and only where its results have the bits of NumPy's: a program that does the same twice shall see the same.
"""

from __future__ import annotations

import _thread
import sys
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np

from ..core.dtypes import BF16
from ..core.errors import no_memory
from ..core.native_draws import LOADERS, NativeDraws
from .pending import address
from .programs import native_program
from .zeros import zeros_among_some

ndarray = np.ndarray
empty = np.empty
NEVER: Final = 1 << 62
_KEPT: Final = 1024
# A program takes half a millisecond to make. On a small array it saves some microseconds a call, so that it is made for
# kinds that come again and again.
_SMALL: Final = 2_048
_PATIENCE: Final = 100


def _numpy_has_vector_functions() -> bool:
    """Whether NumPy computes the functions of float32 in vectors: with AVX-512 it does."""
    umath = sys.modules.get("numpy._core._multiarray_umath")
    return bool(getattr(umath, "__cpu_features__", {}).get("AVX512_SKX"))


# From how many elements on a kernel of ours is faster than NumPy, measured on Zen 4 with NumPy 2.4.
_TRANSCENDENTAL: Final = 32_768 if _numpy_has_vector_functions() else 8_192
_IN_FLOAT64: Final = NEVER if _numpy_has_vector_functions() else 8_192  # ours is; theirs then is not
_COMPOSITE: Final = 2_048
_WINDOWS: Final = 4_096
_ARITHMETIC: Final = 131_072
# Which operands' zeros kernels may leave out, from how many elements on a look at them is worth its while, and the shares of
# zeros that are told apart, each with the least share for it: what ReLU makes, and max pooling's gradient.
_WITHOUT_ZEROS: Final[dict[str, tuple[int, ...]]] = {
    "convolution": (0,),
    "convolution_input_gradient": (0,),
    "convolution_weight_gradient": (0, 1),
}
_LOOKED_AT_FROM: Final = 1 << 15
_LEVELS: Final = ((0.8, 0.7), (0.5, 0.4))
LARGE_FROM: Final[dict[str, int]] = {
    **dict.fromkeys(
        ("exp", "expm1", "exp2", "log", "log1p", "sin", "cos", "asin", "acos", "atan", "tanh"), _TRANSCENDENTAL
    ),
    **dict.fromkeys(
        ("log2", "log10", "tan", "sinh", "cosh", "asinh", "acosh", "atanh", "atan2", "pow", "pow_number"),
        _IN_FLOAT64,
    ),
    **dict.fromkeys(("clamp", "relu"), _ARITHMETIC),
    **dict.fromkeys(("maximum", "minimum"), 65_536),
    # The same bits as NumPy's, at any size.
    **dict.fromkeys(
        (
            "max_pool", "max_pool_gradient", "max_pool_gather", "adaptive_max_pool", "avg_pool_gradient",
            "adaptive_avg_pool_gradient", "constant_pad_nd", "embedding_dense_backward", "cummax", "cummin",
        ),
        1,
    ),
    "scatter": 4_096,
    **dict.fromkeys(("amax", "amin"), 8_192),
    # What NumPy computes element by element, or in several passes.
    **dict.fromkeys(
        (
            "sigmoid", "erf", "erfc", "fmod", "remainder", "floor_divide", "logaddexp", "cumsum", "cumprod", "prod", "xlogy",
            "entr", "copysign", "heaviside", "sgn", "isclose", "mse_loss", "tril", "triu", "to_copy",
        ),
        8_192,
    ),
    **dict.fromkeys(
        (
            "softmax", "log_softmax", "logsumexp", "normalize", "normalize_gradient", "scale_and_shift", "elu", "softplus",
            "nll_loss", "leaky_relu", "hardtanh", "binary_cross_entropy_with_logits", "var", "std",
        ),
        _COMPOSITE,
    ),
    **dict.fromkeys(
        (
            "convolution", "convolution_input_gradient", "convolution_weight_gradient", "avg_pool",
            "adaptive_avg_pool",
            "lstm_layer", "lstm_layer_gradient", "gru_layer", "gru_layer_gradient", "rnn_layer", "rnn_layer_gradient",
        ),
        _WINDOWS,
    ),
    **dict.fromkeys(
        (
            "add", "sub", "mul", "div", "neg", "abs", "sqrt", "reciprocal", "where",
            "eq", "ne", "lt", "le", "gt", "ge", "floor", "ceil", "trunc", "round",
        ),
        _ARITHMETIC,
    ),
}  # fmt: skip


def _native_draws() -> NativeDraws | None:
    from .random_kernels import load

    return load()


LOADERS.append(_native_draws)


class _Compiled:
    """What is known of one kind of call: its program, once it has been seen often enough, and the types of its results."""

    __slots__ = ("looked_at", "patience", "plans", "program", "run", "several", "sifting", "types")

    def __init__(self, results: tuple[Any, ...], several: bool, patience: int) -> None:
        self.program: Any = None
        self.run: Any = None
        self.several = several
        self.types = [(result.shape, result.dtype) for result in results]
        self.patience = patience
        # Which arrays may have many zeros, that then are left out; and what does it, by how much is zero and by launches.
        self.looked_at: tuple[int, ...] = ()
        self.sifting: dict[Any, Any] = {}
        self.plans: dict[Any, Any] = {}


_kinds: OrderedDict[Any, Any] = OrderedDict()
_lock = _thread.allocate_lock()


def run_large(record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """``record.impl(*arrays, **attrs)``, by a compiled kernel where there is one for this kind of call."""
    try:
        if len(arrays) == 1:
            first = arrays[0]
            key: Any = (record.name, first.shape, first.dtype, tuple(attrs.items()) if attrs else None)
        else:
            key = (
                record.name,
                tuple([(a.shape, a.dtype) if type(a) is ndarray else (type(a), a) for a in arrays]),
                tuple(attrs.items()) if attrs else None,
            )
        known = _kinds.get(key)
    except TypeError:  # a parameter that can't be compared
        return _by_numpy(record, arrays, attrs)
    if known is NEVER:
        return _by_numpy(record, arrays, attrs)
    if not _suits(arrays):
        return _of_parts(key, record, arrays, attrs)
    if known is None:
        return _first(key, record, arrays, attrs)
    run = known.run
    if run is None:
        if known.patience:
            known.patience -= 1
            return _by_numpy(record, arrays, attrs)
        program = _compile(record, arrays, attrs, known)
        if program is None:
            _remember(key, NEVER)
            return _by_numpy(record, arrays, attrs)
        known.program = program
        run = known.run = program.run
        known.looked_at = _to_be_looked_at(record, arrays)
    elif known.looked_at:
        run = _without_zeros(known, record, arrays, attrs) or run
    if known.several:
        several = [empty(shape, dtype) for shape, dtype in known.types]
        run([array for array in arrays if type(array) is ndarray], several)
        return tuple(several)
    shape, dtype = known.types[0]
    out = empty(shape, dtype)
    run(arrays if len(arrays) == 1 else [array for array in arrays if type(array) is ndarray], (out,))
    return out


def _to_be_looked_at(record: Any, arrays: Sequence[Any]) -> tuple[int, ...]:
    """The positions of arrays whose zeros a kernel may leave out, where the operation is large enough for a look at them."""
    positions: tuple[int, ...] = _WITHOUT_ZEROS.get(record.name, ())
    return positions if positions and arrays[0].size >= _LOOKED_AT_FROM else ()


def _without_zeros(kind: _Compiled, record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """What runs the operation without an array's zeros; None where there are few of them, or no kernel for that."""
    zeros = [0.0] * len(arrays)
    for position in kind.looked_at:
        share = zeros_among_some(arrays[position])
        zeros[position] = next((level for level, least in _LEVELS if share >= least), 0.0)
    if not any(zeros):
        return None
    key = tuple(zeros)
    run = kind.sifting.get(key)
    if run is None:
        run = kind.sifting[key] = _sifting_plan(kind, record, arrays, attrs, key) or False
    return run


def _sifting_plan(
    kind: _Compiled, record: Any, arrays: Sequence[Any], attrs: dict[str, Any], zeros: tuple[float, ...]
) -> Any:
    from ..compiler.kernels import calls_without_zeros
    from ..compiler.launch import Place, Space
    from .eager_plans import plan_of_calls

    operands = [array for array in arrays if type(array) is ndarray]
    types = [(array.shape, array.dtype) for array in operands]
    calls = calls_without_zeros(
        record.name,
        tuple([shape for shape, _ in types]),
        tuple([dtype for _, dtype in types]),
        tuple([shape for shape, _ in kind.types]),
        attrs,
        zeros,
    )
    if calls is None:
        return None
    run = kind.plans.get(
        calls
    )  # other shares of zeros often lead to the same launches, and a plan keeps its memory
    if run is None:
        places = [Place(Space.INPUT, number, 0) for number in range(len(types))]
        run = kind.plans[calls] = plan_of_calls(calls, places, types, kind.types).run
    return run


# PyTorch rounds inside these for float16 and bfloat16, as the impls do and a kernel of the formula does not.
_ROUNDED_IN_STEPS = frozenset({"entr", "log_softmax", "logsumexp", "nll_loss", "xlog1py", "xlogy"})


def _first(key: Any, record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """The first call of a kind: by NumPy, which also tells what the results are like."""
    result = _by_numpy(record, arrays, attrs)
    several = type(result) is tuple
    results = result if several else (result,)
    if record.name in _ROUNDED_IN_STEPS and results[0].dtype.itemsize == 2:
        _remember(key, NEVER)
    elif all([type(r) is ndarray and (r.dtype.kind in "fbi" or r.dtype == BF16) for r in results]):
        small = max([array.size for array in (*arrays, *results) if type(array) is ndarray]) < _SMALL
        _remember(key, _Compiled(results, several, _PATIENCE if small else 0))
    return result


def _of_parts(key: Any, record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """The same where arrays are parts of contiguous ones (``x[:, 1:]``): the program reads those through strides."""
    bases: list[Any] = []
    places: list[Any] = []
    for array in arrays:
        if type(array) is not ndarray:
            places.append(None)
            continue
        place = _place_in_memory(array)
        if place is None:
            return _by_numpy(record, arrays, attrs)
        base, steps, offset = place
        number = next((i for i, known_base in enumerate(bases) if known_base is base), len(bases))
        if number == len(bases):
            bases.append(base)
        places.append((number, base.size, steps, offset))
    key = (key, tuple(places))
    known = _kinds.get(key)
    if known is NEVER:
        return _by_numpy(record, arrays, attrs)
    if known is None:
        result = _by_numpy(record, arrays, attrs)
        fits = type(result) is ndarray and result.flags.c_contiguous and result.dtype.kind in "fbi"
        _remember(key, _Compiled((result,), False, 0) if fits else NEVER)
        return result
    if known.run is None:
        program = _compile(record, arrays, attrs, known, places)
        if program is None:
            _remember(key, NEVER)
            return _by_numpy(record, arrays, attrs)
        known.program, known.run = program, program.run
    shape, dtype = known.types[0]
    out = empty(shape, dtype)
    known.run([base.reshape(-1) for base in bases], (out,))
    return out


def _place_in_memory(array: Any) -> Any:
    """(contiguous array, steps in elements, offset in elements) of a part whose rows are runs of neighbours, in order."""
    if array.flags.c_contiguous:
        from ..ir.graph import contiguous_strides

        base, steps, offset = array, contiguous_strides(array.shape), 0
    else:
        base, item, strides = array.base, array.itemsize, array.strides
        if type(base) is not ndarray or base.dtype is not array.dtype or not base.flags.c_contiguous:
            return None
        if strides[-1] != item or any([step % item or step < item for step in strides]):
            return None
        if any([strides[i] < strides[i + 1] * array.shape[i + 1] for i in range(len(strides) - 1)]):
            return None  # another order of dimensions, in which the result would be, too
        steps = tuple([step // item for step in strides])
        offset, rest = divmod(address(array) - address(base), item)
        if rest:
            return None
    return (base, steps, offset) if base.flags.aligned and base.dtype.isnative else None


def _by_numpy(record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    try:
        return record.impl(*arrays, **attrs)
    except (RuntimeWarning, FloatingPointError):  # the program made errors of NumPy's reports
        with np.errstate(all="ignore"):
            return record.impl(*arrays, **attrs)
    except MemoryError as error:
        raise no_memory(error) from None


def _suits(arrays: Sequence[Any]) -> bool:
    for array in arrays:
        if type(array) is ndarray:
            flags = array.flags
            if not (flags.c_contiguous and flags.aligned and array.dtype.isnative):
                return False
    return True


def _remember(key: Any, kind: Any) -> None:
    with _lock:
        _kinds[key] = kind
        if len(_kinds) > _KEPT:
            _kinds.popitem(last=False)


def _compile(
    record: Any, arrays: Sequence[Any], attrs: dict[str, Any], kind: _Compiled, places: Sequence[Any] = ()
) -> Any:
    """A program that is all native code; None if there is none. ``places``: of each array in an input, by ``_of_parts``."""
    from ..ir.graph import Graph, Kind, Node, Output

    nodes: list[Node] = []
    literals = []
    if places:
        sizes = {
            place[0]: (place[1], array.dtype) for place, array in zip(places, arrays, strict=True) if place
        }
        for number in range(len(sizes)):
            size, dtype = sizes[number]
            nodes.append(Node(Kind.INPUT, (), (number,), (size,), dtype))
    inputs = tuple(range(len(nodes)))
    operands = []
    for position, array in enumerate(arrays):
        if type(array) is not ndarray:
            literals.append((position, array))
            continue
        operands.append(len(nodes))
        if places:
            number, _, steps, offset = places[position]
            nodes.append(Node(Kind.VIEW, (number,), (steps, offset), array.shape, array.dtype))
        else:
            nodes.append(Node(Kind.INPUT, (), (len(nodes),), array.shape, array.dtype))
    inputs = inputs or tuple(operands)
    attributes = (record, tuple(literals), tuple(attrs.items()))
    call = len(nodes)
    if kind.several:
        nodes.append(Node(Kind.CALL, tuple(operands), attributes, cast(Any, None), cast(Any, None)))
        nodes += [Node(Kind.ITEM, (call,), (i,), *type_) for i, type_ in enumerate(kind.types)]
    else:
        nodes.append(Node(Kind.CALL, tuple(operands), attributes, *kind.types[0]))
    outputs = tuple([Output(number, -1) for number in range(call + kind.several, len(nodes))])
    return native_program(lambda: Graph(tuple(nodes), inputs, outputs))
