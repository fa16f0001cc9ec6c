"""Matrix products: of two matrices, of stacks of them, and with vectors.

Two matrices of one float dtype, the case that nearly every call is, go straight to ``ndarray.dot``: it has the least
overhead of NumPy's ways to a product, and hands transposed views to BLAS as they are. Everything else goes through
``apply``. float16 and bfloat16 are multiplied in float32 and rounded once.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import (
    BOOL,
    COMPLEXES,
    F32,
    F64,
    FLOATS,
    INEXACT,
    LOW_PRECISION,
    OF_NUMPY,
    NumpyDType,
    can_cast,
)
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, known_as, versions_of
from ..core.shapes import broadcast_shape, count
from ..core.storage import LIBRARY, program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.gemm import WORTH_ASKING
from ..runtime.large import run_large
from ..runtime.products import product, stacked
from .complex_numbers import conj_of
from .define import Primitive
from .dispatch import FloatingPointReport, apply, attach, compute, type_name, write_out
from .movement import T, reshape, squeeze, t, transpose, unsqueeze, view_of
from .pointwise import MUL, mul

Array = NDArray[Any]
Number = bool | int | float | complex
ndarray = np.ndarray
dot_arrays: Any = np.ndarray.dot
grad_enabled = GRAD_MODE.get
getframe = sys._getframe


# --- what is wrong, in PyTorch's words --------------------------------------------------------------------------------

# Products name dtypes as C++ does in some messages, and as ``torch.FloatTensor`` does in others.
_C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int",
    "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def c_name(dtype: NumpyDType) -> str:
    """The dtype as C++ spells it: ``float``, ``long int``."""
    return _C_NAMES[OF_NUMPY[dtype].name]


def check_operands(name: str, **operands: Any) -> None:
    """``TypeError`` for the first operand that is not a tensor."""
    for position, (operand_name, operand) in enumerate(operands.items(), 1):
        if not isinstance(operand, Tensor):
            raise TypeError(
                f"{name}(): argument '{operand_name}' (position {position}) must be Tensor, "
                f"not {type(operand).__name__}"
            )


def check_not_bool(x: Array, kernel: str) -> None:
    if x.dtype == BOOL:
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")


def _check_mm(x: Array, y: Array) -> None:
    if x.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if y.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    if x.shape[1] != y.shape[0]:
        raise cannot_multiply(x.shape, y.shape)
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {c_name(x.dtype)} != {c_name(y.dtype)}"
        )
    check_not_bool(x, "addmm_impl_cpu_")


def cannot_multiply(a: tuple[int, ...], b: tuple[int, ...]) -> RuntimeError:
    return RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})")


def check_bmm(x: Array, y: Array) -> None:
    for position, array in enumerate((x, y), 1):
        if array.ndim != 3:
            raise RuntimeError(f"batch{position} must be a 3D tensor")
    if y.shape[:2] != (x.shape[0], x.shape[2]):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{x.shape[0]}, {x.shape[2]}] "
            f"but got: [{y.shape[0]}, {y.shape[1]}]."
        )
    check_scalar_types(x, y)
    check_not_bool(x, "bmm")


def check_scalar_types(x: Array, y: Array) -> None:
    if x.dtype != y.dtype:
        raise RuntimeError(f"expected scalar type {type_name(x.dtype)} but found {type_name(y.dtype)}")


def check_mv(shape: tuple[int, ...] | None, x: Array, y: Array, dtype: NumpyDType) -> None:
    """``shape`` and ``dtype``: those of what is added to the product (``mv`` adds nothing)."""
    rank = 1 if shape is None else len(shape)
    if x.ndim != 2 or y.ndim != 1 or rank > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {rank}, {x.ndim}, {y.ndim}")
    extent = x.shape[0] if not shape or shape[0] == 1 else shape[0]
    if x.shape[1] != y.shape[0] or extent != x.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({extent}), mat ({x.shape[0]}x{x.shape[1]}), vec ({y.shape[0]})"
        )
    if not (dtype == x.dtype == y.dtype):
        names = ", ".join([type_name(dtype), type_name(x.dtype)])
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {names}, and {type_name(y.dtype)}"
        )
    check_not_bool(x, "addmv_impl_cpu")


def _check_dot(x: Array, y: Array, kernel: str) -> None:
    if x.ndim != 1 or y.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {x.ndim}D and {y.ndim}D tensors")
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {type_name(x.dtype)} and {type_name(y.dtype)}"
        )
    if x.size != y.size:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{x.size}] and src [{y.size}] to have the same number of "
            f"elements, but got {x.size} and {y.size} elements respectively"
        )
    check_not_bool(x, kernel)


def write_exact(out: Tensor, result: Tensor, name: str = "product") -> Tensor:
    """``out=`` of the products and others that take no other dtype than the result's."""
    if isinstance(out, Tensor) and out._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"Expected out tensor to have dtype {c_name(result._array.dtype)}, "
            f"but got {c_name(out._array.dtype)} instead"
        )
    return write_out(out, result, name)


