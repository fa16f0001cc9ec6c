"""Products with something added: ``addmm`` and its relatives; and ``linear``, the primitive under ``nn.Linear``."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import BOOL, COMPLEXES, F32, F64, INEXACT, LOW_PRECISION
from ..core.grad_mode import GRAD_MODE
from ..core.history import NamedByNode, Node, known_as, versions_of
from ..core.shapes import count
from ..core.storage import LIBRARY, program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.gemm import WORTH_ASKING
from ..runtime.products import product as matrix_product
from .complex_numbers import conj_of
from .define import Primitive
from .dispatch import (
    FloatingPointReport,
    apply,
    common_dtype,
    compute,
    inplace_form,
    plain_number,
    type_name,
    write_out,
)
from .linalg import (
    MV,
    batched,
    c_name,
    cannot_multiply,
    check_bmm,
    check_mv,
    check_not_bool,
    check_operands,
    matmul,
    mH_of,
    mm,
    mm_nt,
    mm_tn,
    rows_of,
    write_exact,
)
from .movement import cast, expand, permute, reshape, t, unsqueeze
from .pointwise import add, mul
from .reductions import sum_array, sum_dims

Array = NDArray[Any]
Number = bool | int | float | complex
ndarray = np.ndarray
grad_enabled = GRAD_MODE.get
getframe = sys._getframe


# --- a product added to something -------------------------------------------------------------------------------------


def _scaled(array: Array, factor: Number) -> Array:
    if factor == 1:
        return array
    if isinstance(factor, np.generic):  # NumPy's numbers would change the dtype
        factor = factor.item()
    if isinstance(factor, complex) and array.dtype.kind != "c":
        raise RuntimeError("value cannot be converted to type float without overflow: it is complex")
    if not isinstance(factor, int | float | complex):
        raise TypeError(f"argument 'alpha' or 'beta' must be Number, not {type(factor).__name__}")
    # Integer tensors take a float factor's integer part, as PyTorch's kernels do.
    if array.dtype not in INEXACT:
        if not math.isfinite(factor.real):
            raise RuntimeError(f"value cannot be converted to type int64_t without overflow: {factor}")
        factor = int(factor.real)
    return array * factor


def _add_product_impl(c: Array, x: Array, y: Array, beta: Number, alpha: Number) -> Any:
    dtype = x.dtype
    if dtype in LOW_PRECISION:
        return _add_product_impl(c.astype(F32), x.astype(F32), y.astype(F32), beta, alpha).astype(dtype)
    product = _scaled(matrix_product(x, y) if x.ndim == y.ndim == 2 else np.matmul(x, y), alpha)
    # With beta 0 the input is not read at all: nan and inf in it do not matter.
    return product if beta == 0 else np.add(_scaled(c, beta), product, product)


def _add_product_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_c, edge_a, edge_b = node.edges
    beta, alpha = node.attrs["beta"], node.attrs["alpha"]
    grad_c = grad_a = grad_b = None
    if edge_c is not None:
        grad_c = g if beta == 1 else mul(g, beta.conjugate())
    if alpha != 1:
        g = mul(g, alpha.conjugate())
    if edge_a is not None:
        if len(g._array.shape) == 1:
            grad_a = mul(unsqueeze(g, 1), conj_of(b))
        elif g._array.ndim == 2:
            grad_a = mm_nt(g, conj_of(b))
        else:
            grad_a = batched(g, mH_of(b))
    if edge_b is not None:
        if g._array.ndim == 1:
            grad_b = apply(MV, (t(conj_of(a)), g))
        elif g._array.ndim == 2:
            grad_b = mm_tn(conj_of(a), g)
        else:
            grad_b = batched(mH_of(a), g)
    return grad_c, grad_a, grad_b


_SAVES_FACTORS = ((1, (2,)), (2, (1,)))
ADDMM = Primitive(
    "addmm",
    _add_product_impl,
    _add_product_vjp,
    saves=_SAVES_FACTORS,
    samples=lambda: [((np.ones(4), np.ones((2, 3)), np.ones((3, 4))), {"beta": 2, "alpha": 0.5})],
)
ADDMV = Primitive(
    "addmv",
    _add_product_impl,
    _add_product_vjp,
    saves=_SAVES_FACTORS,
    samples=lambda: [((np.ones(2), np.ones((2, 3)), np.ones(3)), {"beta": 2, "alpha": 0.5})],
)
BADDBMM = Primitive(
    "baddbmm",
    _add_product_impl,
    _add_product_vjp,
    saves=_SAVES_FACTORS,
    samples=lambda: [
        ((np.ones((2, 2, 4)), np.ones((2, 2, 3)), np.ones((2, 3, 4))), {"beta": 2, "alpha": 0.5})
    ],
)


def _add_product(
    record: Primitive,
    input: Tensor,
    a: Tensor,
    b: Tensor,
    shape: tuple[int, ...],
    beta: Any,
    alpha: Any,
) -> Tensor:
    c, x, y = input._array, a._array, b._array
    if isinstance(beta, Tensor) or isinstance(alpha, Tensor):
        beta, alpha = plain_number(record.name, "beta", beta), plain_number(record.name, "alpha", alpha)
    if c.shape not in (shape, shape[-1:]):
        expand(input, shape)  # raises in PyTorch's words where it can't be expanded
    if (
        (x.dtype is F32 or x.dtype is F64)
        and ((input._node is None and a._node is None and b._node is None) or not grad_enabled())
        and type(c) is type(x) is type(y) is ndarray
    ):
        attrs = (beta, alpha)
        try:
            return make_tensor(_add_product_impl(c, x, y, *attrs))
        except FloatingPointReport:
            pass  # reported after the product was computed; the general way silences it
    return apply(record, (input, a, b), {"beta": beta, "alpha": alpha})  # type: ignore[no-any-return]


def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``; ``input`` broadcasts to ``(n, p)`` and is not read if ``beta`` is 0.

    Example:
        >>> import rushlight as torch
        >>> torch.addmm(torch.ones(2), torch.ones(1, 3), torch.ones(3, 2), beta=10)
        tensor([[13., 13.]])
    """
    try:
        c, x, y = input._array, mat1._array, mat2._array
    except AttributeError:
        check_operands("addmm", input=input, mat1=mat1, mat2=mat2)
        raise
    for position, array in enumerate((x, y), 1):
        if array.ndim != 2:
            raise RuntimeError(f"mat{position} must be a matrix, got {array.ndim}-D tensor")
    if x.shape[1] != y.shape[0]:
        raise cannot_multiply(x.shape, y.shape)
    _check_addmm_dtypes(c, x, y)
    result = _add_product(ADDMM, input, mat1, mat2, (x.shape[0], y.shape[1]), beta, alpha)
    return result if out is None else write_exact(out, result)


