# ruff: noqa: E501 - a table reads better with one call on a line
"""Calls of primitives' records, as a recording holds them: ``name: [(arguments, parameters)]``, where an argument is an
array or a literal. Floating-point arrays are also tried in the other floating dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.ops.define import PRIMITIVES

A = np.array([[0.3, -1.2, 0.7], [1.6, 0.45, -0.8]], np.float32)
B = np.array([[1.1, 0.9, -0.6], [-0.45, 2.2, 0.35]], np.float32)
ROW = np.array([0.5, -0.25, 1.5], np.float32)
POSITIVE = np.array([[0.3, 1.2, 2.7], [0.6, 0.45, 1.8]], np.float32)
UNIT = np.array([[0.3, 0.2, 0.7], [0.6, 0.45, 0.85]], np.float32)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -2.5, 0.5], np.float32)
CUBE = (np.arange(24.0, dtype=np.float32) / 10 - 1.0).reshape(2, 3, 4)
MASK = np.array([[True, False, True], [False, True, False]])
INTS = np.array([[3, -2, 0], [7, 5, -6]])
BYTES = np.array([[3, 2, 0], [7, 5, 250]], np.uint8)
SCALAR = np.array(0.35, np.float32)
WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)
TARGET = np.array([2, 0])

Call = tuple[tuple[Any, ...], dict[str, Any]]


def calls(*argument_sets: tuple[Any, ...], **parameters: Any) -> list[Call]:
    return [(arguments, parameters) for arguments in argument_sets]


def _region(name: str, **attrs: Any) -> list[Call]:
    return [((CUBE,), attrs)]


_UNARY = {
    "exp": (A, SPECIAL), "expm1": (A, SPECIAL), "exp2": (A,), "log": (POSITIVE, SPECIAL), "log2": (POSITIVE,),
    "log10": (POSITIVE,), "log1p": (POSITIVE, SPECIAL), "sqrt": (POSITIVE, SPECIAL), "sin": (A,), "cos": (A,), "tan": (A,),
    "asin": (UNIT,), "acos": (UNIT,), "atan": (A, SPECIAL), "sinh": (A,), "cosh": (A,), "tanh": (A, SPECIAL), "asinh": (A,),
    "acosh": (POSITIVE + 1.1,), "atanh": (UNIT,), "sigmoid": (A, SPECIAL, SCALAR), "floor": (A, INTS, SPECIAL),
    "ceil": (A, INTS), "round": (A, INTS, np.array([0.5, 1.5, -0.5, 2.5], np.float32)), "trunc": (A, INTS),
    "abs": (A, INTS, BYTES, SPECIAL), "sgn": (A, INTS, MASK, SPECIAL), "erf": (A, SPECIAL), "erfc": (A, SPECIAL),
    "neg": (A, INTS, SPECIAL), "reciprocal": (A, SPECIAL), "relu": (A, INTS, SPECIAL), "bitwise_not": (INTS, MASK),
    "clone": (A, INTS), "contiguous": (A, SCALAR), "alias": (A,), "conj": (A,), "entr": (POSITIVE, SPECIAL),
}  # fmt: skip
_PAIRS = [(A, B), (A, ROW), (A[:, :1].copy(), SCALAR), (SPECIAL, SPECIAL[::-1].copy())]
_INT_PAIRS = [(INTS, INTS[::-1].copy()), (BYTES, BYTES[::-1].copy())]
_BINARY = {
    "add": _PAIRS + _INT_PAIRS + [(MASK, ~MASK)], "sub": _PAIRS + _INT_PAIRS, "mul": _PAIRS + _INT_PAIRS + [(MASK, ~MASK)],
    "div": _PAIRS, "maximum": _PAIRS + _INT_PAIRS, "minimum": _PAIRS + _INT_PAIRS, "eq": _PAIRS + _INT_PAIRS,
    "ne": _PAIRS, "lt": _PAIRS + _INT_PAIRS, "le": _PAIRS, "gt": _PAIRS, "ge": _PAIRS + _INT_PAIRS,
    "bitwise_and": [*_INT_PAIRS, (MASK, ~MASK)], "bitwise_or": [*_INT_PAIRS, (MASK, ~MASK)], "bitwise_xor": [(MASK, MASK), *_INT_PAIRS],
    "bitwise_left_shift": [(INTS, np.abs(INTS) + 60)], "bitwise_right_shift": [(INTS, np.abs(INTS) + 60), (INTS, -INTS)],
    "floor_divide": [(A, B), (INTS, np.array(3)), (INTS, np.array(0) + 4)], "remainder": [(A, B), (INTS, np.array(-3))],
    "fmod": [(A, B), (INTS, np.array(3))], "copysign": _PAIRS, "atan2": _PAIRS, "heaviside": [(A, B), (INTS, INTS)],
    "xlogy": [(A, POSITIVE), (SPECIAL, SPECIAL[::-1].copy())], "xlog1py": [(A, POSITIVE)], "logaddexp": _PAIRS,
    "logaddexp2": [(A, B)], "pow": [(POSITIVE, B), (POSITIVE, ROW), (INTS, np.array(3))], "dropout": [(A, POSITIVE)],
}  # fmt: skip
_AXES: list[dict[str, Any]] = [
    {"axis": None, "keepdims": False}, {"axis": (1,), "keepdims": False}, {"axis": (0, 2), "keepdims": True},
    {"axis": (0,), "keepdims": False}, {"axis": (2,), "keepdims": True},
]  # fmt: skip
_INT_CUBE = (CUBE * 10).astype(np.int64)


def _reductions(*arrays: Any, extra: tuple[dict[str, Any], ...] = ({},)) -> list[Call]:
    return [((x,), {**way, **more}) for x in arrays for way in _AXES for more in extra]


CALLS: dict[str, list[Call]] = {
    **{name: [((x,), {}) for x in arrays] for name, arrays in _UNARY.items()},
    **{name: [(pair, {}) for pair in pairs] for name, pairs in _BINARY.items()},
    "where": calls((MASK, A, B), (MASK, A, SCALAR), (MASK[0].copy(), A, B), (MASK, INTS, INTS.T.reshape(2, 3))),
    "masked_fill": calls((A, SCALAR, MASK), (A, SCALAR, MASK[0].copy())),
    "isclose": [((A, B), {"rtol": r, "atol": 0.1, "equal_nan": n}) for r in (0.0, 0.5) for n in (True, False)],
    "clamp": calls((A, -0.5, 1.0), (A, None, 0.5), (A, B - 1, B + 1), (INTS, -1, 4)),
    "hardtanh": calls((A, -0.5, 1.0)),
    "leaky_relu": calls((A,), (SPECIAL,), slope=0.1),
    "elu": calls((A,), (SPECIAL,), alpha=1.5, scale=1.1, input_scale=0.9),
    "softplus": calls((A,), (SPECIAL,), beta=2.0, threshold=20.0),
    "logit": calls((UNIT,), eps=None) + calls((UNIT,), eps=0.25),
    "div_rounded": calls((A, B), rounding_mode="floor") + calls((A, B), rounding_mode="trunc"),
    "pow_number": [((POSITIVE, e), {}) for e in (2, 3, 1, 0.5, -1, -2, -0.5, 1.7, 4)] + [((INTS, 3), {}), ((INTS, 2), {})],
    "to_copy": [
        ((x,), {"dtype": np.dtype(t)})
        for x in (A * 100, INTS, MASK, BYTES)
        for t in (np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_, np.float16)
    ],
    "sum": _reductions(CUBE, _INT_CUBE), "mean": _reductions(CUBE), "prod": _reductions(CUBE, _INT_CUBE),
    "all": _reductions(CUBE > 0, CUBE), "any": _reductions(CUBE > 1, CUBE), "max": _reductions(CUBE, _INT_CUBE),
    "min": _reductions(CUBE), "amax": _reductions(CUBE), "amin": _reductions(CUBE, _INT_CUBE),
    "count_nonzero": [((_INT_CUBE,), {"axis": axis}) for axis in (None, (1,), (0, 2))],
    "max_dim": [((x,), {"dim": d, "keepdims": k}) for x in (CUBE, -CUBE, np.round(CUBE), _INT_CUBE) for d, k in ((1, False), (2, True))],
    "min_dim": [((x,), {"dim": d, "keepdims": k}) for x in (CUBE, np.round(CUBE)) for d, k in ((0, False), (2, True))],
    "argmax": [((x,), {"dim": d, "keepdims": False}) for x in (CUBE, SPECIAL[None, None]) for d in (None, 2, 0)],
    "argmin": [((x,), {"dim": d, "keepdims": False}) for x in (CUBE, SPECIAL[None, None]) for d in (None, 2, 0)],
    "softmax": [((CUBE,), {"dim": d}) for d in (0, 1, 2)], "log_softmax": [((CUBE,), {"dim": d}) for d in (0, 1, 2)],
    "logsumexp": [((CUBE,), {"axis": a, "keepdims": k}) for a, k in (((1,), False), ((0, 2), True))],
    "var": _reductions(CUBE, extra=({"correction": 1}, {"correction": 0.5})), "std": _reductions(CUBE, extra=({"correction": 1},)),
    "linalg_vector_norm": _reductions(CUBE, extra=tuple([{"ord": o} for o in (2, 1, 0, 3, np.inf, -np.inf)]))[6:],
    # movement
    "view": calls((CUBE,), shape=(4, 6)), "reshape": calls((CUBE,), shape=(24,)),
    "squeeze": calls((CUBE[:, :1].copy(),), shape=(2, 4)), "unsqueeze": calls((CUBE,), shape=(2, 3, 1, 4)),
    "permute": calls((CUBE,), dims=(2, 0, 1)), "transpose": calls((CUBE,), dim0=0, dim1=2), "t": calls((A,)),
    "slice": calls((CUBE,), index=(slice(None), slice(0, 2))) + calls((CUBE,), index=(slice(None), slice(None, None, 2))),
    "select": calls((CUBE,), index=(slice(None), 1, ...)), "expand": calls((CUBE[:, None],), shape=(2, 5, 3, 4)),
    "unbind": calls((CUBE,), index=(slice(None), 1)), "split": calls((CUBE,), index=(slice(None), slice(1, 3))),
    "split_with_sizes": calls((CUBE,), index=(slice(None), slice(1, 3))),
    "with_new_dimension": calls((CUBE,), index=(slice(None), None)), "unfold": calls((CUBE,), dim=2, size=2, step=1),
    "as_strided": calls((CUBE,), size=(2, 2), stride=(1, 2), offset=3), "diagonal": calls((CUBE,), offset=1, dim1=1, dim2=2),
    "slice_backward": calls((CUBE[:, :2].copy(),), shape=(2, 3, 4), index=(slice(None), slice(0, 2))),
    "embed_view": calls((CUBE[:, 0, :2].copy(),), shape=(2, 3, 2), record=PRIMITIVES["diagonal"], attrs={"offset": -1, "dim1": 1, "dim2": 2}),
    "copy": calls((CUBE, ROW[:, None].copy()), (A, B)), "overwritten": calls((CUBE, SCALAR)),
    "copy_slices": calls((CUBE, CUBE[:, 1] * 2), chain=((PRIMITIVES["select"], {"index": (slice(None), 1)}),), strides=None),
    "cat": calls((CUBE, CUBE[:, :1] + 1), (CUBE, CUBE, CUBE), dim=1) + calls((CUBE, CUBE[:1]), dim=0),
    "stack": calls((A, B, A), dim=1), "flip": calls((CUBE,), dims=(0, 2)), "roll": calls((CUBE,), shifts=(1, -2), dims=(1, 2)),
    "tril": calls((CUBE,), diagonal=0) + calls((A,), diagonal=-1), "triu": calls((CUBE,), diagonal=1),
    "constant_pad_nd": calls((CUBE,), pads=((0, 0), (1, 2), (-1, 3)), value=0.5) + calls((CUBE,), pads=((1, 0), (0, 0), (0, 0)), value=0),
    "untracked_view": calls((A,)), "function_view": calls((A,), function="f", output=0),
    # products
    "mm": calls((A, B.T.copy())), "mm_nt": calls((A, B)), "mm_tn": calls((A, B)), "bmm": calls((CUBE, CUBE.swapaxes(1, 2).copy())),
    "mv": calls((A, ROW)), "dot": calls((ROW, ROW)), "addmm": calls((A, A[:, :2].copy(), B), beta=0.5, alpha=2) + calls((ROW, A[:, :2].copy(), B), beta=1, alpha=1),
    "addmv": calls((A[:, 0].copy(), A, ROW), beta=0.5, alpha=2), "baddbmm": calls((CUBE[:, :, :3].copy(), CUBE, CUBE.swapaxes(1, 2).copy()), beta=2.0, alpha=0.5),
    "linear": calls((ROW[:2].copy(), A, B), (None, A, B), (ROW, CUBE, CUBE[0])),
    # losses and normalisation
    "mse_loss": [((A, B), {"reduction": r}) for r in ("mean", "sum", "none")],
    "binary_cross_entropy": calls((UNIT, UNIT[::-1].copy())),
    "binary_cross_entropy_with_logits": [((A, UNIT, w, p), {"reduction": r}) for w in (None, ROW) for p in (None, POSITIVE[0].copy()) for r in ("mean", "none")],
    "nll_loss": [((A, t, w), {"reduction": r, "ignore_index": -100}) for w in (None, WEIGHTS) for r in ("mean", "sum", "none") for t in (TARGET, np.array([-100, 1]))],
    "cross_entropy_loss": [((A, t, w), {"reduction": r, "ignore_index": -100}) for w in (None, WEIGHTS) for r in ("mean", "sum", "none") for t in (TARGET, np.array([-100, 1]))]
    + [((CUBE, np.array([[0, 1, 2, 2], [1, 1, 0, 0]]), None), {"reduction": "mean", "ignore_index": 1})],
    "nll_loss_backward": [((SCALAR, TARGET, w), {"reduction": "mean", "ignore_index": -100, "shape": (2, 3)}) for w in (None, WEIGHTS)]
    + [((ROW[:2].copy(), TARGET, None), {"reduction": "none", "ignore_index": 0, "shape": (2, 3)})],
    "cross_entropy_loss_backward": [((SCALAR, POSITIVE, POSITIVE.sum(1), TARGET, w), {"reduction": "mean", "ignore_index": -100, "shape": (2, 3)}) for w in (None, WEIGHTS)],
    "normalize": [
        ((CUBE**3, w, b), {"kind": "X", "columns": c, "positions": p, "rows": r, "eps": 1e-5})
        for c, p, r in ((12, 1, 12), (4, 1, 4), (3, 4, None), (3, 4, 4), (3, 4, 12))
        for w, b in ((None, None), (np.linspace(1, 2, c, dtype=np.float32), np.linspace(0, 1, c, dtype=np.float32)))
    ],
    "normalize_gradient": [
        ((CUBE**2, CUBE**3, np.linspace(0, 1, n, dtype=np.float32), np.linspace(1, 2, n, dtype=np.float32), w), {"columns": c, "positions": p, "rows": r})
        for c, p, r, n in ((12, 1, 12, 2), (4, 1, 4, 6), (3, 4, None, 3), (3, 4, 4, 6), (3, 4, 12, 2))
        for w in (None, np.linspace(1, 2, c, dtype=np.float32))
    ],
    "scale_and_shift": calls((CUBE, ROW, None), (CUBE, ROW, ROW + 1), columns=3, positions=4),
}  # fmt: skip
