"""Eager operations on large arrays as compiled kernels.

NumPy computes pointwise operations on one core, its float32 ``exp`` and ``tanh`` are slow without AVX-512, and an operation of
several steps (softmax, layer norm, gelu) makes a pass over memory for each. From a measured size on an operation therefore
runs as a compiled program of the same record, that is, of the same formula. The first call of its kind is NumPy's, so that
operations that happen once are never compiled; a kind that the compiler has no kernel for stays NumPy's.
"""

from __future__ import annotations

import _thread
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np

from ..core.dtypes import BF16
from ..core.native_draws import LOADERS, NativeDraws
from ..ir.graph import Graph, Kind, Node, Output
from .programs import native_program

ndarray = np.ndarray
NEVER: Final = 1 << 62
_KEPT: Final = 1024


def _numpy_has_vector_functions() -> bool:
    """Whether NumPy computes the functions of float32 in vectors: with AVX-512 it does."""
    import sys

    umath = sys.modules.get("numpy._core._multiarray_umath")
    return bool(getattr(umath, "__cpu_features__", {}).get("AVX512_SKX"))


# From how many elements on a kernel of ours is faster than NumPy, measured on Zen 4 with NumPy 2.4.
_TRANSCENDENTAL: Final = 32_768 if _numpy_has_vector_functions() else 8_192
_IN_FLOAT64: Final = NEVER if _numpy_has_vector_functions() else 8_192  # ours is; theirs then is not
_COMPOSITE: Final = 2_048
_WINDOWS: Final = 4_096
_ARITHMETIC: Final = 131_072
LARGE_FROM: Final[dict[str, int]] = {
    **dict.fromkeys(
        ("exp", "expm1", "exp2", "log", "log1p", "sin", "cos", "asin", "acos", "atan", "tanh"), _TRANSCENDENTAL
    ),
    **dict.fromkeys(
        ("log2", "log10", "tan", "sinh", "cosh", "asinh", "acosh", "atanh", "atan2", "pow", "pow_number"),
        _IN_FLOAT64,
    ),
    **dict.fromkeys(("clamp", "maximum", "minimum"), 16_384),
    **dict.fromkeys(("amax", "amin"), 65_536),
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
            "convolution", "convolution_input_gradient", "convolution_weight_gradient", "avg_pool", "avg_pool_gradient",
            "adaptive_avg_pool", "adaptive_avg_pool_gradient", "max_pool", "max_pool_gradient", "max_pool_gather",
            "lstm_layer", "lstm_layer_gradient", "gru_layer", "gru_layer_gradient", "rnn_layer", "rnn_layer_gradient",
        ),
        _WINDOWS,
    ),
    **dict.fromkeys(
        (
            "add", "sub", "mul", "div", "neg", "abs", "sqrt", "reciprocal", "relu", "where",
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
    """What is known of one kind of call: its program, once it has been seen twice, and the types of its results."""

    __slots__ = ("program", "several", "types")

    def __init__(self, results: tuple[Any, ...], several: bool) -> None:
        self.program: Any = None
        self.several = several
        self.types = [(result.shape, result.dtype) for result in results]


_kinds: OrderedDict[Any, Any] = OrderedDict()
_lock = _thread.allocate_lock()


def run_large(record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """``record.impl(*arrays, **attrs)``, by a compiled kernel where there is one for this kind of call."""
    try:
        key = (
            record.name,
            tuple([(a.shape, a.dtype) if type(a) is ndarray else (type(a), a) for a in arrays]),
            tuple(attrs.items()) if attrs else (),
        )
        known = _kinds.get(key)
    except TypeError:  # a parameter that can't be compared
        return _by_numpy(record, arrays, attrs)
    if known is None:
        result = _by_numpy(record, arrays, attrs)
        several = type(result) is tuple
        results = result if several else (result,)
        if all(
            [type(r) is ndarray and (r.dtype.kind in "fbi" or r.dtype == BF16) for r in results]
        ) and _suits(arrays):
            _remember(key, _Compiled(results, several))
        return result
    if known is NEVER or not _suits(arrays):
        return _by_numpy(record, arrays, attrs)
    if known.program is None:
        program = _compile(record, arrays, attrs, known)
        if program is None:
            _remember(key, NEVER)
            return _by_numpy(record, arrays, attrs)
        known.program = program
    outs = [np.empty(shape, dtype) for shape, dtype in known.types]
    known.program.run([array for array in arrays if type(array) is ndarray], outs)
    return tuple(outs) if known.several else outs[0]


def _by_numpy(record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    with np.errstate(all="ignore"):
        return record.impl(*arrays, **attrs)


def _suits(arrays: Sequence[Any]) -> bool:
    return all(
        [
            type(a) is not ndarray or (a.flags.c_contiguous and a.dtype.isnative and a.flags.aligned)
            for a in arrays
        ]
    )


def _remember(key: Any, kind: Any) -> None:
    with _lock:
        _kinds[key] = kind
        if len(_kinds) > _KEPT:
            _kinds.popitem(last=False)


def _compile(record: Any, arrays: Sequence[Any], attrs: dict[str, Any], kind: _Compiled) -> Any:
    """A program that is all native code; None if there is none."""
    nodes: list[Node] = []
    literals = []
    for position, array in enumerate(arrays):
        if type(array) is ndarray:
            nodes.append(Node(Kind.INPUT, (), (len(nodes),), array.shape, array.dtype))
        else:
            literals.append((position, array))
    inputs = tuple(range(len(nodes)))
    attributes = (record, tuple(literals), tuple(attrs.items()))
    call = len(nodes)
    if kind.several:
        nodes.append(Node(Kind.CALL, inputs, attributes, cast(Any, None), cast(Any, None)))
        nodes += [Node(Kind.ITEM, (call,), (i,), *type_) for i, type_ in enumerate(kind.types)]
    else:
        nodes.append(Node(Kind.CALL, inputs, attributes, *kind.types[0]))
    outputs = tuple([Output(number, -1) for number in range(call + kind.several, len(nodes))])
    return native_program(lambda: Graph(tuple(nodes), inputs, outputs))