def _check_addmm_dtypes(c: Array, x: Array, y: Array) -> None:
    if c.dtype is x.dtype is y.dtype and c.dtype is not BOOL:
        return
    if c.dtype != y.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {type_name(c.dtype)} and {type_name(y.dtype)}"
        )
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {type_name(x.dtype)} and {type_name(y.dtype)}"
        )
    check_not_bool(x, "addmm_impl_cpu_")


def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``; ``input`` broadcasts to ``(n)``.

    Example:
        >>> import rushlight as torch
        >>> torch.addmv(torch.ones(2), torch.eye(2), torch.tensor([1., 2.]), alpha=2)
        tensor([3., 5.])
    """
    check_operands("addmv", input=input, mat=mat, vec=vec)
    c, x, y = input._array, mat._array, vec._array
    check_mv(c.shape, x, y, c.dtype)
    result = _add_product(ADDMV, input, mat, vec, (x.shape[0],), beta, alpha)
    return result if out is None else write_exact(out, result)


def addr(
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``, of the common dtype; ``input`` broadcasts to ``(n, m)``.

    Example:
        >>> import rushlight as torch
        >>> torch.addr(torch.zeros(2, 2), torch.tensor([1., 2.]), torch.tensor([3., 4.]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    check_operands("addr", input=input, vec1=vec1, vec2=vec2)
    for name, tensor in (("vec1", vec1), ("vec2", vec2)):
        if tensor._array.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {tensor._array.ndim}-D")
    product = mul(unsqueeze(vec1, 1), vec2)
    input = expand(input, product._array.shape)
    common = common_dtype((input, vec1, vec2))
    if common not in INEXACT:
        for name, factor in (("beta", beta), ("alpha", alpha)):
            if isinstance(factor, float | complex):
                raise RuntimeError(
                    f"For integral input tensors, argument {name} must not be a floating point number."
                )
    if alpha != 1:
        product = cast(mul(product, alpha), common)
    if beta == 0:
        result = cast(product, common)
    else:
        result = add(input if beta == 1 else cast(mul(input, beta), common), product)
    return known_as(result, "AddrBackward0") if out is None else write_out(out, result, "addr")


def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``; ``input`` broadcasts to ``(b, n, p)``.

    Example:
        >>> import rushlight as torch
        >>> torch.baddbmm(torch.ones(1), torch.ones(3, 2, 4), torch.ones(3, 4, 5)).shape
        torch.Size([3, 2, 5])
    """
    check_operands("baddbmm", input=input, batch1=batch1, batch2=batch2)
    c, x, y = input._array, batch1._array, batch2._array
    if not (c.dtype == x.dtype == y.dtype):
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {c_name(c.dtype)}, batch1: {c_name(x.dtype)}, "
            f"batch2: {c_name(y.dtype)}"
        )
    check_bmm(x, y)
    result = _add_product(BADDBMM, input, batch1, batch2, (*x.shape[:2], y.shape[2]), beta, alpha)
    return result if out is None else write_exact(out, result)


def addbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``; ``input`` broadcasts to ``(n, p)``.

    Example:
        >>> import rushlight as torch
        >>> torch.addbmm(torch.zeros(1), torch.ones(3, 2, 4), torch.ones(3, 4, 5))[0, 0]
        tensor(12.)
    """
    check_operands("addbmm", input=input, batch1=batch1, batch2=batch2)
    x, y = batch1._array, batch2._array
    if x.ndim != 3 or y.ndim != 3:
        raise RuntimeError(f"batch1 and batch2 must be 3D tensors, got {x.ndim}D and {y.ndim}D")
    if x.shape[0] != y.shape[0]:
        raise RuntimeError(
            f"batch1 and batch2 must have same number of batches, got {x.shape[0]} and {y.shape[0]}"
        )
    if x.shape[2] != y.shape[1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for bmm ({x.shape[1]}x{x.shape[2]} and {y.shape[1]}x{y.shape[2]})"
        )
    # The sum of the products is one product of the matrices laid side by side.
    wide = reshape(permute(batch1, (1, 0, 2)), (x.shape[1], x.shape[0] * x.shape[2]))
    tall = reshape(batch2, (y.shape[0] * y.shape[1], y.shape[2]))
    _check_addmm_dtypes(input._array, x, y)
    result = _add_product(ADDMM, input, wide, tall, (x.shape[1], y.shape[2]), beta, alpha)
    return known_as(result, "AddbmmBackward0") if out is None else write_exact(out, result)


# --- linear -----------------------------------------------------------------------------------------------------------


def _linear_impl(bias: Array | None, x: Array, w: Array) -> Any:
    dtype = x.dtype
    if dtype in LOW_PRECISION:
        return _linear_impl(None if bias is None else bias.astype(F32), x.astype(F32), w.astype(F32)).astype(
            dtype
        )
    rows = x if x.ndim == 2 else x.reshape(count(x.shape[:-1]), x.shape[-1])
    product = matrix_product(rows, w.T)
    if bias is not None:
        np.add(product, bias, product)
    return product if x.ndim == 2 else product.reshape((*x.shape[:-1], w.shape[0]))


def _linear_vjp(g: Tensor, node: Node) -> Any:
    x, w = node.unpack()
    edge_bias, edge_x, edge_w = node.edges
    if g._array.dtype in COMPLEXES:
        x, w = None if x is None else conj_of(x), None if w is None else conj_of(w)
    grad_bias = grad_x = grad_w = None
    ndim = g._array.ndim
    if ndim > 2 and not grad_enabled():
        found = _gradients_by_rows(g._array, x, w, node)
        if found is not None:
            return found
    if edge_x is not None:
        grad_x = mm(g, w) if ndim == 2 else reshape(mm(rows_of(g), w), edge_x.shape)
    if edge_w is not None:
        grad_w = mm_tn(g, x) if ndim == 2 else mm_tn(rows_of(g), rows_of(x))
    if edge_bias is not None:
        grad_bias = g if ndim == 1 else sum_dims(g, (0,) if ndim == 2 else tuple(range(ndim - 1)), False)
    return grad_bias, grad_x, grad_w


def _gradients_by_rows(g: Any, x: Tensor | None, w: Tensor | None, node: Node) -> Any:
    """What ``_linear_vjp`` makes of a plain ``g`` of several dimensions, without a view for every reshape; None for others."""
    dtype = g.dtype
    if type(g) is not ndarray or (dtype is not F32 and dtype is not F64) or not g.flags.c_contiguous:
        return None
    for saved in (x, w):
        if saved is not None and (type(saved._array) is not ndarray or saved._array.dtype is not dtype):
            return None
    edge_bias, edge_x, edge_w = node.edges
    rows = g.reshape(count(g.shape[:-1]), g.shape[-1])
    grad_bias = grad_x = grad_w = None
    try:
        if edge_x is not None and w is not None:
            grad_x = make_tensor(matrix_product(rows, w._array).reshape(edge_x.shape))
        if edge_w is not None and x is not None:
            inputs = x._array
            grad_w = make_tensor(matrix_product(rows.T, inputs.reshape(len(rows), inputs.shape[-1])))
        if edge_bias is not None:
            grad_bias = make_tensor(np.asarray(sum_array(g, tuple(range(g.ndim - 1)), False)))
    except FloatingPointReport:
        return None  # the general way silences it
    return grad_bias, grad_x, grad_w


def _linear_name(node: Node) -> str:
    """The last of PyTorch's nodes: of the product, or of the view that gives it the input's shape."""
    biased = node.edges[0] is not None
    if len(node.shape) == 2:
        return "AddmmBackward0" if biased else "MmBackward0"
    if biased:
        return "ViewBackward0"
    return "UnsafeViewBackward0" if len(node.shape) > 2 else "SqueezeBackward4"


# The operands are in the order of PyTorch's addmm, whose name its node has there, so that programs which walk `grad_fn`
# find the same neighbours.
LINEAR = Primitive(
    "linear",
    _linear_impl,
    _linear_vjp,
    saves=_SAVES_FACTORS,
    grad_name=NamedByNode(_linear_name),
    samples=lambda: [
        (np.ones(4), np.ones((2, 3)), np.ones((4, 3))),
        (None, np.ones((2, 2, 3)), np.ones((4, 3))),
    ],
)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: ``(..., in)`` with ``(out, in)`` and ``(out)`` gives ``(..., out)``.

    A 1-D ``weight`` counts as one output, whose dimension the result does not have.
    Raises ``RuntimeError`` where shapes do not go together or dtypes differ.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.ops.linear import linear
        >>> linear(torch.ones(1, 2), torch.eye(2), torch.tensor([1., 2.]))
        tensor([[2., 3.]])
    """
    try:
        x, w = input._array, weight._array
        b = None if bias is None else bias._array
    except AttributeError:
        check_operands("linear", input=input, weight=weight)
        check_operands("linear", bias=bias)
        raise
    dtype = x.dtype
    if not (
        (dtype is F32 or dtype is F64)
        and dtype is w.dtype
        and w.ndim == 2
        and x.ndim
        and type(x) is ndarray is type(w)
        and (b is None or (dtype is b.dtype and b.shape == w.shape[:1] and type(b) is ndarray))
        and out is None
    ):
        result = _linear_general(input, weight, bias)
        return result if out is None else write_exact(out, result)
    try:
        if x.ndim == 2:
            array = x.dot(w.T) if x.size < WORTH_ASKING else matrix_product(x, w.T)
            if b is not None:
                array += b
        else:
            array = _linear_impl(b, x, w)
    except FloatingPointReport:
        array = compute(_linear_impl, (b, x, w), {})
    except ValueError:
        raise cannot_multiply((count(x.shape[:-1]), x.shape[-1]), w.T.shape) from None
    edge_x, edge_w, edge_bias = input._node, weight._node, None if bias is None else bias._node
    if (edge_w is None and edge_x is None and edge_bias is None) or not grad_enabled():
        return make_tensor(array)
    frame: Any = getframe(1)
    if frame.f_code.co_filename.startswith(LIBRARY):
        site = program_site(frame)
    else:
        site = (frame.f_code, frame.f_lasti)
    saved = (None if edge_w is None else input, None if edge_x is None else weight)
    node = Node(LINEAR, (edge_bias, edge_x, edge_w), array, saved, None, site)
    if input._storage is not None or weight._storage is not None:
        node.versions = versions_of(saved)
    return make_tensor(array, node)