def check_castable(out: Any, result: Tensor, name: str, noun: str) -> None:
    """``RuntimeError`` where ``out`` is a tensor of a dtype that the result's can't be cast to, like real for complex."""
    if isinstance(out, Tensor) and not can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"{name}: Expected {noun} to be safely castable from {type_name(result._array.dtype)} dtype, but got {noun} with "
            f"dtype {type_name(out._array.dtype)}"
        )


def write_castable(out: Tensor, result: Tensor, name: str, noun: str) -> Tensor:
    """``out=`` of what may be of any dtype that the result's can be cast to."""
    check_castable(out, result, name, noun)
    return write_out(out, result, name)


# --- two matrices -----------------------------------------------------------------------------------------------------


def _mm_impl(x: Array, y: Array) -> Any:
    if x.dtype in LOW_PRECISION:
        return product(x.astype(F32), y.astype(F32)).astype(x.dtype)
    return product(x, y)


def _mm_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    if g._array.dtype in COMPLEXES:
        a, b = None if a is None else conj_of(a), None if b is None else conj_of(b)
    grad_a = None if edge_a is None else mm_nt(g, b)
    if edge_b is None:
        return grad_a, None
    view = node.attrs
    if view:
        # mat2 was a transposed view: this way around its gradient is contiguous for the tensor under the view.
        return grad_a, view_of(T, mm_tn(g, a), {})
    return grad_a, mm_tn(a, g)


def _mm_nt_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    if g._array.dtype not in COMPLEXES:
        return None if edge_a is None else mm(g, b), None if edge_b is None else mm_tn(g, a)
    return (
        None if edge_a is None else mm(g, conj_of(b)),
        None if edge_b is None else mm_tn(g, conj_of(a)),
    )


def _mm_tn_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    if g._array.dtype not in COMPLEXES:
        return None if edge_a is None else mm_nt(b, g), None if edge_b is None else mm(a, g)
    return (
        None if edge_a is None else mm_nt(conj_of(b), g),
        None if edge_b is None else mm(conj_of(a), g),
    )


_EACH_OTHER = ((0, (1,)), (1, (0,)))


def _matrix_samples() -> Any:
    a = np.arange(6, dtype=F64).reshape(2, 3) - 2.5
    yield a, a.T.copy()
    yield a, np.ones((3, 4))
    yield np.ones((2, 0)), np.ones((0, 3))


def _mm_errors() -> Any:
    yield RuntimeError, (np.ones((2, 3)), np.ones((4, 5)))
    yield RuntimeError, (np.ones(3), np.ones((3, 5)))
    yield RuntimeError, (np.ones((2, 3)), np.ones((3, 5), F32))


MM = Primitive(
    "mm",
    lambda x, y, transposed=False: _mm_impl(x, y),
    _mm_vjp,
    saves=_EACH_OTHER,
    samples=_matrix_samples,
    errors=_mm_errors,
)
# The products with one factor transposed, so that gradients of matrix products are closed under differentiation and
# need no views: x @ y.T and x.T @ y.
MM_NT = Primitive(
    "mm_nt", lambda x, y: _mm_impl(x, y.T), _mm_nt_vjp, saves=_EACH_OTHER, grad_name="MmBackward0",
    samples=lambda: [(np.ones((2, 3)), np.ones((4, 3)))],
)  # fmt: skip
MM_TN = Primitive(
    "mm_tn", lambda x, y: _mm_impl(x.T, y), _mm_tn_vjp, saves=_EACH_OTHER, grad_name="MmBackward0",
    samples=lambda: [(np.ones((3, 2)), np.ones((3, 4)))],
)  # fmt: skip
_PLAIN: dict[str, Any] = {}
_TRANSPOSED = {"transposed": True}


