"""Dispatch modes: what a program's ``__torch_dispatch__`` is asked, under which of ATen's names.

The public functions that ask modes and types (``calls``) ask these last, and here the library's own calls ask too: those of
backward, and of functions that PyTorch composes of others. What runs while a handler is at work is one operation to it. It
stands in the place of the operation with its history, so a handler sees tensors that need gradients, and what it returns is
what the program gets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ..core.tensor import Tensor
from ..ops import linalg
from ..ops.linalg import bmm, dot, mm, mv
from ..ops.linear import addmm
from ..ops.movement import t
from ..ops.pointwise import div, mul, reciprocal
from ..ops.views import broadcast_shapes
from .state import STATE

# No operations: questions about a tensor, hooks, and functions that are made of operations.
_NOT_OPERATIONS: Final = frozenset(
    (
        "size", "dim", "ndimension", "stride", "numel", "nelement", "element_size", "storage_offset", "data_ptr", "numpy",
        "tolist", "backward", "requires_grad_", "register_hook", "register_post_accumulate_grad_hook", "retain_grad",
        "get_device", "storage", "untyped_storage", "has_names", "type", "type_as", "share_memory_", "apply_", "map_",
        "map2_", "result_type", "can_cast", "broadcast_tensors", "broadcast_shapes", "multi_head_attention_forward", "chunk",
        "normalize", "cosine_similarity", "gumbel_softmax", "tensordot", "einsum", "atleast_1d", "atleast_2d", "atleast_3d",
        "meshgrid", "multi_dot", "set_grad_enabled", "get_num_threads", "dlpack", "unflatten", "checkpoint", "from_numpy",
        "from_dlpack", "compile", "manual_seed", "align_to", "data",
    )
)  # fmt: skip
_OF_OPERATORS: Final = {
    "__getitem__": "index", "__setitem__": "index_put_", "__pow__": "pow", "__rpow__": "pow", "__rsub__": "rsub",
    "__ipow__": "pow_", "__invert__": "bitwise_not", "__eq__": "eq", "__floordiv__": "floor_divide",
    "__rfloordiv__": "floor_divide", "__rtruediv__": "divided_by", "__rdiv__": "divided_by", "__rmod__": "remainder",
    "__rmatmul__": "matmul", "__and__": "bitwise_and", "__or__": "bitwise_or", "__xor__": "bitwise_xor",
    "__iand__": "bitwise_and_", "__ior__": "bitwise_or_", "__ixor__": "bitwise_xor_",
    "__rlshift__": "bitwise_left_shift", "__rrshift__": "bitwise_right_shift", "item": "_local_scalar_dense",
    "__bool__": "_local_scalar_dense", "__int__": "_local_scalar_dense", "__float__": "_local_scalar_dense",
    "__complex__": "_local_scalar_dense", "__index__": "_local_scalar_dense",
}  # fmt: skip
# Python gives these methods the right operand first; a handler may call the operation with what it gets.
_RIGHT_FIRST: Final = frozenset(
    ("__rpow__", "__rfloordiv__", "__rmod__", "__rmatmul__", "__rlshift__", "__rrshift__")
)
_RENAMED: Final = {
    "softmax": "_softmax", "log_softmax": "_log_softmax", "layer_norm": "native_layer_norm", "reshape": "view",
    "group_norm": "native_group_norm", "batch_norm": "native_batch_norm", "dropout": "native_dropout", "flatten": "view",
    "conv1d": "convolution", "conv2d": "convolution", "conv3d": "convolution", "conv_transpose1d": "convolution",
    "conv_transpose2d": "convolution", "conv_transpose3d": "convolution", "to": "_to_copy", "float": "_to_copy",
    "double": "_to_copy", "half": "_to_copy", "bfloat16": "_to_copy", "long": "_to_copy", "int": "_to_copy",
    "bool": "_to_copy", "cpu": "_to_copy", "contiguous": "clone", "nll_loss": "nll_loss_forward", "multiply": "mul",
    "subtract": "sub", "divide": "div", "true_divide": "div", "negative": "neg", "absolute": "abs", "view_as": "view",
    "cross_entropy": "cross_entropy_loss", "concat": "cat", "concatenate": "cat", "expand_as": "expand", "square": "pow",
    "swapaxes": "transpose", "swapdims": "transpose", "movedim": "permute", "moveaxis": "permute",
}  # fmt: skip
# For which PyTorch makes a tensor of a number, and which have a form of their own for numbers.
_TENSORS_ALONE: Final = frozenset(("add", "sub", "mul", "div"))
_WITH_NUMBERS: Final = frozenset(
    (
        "eq", "ne", "lt", "le", "gt", "ge", "remainder", "fmod", "bitwise_and", "bitwise_or", "bitwise_xor", "rsub",
        "__lshift__", "__rshift__", "bitwise_left_shift", "bitwise_right_shift",
    )
)  # fmt: skip
_FORMS: Final = {
    "select": "int", "transpose": "int", "split": "Tensor", "unbind": "int", "index": "Tensor", "where": "self",
    "var": "correction", "std": "correction", "squeeze": "dim", "repeat_interleave": "self_int", "gather": "default",
    "slice": "Tensor", "floor_divide": "default", "copy_": "default",
}  # fmt: skip
_ALONG: Final = {
    "sum": "dim_IntList",
    "mean": "dim",
    "max": "dim",
    "min": "dim",
    "any": "dim",
    "all": "dim",
    "prod": "dim_int",
}

_known: Final[dict[Any, str | None]] = {}


def _path(public: Any) -> str:
    """Where a program finds a public function: ``torch.Tensor.add``."""
    from .calls import NAMES

    return NAMES.get(public, "")


def aten_name(public: Any) -> str | None:
    """The name under ``torch.ops.aten`` of what a public function does; None for what is no operation."""
    if public in _known:
        return _known[public]
    space, _, short = _path(public).rpartition(".")
    name: str | None = _OF_OPERATORS.get(short, short)
    assert name is not None
    if (
        not space
        or short in _NOT_OPERATIONS
        or short.startswith("is_")
        or (name.startswith("__") and name not in ("__lshift__", "__rshift__"))
        or space == "torch.nn.init"
    ):
        name = None
    elif space in ("torch.linalg", "torch.fft", "torch.special"):
        name = f"{space.rpartition('.')[2]}_{name}"
    else:
        name = _RENAMED.get(name, name)
    _known[public] = name
    return name


def _form(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    base = name.removesuffix("_") if not name.startswith("_") else name
    other = args[1] if len(args) > 1 else kwargs.get("other")
    if kwargs.get("out") is not None:
        return "out"
    number_first = bool(args) and not isinstance(args[0], Tensor)
    if base in _TENSORS_ALONE:
        return "Tensor"
    if base in _WITH_NUMBERS:
        return "Scalar_Tensor" if number_first else "Tensor" if isinstance(other, Tensor) else "Scalar"
    if base == "pow":
        kind = "Tensor" if isinstance(other, Tensor) else "Scalar"
        return "Scalar" if number_first else kind if name == "pow_" else "Tensor_" + kind
    if base in _ALONG and (len(args) > 1 or "dim" in kwargs):
        return "other" if base in ("max", "min") and isinstance(other, Tensor) else _ALONG[base]
    if base == "masked_fill":
        return "Tensor" if len(args) > 2 and isinstance(args[2], Tensor) else "Scalar"
    return _FORMS.get(name, "default")


class DispatchEntry:
    """A dispatch mode among the modes that functions ask."""

    def __init__(self, mode: Any) -> None:
        self.mode = mode

    def asked(self, public: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the mode answers for ``public(*args, **kwargs)``; it and those inside of it are off meanwhile."""
        name = aten_name(public)
        assert name is not None
        call = partial(public, *args, **kwargs)
        if _path(public).rpartition(".")[2] in _RIGHT_FIRST:
            args = (args[1], args[0])
        composed = _COMPOSED.get(name)
        if composed is not None:
            result = composed(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if name == "convolution":
            args, kwargs = _convolution(public, args, kwargs)
        modes, before = STATE.modes, STATE.call
        STATE.modes = modes[: modes.index(self)]
        operation = operation_named(name, _form(name, args, kwargs), public)
        STATE.call = (operation, args, kwargs, call)
        try:
            result = self.mode.__torch_dispatch__(operation, (), args, kwargs)
        finally:
            STATE.modes, STATE.call = modes, before
        if result is NotImplemented:
            raise TypeError(
                f"Multiple dispatch failed for '{operation}'; all __torch_dispatch__ handlers returned NotImplemented:\n"
                f"  - mode object {self.mode!r}"
            )
        return result


def operation_named(name: str, form: str, public: Callable[..., Any]) -> Any:
    """``torch.ops.aten.<name>.<form>``, which the program may compare with."""
    from ..operators import OpOverloadPacket, namespace

    aten = namespace("aten")
    try:
        packet = getattr(aten, name)
    except AttributeError:
        packet = aten._packets[name] = OpOverloadPacket("aten", name, public)
    return getattr(packet, form)


# --- what PyTorch composes of operations ----------------------------------------------------------------------------------


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)) or weight.dim() != 2 or input.dim() < 2:
        return NotImplemented
    columns = t(weight)
    rows = input if input.dim() == 2 else input.reshape(-1, input.shape[-1])
    result = mm(rows, columns) if bias is None else addmm(bias, rows, columns)
    return result if input.dim() == 2 else result.reshape(*input.shape[:-1], weight.shape[0])