def _linear_general(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    x, w = input._array, weight._array
    if x.ndim == 0 or w.ndim == 0:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {x.ndim}D and {w.ndim}D"
        )
    if w.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {w.ndim}D")
    if w.ndim == 1:
        result = matmul(input, weight)
        return result if bias is None else add(result, bias)
    rows = count(x.shape[:-1])
    if x.shape[-1] != w.shape[1]:
        raise cannot_multiply((rows, x.shape[-1]), w.T.shape)
    if bias is None:
        if x.dtype != w.dtype:
            raise RuntimeError(
                f"expected m1 and m2 to have the same dtype, but got: {c_name(x.dtype)} != {c_name(w.dtype)}"
            )
        check_not_bool(x, "addmm_impl_cpu_")
        return apply(LINEAR, (None, input, weight))  # type: ignore[no-any-return]
    b = bias._array
    _check_addmm_dtypes(b, x, w)
    if b.ndim > 1:
        return add(apply(LINEAR, (None, input, weight)), bias)  # type: ignore[no-any-return]
    if b.shape != w.shape[:1]:
        if b.ndim and b.shape[0] not in (1, w.shape[0]):
            expand(bias, (rows, w.shape[0]))  # raises in PyTorch's words
        bias = expand(bias, w.shape[:1])
    return apply(LINEAR, (bias, input, weight))  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {
    "addmm": addmm,
    "addmm_": inplace_form("addmm", addmm, keeps_inputs=False),
    "addmv": addmv,
    "addmv_": inplace_form("addmv", addmv, keeps_inputs=False),
    "addr": addr,
    "addr_": inplace_form("addr", addr, keeps_inputs=False),
    "addbmm": addbmm,
    "addbmm_": inplace_form("addbmm", addbmm, keeps_inputs=False),
    "baddbmm": baddbmm,
    "baddbmm_": inplace_form("baddbmm", baddbmm, keeps_inputs=False),
}