def _recorded(record: Primitive, a: Tensor, b: Tensor, array: Array) -> Tensor:
    """The result of a product of ``a`` and ``b`` (at least one needs a gradient), called by the public functions."""
    edge_a, edge_b = a._node, b._node
    frame: Any = getframe(2)
    if frame.f_code.co_filename.startswith(LIBRARY):
        site = program_site(frame)
    else:
        site = (frame.f_code, frame.f_lasti)
    saved = (None if edge_b is None else a, None if edge_a is None else b)
    node = Node(record, (edge_a, edge_b), array, saved, _transposed_attrs(b), site)
    if a._storage is not None or b._storage is not None:
        node.versions = versions_of(saved)
    return make_tensor(array, node)


def _quick(record: Primitive, direct: Any, a: Tensor, b: Tensor) -> Tensor:
    """``apply(record, (a, b))`` for operands that were found to be of one dtype and to go together; ``direct`` is
    what the record does to float32 and float64 arrays."""
    x, y = a._array, b._array
    if (x.dtype is F32 or x.dtype is F64) and type(x) is ndarray is type(y):
        try:
            array = direct(x, y)
        except FloatingPointReport:
            array = compute(direct, (x, y), {})
        if type(array) is not ndarray:
            array = np.asarray(array)
        if (a._node is None and b._node is None) or not grad_enabled():
            return make_tensor(array)
        return _recorded(record, a, b, array)
    return apply(record, (a, b))  # type: ignore[no-any-return]


def _transposed_attrs(b: Tensor) -> dict[str, Any]:
    if b._view is not None:
        flags = b._array.flags
        if flags.f_contiguous and not flags.c_contiguous:
            return _TRANSPOSED
    return _PLAIN


def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices, ``(n, m)`` and ``(m, p)``, of one dtype; no broadcasting (see ``matmul``).

    Raises ``RuntimeError`` where the shapes do not go together or the dtypes differ.

    Example:
        >>> import rushlight as torch
        >>> torch.mm(torch.tensor([[1., 2.]]), torch.tensor([[3.], [4.]]))
        tensor([[11.]])
    """
    try:
        x, y = input._array, mat2._array
    except AttributeError:
        check_operands("mm", input=input, mat2=mat2)
        raise
    dtype = x.dtype
    if (
        (dtype is F32 or dtype is F64)
        and dtype is y.dtype
        and x.ndim == 2 == y.ndim
        and type(x) is ndarray is type(y)
    ):
        try:
            array = x.dot(y) if x.size < WORTH_ASKING else product(x, y)
        except FloatingPointReport:
            array = compute(_mm_impl, (x, y), {})
        except ValueError:
            _check_mm(x, y)
            raise
        if (input._node is None and mat2._node is None) or not grad_enabled():
            result = make_tensor(array)
        else:
            result = _recorded(MM, input, mat2, array)
    else:
        _check_mm(x, y)
        result = apply(MM, (input, mat2), _transposed_attrs(mat2))
    return result if out is None else write_exact(out, result)


def mm_nt(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b.T`` of two matrices."""
    x, y = a._array, b._array
    if (
        not grad_enabled()
        and x.dtype is y.dtype
        and (x.dtype is F32 or x.dtype is F64)
        and type(x) is ndarray is type(y)
    ):
        try:
            return make_tensor(x.dot(y.T) if x.size < WORTH_ASKING else product(x, y.T))
        except (*FloatingPointReport, ValueError):
            pass  # the general way silences the one and explains the other
    return apply(MM_NT, (a, b))  # type: ignore[no-any-return]


def mm_tn(a: Tensor, b: Tensor) -> Tensor:
    """``a.T @ b`` of two matrices."""
    x, y = a._array, b._array
    if (
        not grad_enabled()
        and x.dtype is y.dtype
        and (x.dtype is F32 or x.dtype is F64)
        and type(x) is ndarray is type(y)
    ):
        try:
            return make_tensor(x.T.dot(y) if x.size < WORTH_ASKING else product(x.T, y))
        except (*FloatingPointReport, ValueError):
            pass
    return apply(MM_TN, (a, b))  # type: ignore[no-any-return]


# --- stacks of matrices -----------------------------------------------------------------------------------------------


