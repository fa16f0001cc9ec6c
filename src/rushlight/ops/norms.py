"""Norms of vectors and of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.dtypes import F32, F64, INEXACT, LOW_PRECISION, OF_NUMPY, dtype as dtype_class
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.shapes import wrap_dim, wrap_dims
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import apply, compute, is_number, plain_number, type_name
from .linalg import write_exact
from .movement import cast, permute, reshape
from .numpy_names import numpy_names
from .reductions import sum as sum_of
from .spectra import svdvals

Array = NDArray[Any]
ndarray = np.ndarray
grad_enabled = GRAD_MODE.get
add_reduce: Any = np.add.reduce
Dims = int | Sequence[int] | None
_INF = float("inf")


# --- vectors ----------------------------------------------------------------------------------------------------------


def _vector_norm_impl(x: Array, ord: float, axis: tuple[int, ...], keepdims: bool) -> Any:
    if x.dtype in LOW_PRECISION:
        return np.asarray(_vector_norm_impl(x.astype(F32), ord, axis, keepdims)).astype(x.dtype)
    if ord == 2 and x.dtype.kind == "f" and x.size:
        if axis == (x.ndim - 1,) and x.ndim > 1:
            lengths = np.vecdot(x, x)
            np.sqrt(lengths, lengths)
            return lengths[..., None] if keepdims else lengths
        if len(axis) == x.ndim and x.flags.c_contiguous:
            length = _length(x.reshape(-1))
            return np.reshape(length, (1,) * x.ndim) if keepdims else length
    sizes = np.abs(x)
    if ord == 2:
        return np.sqrt(add_reduce(np.square(sizes), axis, None, None, keepdims))
    if ord == 1:
        return add_reduce(sizes, axis, None, None, keepdims)
    if ord == 0:
        return add_reduce(sizes != 0, axis, sizes.dtype, None, keepdims)
    if ord == _INF:
        return np.max(sizes, axis, keepdims=keepdims)
    if ord == -_INF:
        return np.min(sizes, axis, keepdims=keepdims)
    return add_reduce(sizes**ord, axis, None, None, keepdims) ** (1 / ord)


_BLOCK = (
    8192  # elements of one BLAS call: its running totals take few enough addends to be as accurate as NumPy's
)


def _length(x: Array) -> Any:
    return np.sqrt(_sum_of_squares(x))


def _sum_of_squares(x: Array) -> Any:
    if x.size <= _BLOCK:
        return x.dot(x)
    whole = x.size - x.size % _BLOCK
    blocks = x[:whole].reshape(-1, _BLOCK)
    return add_reduce(np.vecdot(blocks, blocks)) + x[whole:].dot(x[whole:])


def _vector_norm_vjp(g: Tensor, node: Node) -> Tensor:
    x: Tensor
    norm: Tensor
    x, norm = node.unpack()
    ord, axis, keepdims = node.attrs["ord"], node.attrs["axis"], node.attrs["keepdims"]
    if not keepdims:
        shape = tuple([1 if i in axis else n for i, n in enumerate(x._array.shape)])
        g, norm = reshape(g, shape), reshape(norm, shape)
    if ord == 0:
        return x * 0
    if ord == 1:
        return x.sgn() * g  # type: ignore[no-any-return]
    at_zero = norm == 0  # there 0 is a subgradient
    if ord == 2:
        return (x / norm).masked_fill(at_zero, 0) * g  # type: ignore[no-any-return]
    if abs(ord) == _INF:
        # The gradient is shared among the elements that have the extreme size.
        extreme = ((x.abs() == norm) | norm.isnan()).to(OF_NUMPY[norm._array.dtype])
        return x.sgn() * extreme * (g / sum_of(extreme, axis, True))  # type: ignore[no-any-return]
    if ord < 1:
        powers = (x.sgn() * x.abs() ** (ord - 1)).masked_fill(x == 0, 0)
        return powers * (g * norm ** (1 - ord))  # type: ignore[no-any-return]
    if ord < 2:
        scale = (g / norm ** (ord - 1)).masked_fill(at_zero, 0)
        return x.sgn() * x.abs() ** (ord - 1) * scale  # type: ignore[no-any-return]
    scale = (g / norm ** (ord - 1)).masked_fill(at_zero, 0)
    return x * x.abs() ** (ord - 2) * scale  # type: ignore[no-any-return]


VECTOR_NORM = Primitive(
    "linalg_vector_norm",
    lambda x, ord, axis, keepdims: np.asarray(_vector_norm_impl(x, ord, axis, keepdims)),
    _vector_norm_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    samples=lambda: [
        ((np.array([[1.0, -2.0], [3.0, 0.5]]),), {"ord": ord, "axis": (0,), "keepdims": False})
        for ord in (0, 0.5, 1, 1.5, 2, 3, _INF, -_INF)
    ],
)


def _ready(x: Tensor, dtype: dtype_class | None, name: str) -> Tensor:
    """``x`` in ``dtype`` if one is asked for; norms are of floats, and never lose precision."""
    have = x._array.dtype
    if have not in INEXACT:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {type_name(have)}"
        )
    if dtype is None:
        return x
    wanted = type_name(dtype.numpy)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {wanted}")
    if (have.kind == "c") != dtype.is_complex:
        kinds = ("complex", "complex") if have.kind == "c" else ("real", "real")
        raise RuntimeError(f"{name}: dtype should be {kinds[0]} for {kinds[1]} inputs, but got {wanted}")
    if have.itemsize > dtype.itemsize:
        raise RuntimeError(
            f"{name}: the dtype of the input ({type_name(have)}) should be convertible without narrowing to the "
            f"specified dtype ({wanted})"
        )
    return cast(x, dtype.numpy)


@numpy_names
def vector_norm(
    input: Tensor,
    ord: Any = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: dtype_class | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``sum(abs(x)**ord)**(1/ord)`` over ``dim`` (None: all); inf and -inf give the extremes, 0 counts nonzeros.

    Complex tensors have real norms. Raises ``RuntimeError`` for integer tensors, and where an empty dimension has no
    such norm.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.vector_norm(torch.tensor([3., 4.]))
        tensor(5.)
    """
    check_tensor_argument("linalg_vector_norm", "input", input)
    check_flag("linalg_vector_norm", "keepdim", keepdim)
    if isinstance(ord, Tensor):
        ord = plain_number("linalg_vector_norm", "ord", ord)
    if not is_number(ord) or isinstance(ord, complex):
        raise TypeError(f"linalg_vector_norm(): argument 'ord' must be Number, not {type(ord).__name__}")
    array = input._array
    if (
        ord == 2
        and dim is None
        and dtype is None
        and out is None
        and not keepdim
        and (array.dtype is F32 or array.dtype is F64)
        and type(array) is ndarray
        and array.flags.c_contiguous
        and array.size
        and (input._node is None or not grad_enabled())
    ):
        return make_tensor(np.asarray(compute(_length, (array.reshape(-1),), {})))
    if dtype is not None or array.dtype not in INEXACT:
        input = _ready(input, dtype, "linalg.vector_norm")
    shape = array.shape
    axis = wrap_dims(dim, len(shape))
    if input._array.size == 0 and (ord < 0 or ord == _INF):
        empty = next((d for d in axis if shape[d] == 0), None)
        if empty is not None:
            where = "an empty tensor" if dim is None or len(axis) == len(shape) else f"the dimension {empty}"
            because = "the" if dim is None or len(axis) == len(shape) else "this dimension is empty and the"
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord:g} norm on {where} because {because} operation does not "
                "have an identity"
            )
    result = apply(VECTOR_NORM, (input,), {"ord": ord, "axis": axis, "keepdims": keepdim})
    return result if out is None else write_exact(out, result)


