"""Complex numbers: their parts as views, conjugates, and making them of two real tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.device import strided
from ..core.dtypes import C64, C128, COMPLEXES, F16, F32, F64
from ..core.tensor import Tensor
from ..runtime.batched import Batched
from ..runtime.pending import Pending
from .define import Primitive
from .dispatch import apply, inplace_form, type_name, unary, write_out
from .movement import contiguous, select, view_of

# --- parts ------------------------------------------------------------------------------------------------------------


def _as_real_impl(x: Any) -> Any:
    # `x.view(float)` would ask for a contiguous last dimension.
    if type(x) is Batched or type(x) is Pending:
        return x.through(_as_real_impl)
    parts = x.real
    return strided(parts, (*x.shape, 2), (*x.strides, parts.itemsize))


def _as_complex_impl(x: Any) -> Any:
    if x.dtype is not F32 and x.dtype is not F64:
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{type_name(x.dtype)}"
        )
    if not x.ndim or x.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if x.strides[-1] != x.itemsize and x.size:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % (2 * x.itemsize) for s, n in zip(x.strides[:-1], x.shape[:-1], strict=True) if n > 1):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return x.view(C64 if x.dtype is F32 else C128)[..., 0]


VIEW_AS_REAL = Primitive("view_as_real", _as_real_impl, lambda g, node: view_as_complex(contiguous(g)))
VIEW_AS_COMPLEX = Primitive("view_as_complex", _as_complex_impl, lambda g, node: view_as_real(g))


def view_as_real(input: Tensor) -> Tensor:
    """A complex tensor of shape ``(…)`` as a view of shape ``(…, 2)``: its real and imaginary parts.

    Example:
        >>> import rushlight as torch
        >>> torch.view_as_real(torch.tensor([1 + 2j]))
        tensor([[1., 2.]])
    """
    if input._array.dtype not in COMPLEXES:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return view_of(VIEW_AS_REAL, input, {})


def view_as_complex(input: Tensor) -> Tensor:
    """A float32 or float64 tensor of shape ``(…, 2)`` as a complex view of shape ``(…)``.

    Example:
        >>> import rushlight as torch
        >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
        tensor([1.+2.j])
    """
    return view_of(VIEW_AS_COMPLEX, input, {})


def real(input: Tensor) -> Tensor:
    """The real part: a view of a complex tensor's memory; a real tensor itself."""
    return select(view_as_real(input), -1, 0) if input._array.dtype in COMPLEXES else input


def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view of a complex tensor's memory; ``RuntimeError`` for real tensors."""
    check_tensor_argument("imag", "input", input)
    if input._array.dtype not in COMPLEXES:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return select(view_as_real(input), -1, 1)


def _set_real(self: Tensor, value: Any) -> None:
    real(self).copy_(value)


def _set_imag(self: Tensor, value: Any) -> None:
    imag(self).copy_(value)


# --- conjugates -------------------------------------------------------------------------------------------------------

CONJ = Primitive(
    "conj", lambda x: np.conjugate(x) if x.dtype in COMPLEXES else x.copy(), lambda g, node: conj_of(g)
)
_conjugate = unary(CONJ)


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate of every element, as a new tensor; a real tensor itself.

    Example:
        >>> import rushlight as torch
        >>> torch.conj_physical(torch.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    if out is None and isinstance(input, Tensor) and input._array.dtype not in COMPLEXES:
        return input
    return _conjugate(input, out=out)  # type: ignore[no-any-return]


def _conj_physical(self: Tensor) -> Tensor:
    return conj_physical(self)


def conj(input: Tensor) -> Tensor:
    """The complex conjugate of every element; a real tensor itself.

    PyTorch gives a lazy view here; this is a copy, so a change of the result in place does not change ``input``.
    """
    check_tensor_argument("conj", "input", input)
    return conj_physical(input) if input._array.dtype in COMPLEXES else input


def conj_of(value: Any) -> Any:
    """The complex conjugate of a tensor or number; real ones come back as they are."""
    if isinstance(value, Tensor):
        return conj_physical(value) if value._array.dtype in COMPLEXES else value
    return value.conjugate()


def resolve_conj(input: Tensor) -> Tensor:
    """``input``: conjugates are never lazy here."""
    check_tensor_argument("resolve_conj", "input", input)
    return input


def is_conj(input: Tensor) -> bool:
    """Whether ``input`` is a lazy conjugate: never here."""
    return False


# --- making -----------------------------------------------------------------------------------------------------------


def _complex_impl(real: Any, imag: Any) -> Any:
    result = np.empty(np.broadcast_shapes(real.shape, imag.shape), C64 if real.dtype == F32 else C128)
    result.real = real
    result.imag = imag
    return result


COMPLEX = Primitive("complex", _complex_impl, lambda g, node: _parts(g))


def _parts(g: Tensor) -> tuple[Tensor, Tensor | None]:
    # A gradient that went through a real tensor on its way is real.
    return (real(g), imag(g)) if g._array.dtype in COMPLEXES else (g, None)


def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers of the given parts, two tensors of one dtype (float32 or float64), broadcast.

    Example:
        >>> import rushlight as torch
        >>> torch.complex(torch.tensor([1.0]), torch.tensor([2.0]))
        tensor([1.+2.j])
    """
    check_parts("complex", real, imag)
    result = apply(COMPLEX, (real, imag))
    return result if out is None else write_complex_out(out, result, "complex")


def write_complex_out(out: Tensor, result: Tensor, name: str) -> Tensor:
    if out._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {type_name(result._array.dtype)} but got scalar type "
            f"{type_name(out._array.dtype)} for argument 'out'"
        )
    return write_out(out, result, name)


def check_parts(name: str, first: Tensor, second: Tensor) -> None:
    for position, part in enumerate((first, second)):
        if not isinstance(part, Tensor):
            raise TypeError(f"{name}(): argument {position + 1} must be Tensor, not {type(part).__name__}")
    a, b = first._array.dtype, second._array.dtype
    allowed = (F16, F32, F64)
    if a not in allowed or b not in allowed:
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {type_name(a)} and {type_name(b)}"
        )
    if a != b:
        raise RuntimeError(
            f"Expected object of scalar type {type_name(a)} but got scalar type {type_name(b)} for second argument"
        )
    if a == F16:
        raise RuntimeError(f"{name}: complex numbers of Half are not supported; convert to float32 first")


METHODS: dict[str, Any] = {
    "real": property(real, _set_real, doc="The real part: a view of a complex tensor; a real tensor itself."),
    "imag": property(imag, _set_imag, doc="The imaginary part of a complex tensor, as a view."),
    "conj": conj,
    "conj_physical": _conj_physical,
    "conj_physical_": inplace_form("conj_physical", CONJ.method, keeps_inputs=False),
    "resolve_conj": resolve_conj,
    "resolve_neg": resolve_conj,
    "is_conj": is_conj,
    "is_neg": is_conj,
}