def _bmm_impl(x: Array, y: Array) -> Any:
    if x.dtype in LOW_PRECISION:
        return _stacked(x.astype(F32), y.astype(F32)).astype(x.dtype)
    return _stacked(x, y)


def _stacked(x: Array, y: Array) -> Any:
    if y.ndim == 2 and x.ndim > 2:
        # One matrix for all of them: a single product, for which BLAS needs one call instead of one for each matrix.
        lead = x.shape[:-1]
        return product(x.reshape(count(lead), y.shape[0]), y).reshape((*lead, y.shape[1]))
    return np.matmul(x, y) if x.size < WORTH_ASKING else stacked(x, y)


def rows_of(tensor: Tensor) -> Tensor:
    """``tensor`` as a matrix whose rows are its last dimension."""
    array = tensor._array
    if array.ndim == 2:
        return tensor
    shape = array.shape
    return reshape(tensor, (count(shape[:-1]), shape[-1]))


def mT_of(tensor: Tensor) -> Tensor:
    """The matrices of ``tensor`` transposed."""
    return transpose(tensor, -2, -1)


def mH_of(tensor: Tensor) -> Tensor:
    """The matrices of ``tensor`` transposed and conjugated."""
    return conj_of(transpose(tensor, -2, -1))  # type: ignore[no-any-return]


def _bmm_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    grad_a = grad_b = None
    if edge_a is not None:
        grad_a = batched(g, mH_of(b))
    if edge_b is not None:
        if len(edge_b.shape) == 2:
            grad_b = mm_tn(rows_of(conj_of(a)), rows_of(g))
        else:
            grad_b = batched(mH_of(a), g)
    return grad_a, grad_b


def _bmm_samples() -> Any:
    yield np.ones((2, 3, 4)), np.ones((2, 4, 2))
    yield np.ones((2, 3, 4)), np.ones((4, 2))
    yield np.ones((2, 1, 3, 4)), np.ones((3, 4, 2))


BMM = Primitive("bmm", _bmm_impl, _bmm_vjp, saves=_EACH_OTHER, samples=_bmm_samples)


def batched(a: Tensor, b: Tensor) -> Tensor:
    """The products of the matrices in the last two dimensions; the leading dimensions broadcast."""
    return mm(a, b) if a._array.ndim == 2 == b._array.ndim else _quick(BMM, _stacked, a, b)


def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of two stacks of matrices, ``(b, n, m)`` and ``(b, m, p)``; no broadcasting (see ``matmul``).

    Example:
        >>> import rushlight as torch
        >>> torch.bmm(torch.ones(3, 2, 4), torch.ones(3, 4, 5)).shape
        torch.Size([3, 2, 5])
    """
    try:
        x, y = input._array, mat2._array
    except AttributeError:
        check_operands("bmm", input=input, mat2=mat2)
        raise
    check_bmm(x, y)
    result = _quick(BMM, _stacked, input, mat2)
    return result if out is None else write_exact(out, result)


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product. Vectors act as rows on the left and columns on the right; leading dimensions broadcast.

    Shapes: ``(k)·(k) → ()``, ``(n, k)·(k) → (n)``, ``(k)·(k, m) → (m)``, ``(..., n, k)·(..., k, m) → (..., n, m)``.
    Raises ``RuntimeError`` where the shapes do not go together, a tensor has no dimensions, or the dtypes differ.

    Example:
        >>> import rushlight as torch
        >>> torch.matmul(torch.ones(2, 3, 4), torch.ones(4)).shape
        torch.Size([2, 3])
    """
    try:
        x, y = input._array, other._array
    except AttributeError:
        check_operands("matmul", input=input, other=other)
        raise
    dtype = x.dtype
    if (
        (dtype is F32 or dtype is F64)
        and dtype is y.dtype
        and x.ndim == 2 == y.ndim
        and type(x) is ndarray is type(y)
    ):
        try:
            array = x.dot(y) if x.size < WORTH_ASKING else product(x, y)
        except FloatingPointReport:
            array = compute(_mm_impl, (x, y), {})
        except ValueError:
            _check_mm(x, y)
            raise
        if (input._node is None and other._node is None) or not grad_enabled():
            result = make_tensor(array)
        else:
            result = _recorded(MM, input, other, array)
    else:
        result = _matmul_general(input, other)
    return result if out is None else write_exact(out, result)