# --- matrices ---------------------------------------------------------------------------------------------------------


@numpy_names
def matrix_norm(
    input: Tensor,
    ord: Any = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: dtype_class | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A norm of the matrices in two dimensions.

    ``ord``: ``"fro"`` (the root of the sum of squares), ``"nuc"`` (the sum of the singular values), 2 and -2 (the
    greatest and the least one), 1 and -1 (the greatest and the least sum of a column), inf and -inf (of a row).

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.matrix_norm(torch.tensor([[1., 2.], [3., 4.]]), 1)
        tensor(6.)
    """
    check_tensor_argument("linalg_matrix_norm", "input", input)
    check_flag("linalg_matrix_norm", "keepdim", keepdim)
    name = "linalg.matrix_norm"
    ndim = input._array.ndim
    if ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    rows, columns = wrap_dim(dims[0], ndim), wrap_dim(dims[1], ndim)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dims[0]}, {dims[1]})")
    if ord not in ("fro", "nuc") and not (is_number(ord) and abs(ord) in (1, 2, _INF)):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    input = _ready(input, dtype, name)
    if ord == "fro":
        result = vector_norm(input, 2, (rows, columns), keepdim)
    elif ord == "nuc" or abs(ord) == 2:
        if input._array.dtype in LOW_PRECISION:
            raise RuntimeError(
                f"{name}: Low precision dtypes not supported. Got {type_name(input._array.dtype)}"
            )
        others = [d for d in range(ndim) if d not in (rows, columns)]
        values = svdvals(permute(input, (*others, rows, columns)))
        result = sum_of(values, -1) if ord == "nuc" else _extreme(values, -1, False, greatest=ord > 0)
        if keepdim:
            shape = tuple([1 if d in (rows, columns) else n for d, n in enumerate(input._array.shape)])
            result = reshape(result, shape)
    else:
        summed, left = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(input, 1, summed, True)
        result = _extreme(sums, left, True, greatest=ord > 0)
        if not keepdim:
            shape = tuple([n for d, n in enumerate(input._array.shape) if d not in (rows, columns)])
            result = reshape(result, shape)
    return result if out is None else write_exact(out, result)


def _extreme(values: Tensor, dim: int, keepdim: bool, *, greatest: bool) -> Tensor:
    if greatest and values._array.shape[dim] == 0:
        return sum_of(values, dim, keepdim)  # the norm of a matrix without elements is 0
    return values.amax(dim, keepdim) if greatest else values.amin(dim, keepdim)  # type: ignore[no-any-return]


@numpy_names
def linalg_norm(
    input: Tensor,
    ord: Any = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    dtype: dtype_class | None = None,
) -> Tensor:
    """A vector's norm (1-D input, one dimension, or neither ``ord`` nor ``dim``) or a matrix's (2-D, two dimensions).

    See ``linalg.vector_norm`` and ``linalg.matrix_norm`` for ``ord``.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.norm(torch.tensor([[3., 0.], [0., 4.]]), "nuc")
        tensor(7.)
    """
    check_tensor_argument("linalg_norm", "input", input)
    check_flag("linalg_norm", "keepdim", keepdim)
    ndim = input._array.ndim
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if isinstance(ord, str):
        if dims is None and ndim > 2:
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {ndim}D."
            )
        result = matrix_norm(input, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)
    elif ord is None:
        result = vector_norm(input, 2, dims, keepdim, dtype=dtype)
    else:
        if dims is None and ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {ndim}D."
            )
        if (dims is None and ndim == 2) or (dims is not None and len(dims) == 2):
            result = matrix_norm(input, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)
        else:
            result = vector_norm(input, ord, dims, keepdim, dtype=dtype)
    return result if out is None else write_exact(out, result)


METHODS: dict[str, Any] = {}