def _matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)) or out is not None:
        return NotImplemented
    alone = {(1, 1): dot, (2, 1): mv, (2, 2): mm}.get((input.dim(), other.dim()))
    if alone is not None:
        return alone(input, other)
    if input.dim() > 2 and other.dim() == 2:
        return mm(input.reshape(-1, input.shape[-1]), other).reshape(*input.shape[:-1], other.shape[-1])
    if input.dim() > 2 and other.dim() > 2:
        stack = broadcast_shapes(input.shape[:-2], other.shape[:-2])
        left = input.expand(*stack, *input.shape[-2:]).reshape(-1, *input.shape[-2:])
        right = other.expand(*stack, *other.shape[-2:]).reshape(-1, *other.shape[-2:])
        return bmm(left, right).reshape(*stack, input.shape[-2], other.shape[-1])
    return NotImplemented


def _divided_by(divisor: Tensor, dividend: Any) -> Any:
    if isinstance(dividend, Tensor):
        return div(dividend, divisor)
    return mul(reciprocal(divisor), dividend)


def _by_transposed(a: Tensor, b: Tensor) -> Any:
    return mm(a, t(b))


def _transposed_by(a: Tensor, b: Tensor) -> Any:
    return mm(t(a), b)


_COMPOSED: Final[dict[str, Callable[..., Any]]] = {
    "linear": _linear, "matmul": _matmul, "mm_nt": _by_transposed, "mm_tn": _transposed_by, "batched": _matmul,
    "divided_by": _divided_by,
}  # fmt: skip
# What backward of products calls. No program knows these, so nobody else is asked about them.
WITHIN: Final[dict[Any, str]] = {
    linalg.mm_nt: "mm_nt", linalg.mm_tn: "mm_tn", linalg.batched: "batched",
}  # fmt: skip
_known.update(WITHIN)


def _convolution(
    public: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as ``aten.convolution`` has them; as they are where the function will refuse them."""
    transposed = "transpose" in public.__name__
    names = ["input", "weight", "bias", "stride", "padding"]
    names += ["output_padding", "groups", "dilation"] if transposed else ["dilation", "groups"]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if not isinstance(given.get("input"), Tensor) or not isinstance(given.get("weight"), Tensor):
        return args, kwargs
    places = given["weight"].dim() - 2

    def several(name: str, default: int) -> Any:
        value = given.get(name, default)
        return (
            [value] * places if isinstance(value, int) else value if isinstance(value, str) else list(value)
        )

    return (
        given["input"], given["weight"], given.get("bias"), several("stride", 1), several("padding", 0),
        several("dilation", 1), transposed, several("output_padding", 0), given.get("groups", 1),
    ), {}  # fmt: skip