def _operator_matmul(self: Tensor, other: Any) -> Any:
    # As `matmul`, written out once more: `@` is the hottest product, and a call in between would cost a tenth of it.
    if not isinstance(other, Tensor):
        return NotImplemented
    x, y = self._array, other._array
    dtype = x.dtype
    if (
        (dtype is F32 or dtype is F64)
        and dtype is y.dtype
        and x.ndim == 2 == y.ndim
        and type(x) is ndarray is type(y)
    ):
        try:
            array = x.dot(y) if x.size < WORTH_ASKING else product(x, y)
        except FloatingPointReport:
            array = compute(_mm_impl, (x, y), {})
        except ValueError:
            _check_mm(x, y)
            raise
        if (self._node is None and other._node is None) or not grad_enabled():
            return make_tensor(array)
        return _recorded(MM, self, other, array)
    return _matmul_general(self, other)


def _reflected_matmul(self: Tensor, other: Any) -> Any:
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented


def _matmul_general(input: Tensor, other: Tensor) -> Tensor:
    x, y = input._array, other._array
    m, n = x.ndim, y.ndim
    if m == 0 or n == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {m}D and {n}D")
    if m == 1:
        if n == 1:
            return dot(input, other)
        if n == 2:
            if x.shape[0] != y.shape[0]:
                raise cannot_multiply((1, *x.shape), y.shape)
            _check_mm(x.reshape(1, -1), y)
            return _quick(MV, dot_arrays, t(other), input)
        return squeeze(_batched_checked(unsqueeze(input, 0), other), -2)
    if n == 1:
        if m == 2:
            return mv(input, other)
        return reshape(mv(rows_of(input), other), x.shape[:-1])
    if m == 2 and n == 2:
        return mm(input, other)
    return _batched_checked(input, other)


def _batched_checked(input: Tensor, other: Tensor) -> Tensor:
    x, y = input._array, other._array
    if y.ndim == 2:
        if x.shape[-1] != y.shape[0]:
            raise cannot_multiply((count(x.shape[:-1]), x.shape[-1]), y.shape)
        if x.dtype != y.dtype:
            _check_mm(x.reshape(-1, x.shape[-1]), y)
        check_not_bool(x, "addmm_impl_cpu_")
    else:
        lead = broadcast_shape(x.shape[:-2], y.shape[:-2])
        if x.shape[-1] != y.shape[-2]:
            batch = count(lead)
            raise RuntimeError(
                f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {x.shape[-1]}] "
                f"but got: [{batch}, {y.shape[-2]}]."
            )
        check_scalar_types(x, y)
        check_not_bool(x, "bmm")
    return _quick(BMM, _stacked, input, other)


# --- with vectors -----------------------------------------------------------------------------------------------------


def _mv_vjp(g: Tensor, node: Node) -> Any:
    mat, vec = node.unpack()
    edge_mat, edge_vec = node.edges
    return (
        None if edge_mat is None else mul(unsqueeze(g, 1), conj_of(vec)),
        None if edge_vec is None else apply(MV, (t(conj_of(mat)), g)),
    )


def _dot_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    return (
        None if edge_a is None else mul(g, conj_of(b)),
        None if edge_b is None else mul(g, conj_of(a)),
    )


def _vector_impl(x: Array, y: Array) -> Any:
    """A matrix or a vector with a vector."""
    if x.dtype in LOW_PRECISION:
        return np.asarray(x.astype(F32).dot(y.astype(F32))).astype(x.dtype)
    return np.asarray(x.dot(y))


MV = Primitive(
    "mv",
    _vector_impl,
    _mv_vjp,
    saves=_EACH_OTHER,
    samples=lambda: [(np.ones((2, 3)), np.arange(3, dtype=F64))],
)
DOT = Primitive(
    "dot",
    _vector_impl,
    _dot_vjp,
    saves=_EACH_OTHER,
    samples=lambda: [(np.ones(3), np.arange(3, dtype=F64))],
)


def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a matrix ``(n, m)`` and a vector ``(m)``.

    Example:
        >>> import rushlight as torch
        >>> torch.mv(torch.eye(2), torch.tensor([3., 4.]))
        tensor([3., 4.])
    """
    try:
        x, y = input._array, vec._array
    except AttributeError:
        check_operands("mv", input=input, vec=vec)
        raise
    if (
        x.ndim != 2
        or y.ndim != 1
        or x.shape[1] != y.shape[0]
        or x.dtype is not y.dtype
        or x.dtype not in INEXACT
    ):
        check_mv(None, x, y, y.dtype)
    result = _quick(MV, dot_arrays, input, vec)
    return result if out is None else write_exact(out, result)


def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the products of two vectors' elements; a complex ``input`` is not conjugated (see ``vdot``).

    Example:
        >>> import rushlight as torch
        >>> torch.dot(torch.tensor([1., 2.]), torch.tensor([3., 4.]))
        tensor(11.)
    """
    try:
        x, y = input._array, tensor._array
    except AttributeError:
        check_operands("dot", input=input, tensor=tensor)
        raise
    if x.ndim != 1 or x.shape != y.shape or x.dtype is not y.dtype or x.dtype not in INEXACT:
        _check_dot(x, y, "dot")
    result = _quick(DOT, dot_arrays, input, tensor)
    return result if out is None else _write_dot(out, result)


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As ``dot``, with ``input`` conjugated.

    Example:
        >>> import rushlight as torch
        >>> torch.vdot(torch.tensor([1j]), torch.tensor([1j]))
        tensor(1.+0.j)
    """
    check_operands("vdot", input=input, other=other)
    _check_dot(input._array, other._array, "vdot" if input._array.dtype in COMPLEXES else "dot")
    result = apply(DOT, (conj_of(input), other))
    return known_as(result, "VdotBackward0") if out is None else _write_dot(out, result)


def _write_dot(out: Tensor, result: Tensor) -> Tensor:
    if isinstance(out, Tensor) and out._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"result dtype {type_name(out._array.dtype)} does not match input dtype {type_name(result._array.dtype)}"
        )
    return write_out(out, result, "dot")


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products over the last dimensions: ``(..., k)`` and ``(*, k)`` give ``(..., *)``; 0-dim tensors multiply.

    Example:
        >>> import rushlight as torch
        >>> torch.inner(torch.ones(2, 3), torch.ones(4, 3)).shape
        torch.Size([2, 4])
    """
    check_operands("inner", input=input, other=other)
    x, y = input._array, other._array
    if x.ndim == 0 or y.ndim == 0:
        result = mul(input, other)
    else:
        if x.shape[-1] != y.shape[-1]:
            raise RuntimeError(
                "inner() the last dimension must match on both input tensors but got shapes "
                f"{list(x.shape)} and {list(y.shape)}"
            )
        if x.dtype != y.dtype:
            raise RuntimeError("both inputs should have same dtype")
        check_not_bool(x, "addmm_impl_cpu_")
        product = apply(MM_NT, (rows_of(unsqueeze(input, 0)), rows_of(unsqueeze(other, 0))))
        result = reshape(product, (*x.shape[:-1], *y.shape[:-1]))
    if out is not None and isinstance(out, Tensor) and out._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"tensordot: Expected the output tensor to have dtype {type_name(result._array.dtype)}, "
            f"but got an output tensor with dtype {type_name(out._array.dtype)}"
        )
    return result if out is None else write_out(out, result, "inner")


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of each element of ``(n)`` with each of ``(m)``: ``(n, m)``, of the common dtype.

    Example:
        >>> import rushlight as torch
        >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
        tensor([[3, 4],
                [6, 8]])
    """
    check_operands("outer", input=input, vec2=vec2)
    for name, tensor in (("self", input), ("vec2", vec2)):
        if tensor._array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {tensor._array.ndim}-D")
    x, y = input._array, vec2._array
    if (
        x.dtype is y.dtype
        and x.dtype in FLOATS
        and x.size * y.size >= MUL.large
        and type(x) is ndarray is type(y)
    ):
        # The product decides whether it is large, not its operands.
        column = unsqueeze(input, 1)
        result: Tensor = attach(MUL, (column, vec2), {}, run_large(MUL, (column._array, y), {}))
    else:
        result = mul(unsqueeze(input, 1), vec2)
    return result if out is None else write_out(out, result, "outer")


METHODS: dict[str, Any] = {
    "mm": mm,
    "bmm": bmm,
    "matmul": matmul,
    "__matmul__": _operator_matmul,
    "__rmatmul__": _reflected_matmul,
    "mv": mv,
    "dot": dot,
    "vdot": vdot,
    "inner": inner,
    "outer": outer,
    "ger": outer,
}
