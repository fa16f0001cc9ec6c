"""Cross-entropy and negative log likelihood of classes.

For class numbers, softmax, logarithm and choice are one primitive: the loss needs the sum of the exponentials of each
row only, and backward turns the exponentials, which forward kept, into the gradient with one product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ...autograd.fused import fused
from ...core.dtypes import F32, F64, FLOATS, I64, LOW_PRECISION, OF_NUMPY, uint8
from ...core.grad_mode import GRAD_MODE
from ...core.history import NamedByNode, Node, versions_of
from ...core.storage import Storage, program_site
from ...core.tensor import Tensor, make_tensor
from ...ops.activations import SOFTMAX, log_softmax
from ...ops.comparison import ne, where
from ...ops.creation import zeros_like
from ...ops.define import Primitive
from ...ops.dispatch import FloatingPointReport, apply, compute, not_implemented, type_name
from ...ops.indexing import index_select
from ...ops.movement import cast, reshape, unsqueeze
from ...ops.pointwise import add, div, mul, neg, sub
from ...ops.reductions import sum as sum_of, sum_array
from ...ops.scattering import scatter
from .loss_reduction import check_reduction, chosen_reduction, reduced, refuse_gradient

grad_enabled = GRAD_MODE.get
ndarray = np.ndarray
asarray = np.asarray
max_reduce: Any = np.maximum.reduce

_SMALL: Final = 4096
_COUNTS: Final = np.arange(_SMALL)
_ONES: Final = {F32: np.ones(_SMALL, F32), F64: np.ones(_SMALL, F64)}


def _count_to(n: int) -> Any:
    return _COUNTS[:n] if n <= _SMALL else np.arange(n)


def _row_maxima(x: Any) -> Any:
    """The greatest of each row (dimension 1), which stays with extent 1."""
    if x.ndim == 2 and x.flags.c_contiguous:
        # NumPy finds the place of the maximum of a short row five times as fast as the maximum.
        places = x.argmax(1)
        places += _COUNTS[: x.size : x.shape[1]] if x.size <= _SMALL else _count_to(len(x)) * x.shape[1]
        return x.take(places)[:, None]
    return max_reduce(x, 1, None, None, True)


_WORD: Final = np.dtype(np.uint64)


def _are_classes(target: Any, classes: int) -> bool:
    """Whether all elements of an index are from 0 to ``classes - 1``; negative ones are large as unsigned ones."""
    if target.dtype != I64:
        return bool(((target >= 0) & (target < classes)).all())
    words = target.view(_WORD)
    return not target.size or words.item(words.argmax()) < classes


def _chosen(rows: Any, target: Any) -> Any:
    """Of each row of a contiguous array of at most ``_SMALL`` elements the one that ``target`` names; it has been checked."""
    return rows.take(_COUNTS[: rows.size : rows.shape[1]] + target)


def _in_rows(x: Any, target: Any) -> tuple[Any, Any]:
    """``x`` as (rows, classes) or (batch, classes, places), the target as (rows) or (batch, places)."""
    if x.ndim == 2:
        return x, target
    if x.ndim == 1:
        return x[None], target.reshape(1)
    return x.reshape(*x.shape[:2], -1), target.reshape(x.shape[0], -1)


def _at_targets(target: Any) -> tuple[Any, ...]:
    """NumPy's index of the elements of the target classes."""
    rows = _count_to(len(target))
    if target.ndim == 1:
        return rows, target
    return rows[:, None], target, _count_to(target.shape[1])


def _shares(target: Any, weight: Any, classes: int, ignore_index: int, dtype: Any) -> tuple[Any, Any]:
    """The weight of each target's loss (None: all 1), and the target with the ignored ones moved to class 0.

    Raises ``IndexError`` for a target that is no class.
    """
    if weight is None and ignore_index < 0 and _are_classes(target, classes):
        return None, target
    kept = target != ignore_index
    wrong = kept & ((target < 0) | (target >= classes))
    if wrong.any():
        raise IndexError(f"Target {target[wrong][0]} is out of bounds.")
    inside = np.where(kept, target, 0)
    if weight is None:
        return kept.astype(dtype), inside
    if not classes:
        return np.zeros(inside.shape, dtype), inside
    return np.where(kept, weight[inside], weight.dtype.type(0)).astype(dtype), inside


def _reduce(losses: Any, shares: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    if reduction == "none":
        return losses.reshape(shape)
    total = sum_array(losses, None, False)
    if reduction == "sum":
        return total
    divisor = losses.size if shares is None else sum_array(shares, None, False)
    return np.true_divide(total, divisor).astype(losses.dtype)


# --- negative log likelihood ------------------------------------------------------------------------------------------


def _nll_impl(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    dtype, shape = x.dtype, target.shape if x.ndim > 1 else ()
    x, target = _in_rows(x, target)
    wide = F32 if dtype in LOW_PRECISION else dtype
    labels = target
    shares, target = _shares(target, weight, x.shape[1], ignore_index, wide)
    if not x.shape[1]:
        losses = np.zeros(target.shape, wide)
    else:
        losses = np.negative(x[_at_targets(target)], dtype=wide)
    if shares is not None:
        losses = _weighted(losses, shares, labels != ignore_index)
    if dtype in LOW_PRECISION and reduction != "none":
        divisor = losses.size if shares is None else sum_array(shares, None, False)
        total = _sum_in_steps(losses.reshape(-1).astype(dtype), dtype)
        return asarray(
            total if reduction == "sum" else np.true_divide(total, asarray(divisor, dtype))
        ).astype(dtype)
    return asarray(_reduce(losses, shares, reduction, shape)).astype(dtype, copy=False)


def _sum_in_steps(losses: Any, dtype: Any) -> Any:
    """The sum of float16 or bfloat16 losses with every addition rounded, in the order of PyTorch's kernel: groups of
    sixteen (more in long arrays), then groups of their sums, and so on, seven times; the first stands alone every time."""

    def rounded(values: Any) -> Any:
        return values.astype(dtype).astype(F32)

    def along_rows(rows: Any) -> Any:
        total = np.zeros(len(rows), F32)
        for column in rows.T:
            total = rounded(total + column)
        return total

    width = 1 << max(4, max(len(losses) - 1, 0).bit_length() // 8)
    values, left_over = losses.astype(F32), []
    for _ in range(7):
        groups = max(len(values) - 1, 0) // width
        grouped, left = values[1 : 1 + groups * width], values[1 + groups * width :]
        left_over.append(along_rows(left[None])[0])
        values = np.concatenate([values[:1], along_rows(grouped.reshape(groups, width))])
    left_over.append(along_rows(values[None])[0])
    return along_rows(np.stack(left_over)[None])[0].astype(dtype)


def _weighted(losses: Any, shares: Any, kept: Any) -> Any:
    """The losses times what they count: 0 where the target is ignored, also of infinite ones; a class's weight of 0 makes nan
    of those."""
    return np.where(kept, losses * shares, losses.dtype.type(0))


def _nll_vjp(g: Tensor, node: Node) -> tuple[Tensor, None, None]:
    target, weight = node.unpack()
    edge = node.edges[0]
    assert edge is not None
    attrs = {**node.attrs, "shape": edge.shape}
    return apply(NLL_BACKWARD, (g, target, weight), attrs), None, None


def _nll_backward_impl(
    g: Any, target: Any, weight: Any, reduction: str, ignore_index: int, shape: tuple[int, ...]
) -> Any:
    gradient = np.zeros(shape, g.dtype)
    rows, target = _in_rows(gradient, target)
    shares, target = _shares(target, weight, rows.shape[1], ignore_index, g.dtype)
    if rows.size:
        rows[_at_targets(target)] = np.negative(_spread(g, shares, target, reduction))
    return gradient


def _spread(g: Any, shares: Any, target: Any, reduction: str) -> Any:
    """The gradient of each target's loss from that of their reduction."""
    if reduction == "none":
        g = g.reshape(target.shape)
        return g if shares is None else np.where(shares == 0, g.dtype.type(0), g * shares)
    if shares is None:
        return g / max(target.size, 1) if reduction == "mean" else g
    if reduction == "mean":
        g = np.true_divide(g, sum_array(shares, None, False))
    return np.where(shares == 0, g.dtype.type(0), (g * shares).astype(g.dtype))


def _nll_backward_vjp(gg: Tensor, node: Node) -> tuple[Tensor, None, None]:
    target, weight = node.unpack()
    attrs = {"reduction": node.attrs["reduction"], "ignore_index": node.attrs["ignore_index"]}
    return apply(NLL, (gg, target, weight), attrs), None, None


def _nll_samples() -> Any:
    x, target = np.log([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]]), np.array([0, 2])
    for weight in (None, np.array([1.0, 2.0, 0.5])):
        for reduction in ("mean", "sum", "none"):
            yield (x, target, weight), {"reduction": reduction, "ignore_index": -100}


def _nll_name(node: Node) -> str:
    edge = node.edges[0]
    return f"NllLoss{'2D' if edge is not None and len(edge.shape) > 2 else ''}Backward0"


NLL = Primitive(
    "nll_loss",
    _nll_impl,
    _nll_vjp,
    saves=((1, (0,)), (2, (0,))),
    samples=_nll_samples,
    grad_name=NamedByNode(_nll_name),
)  # operands: input, target, weight
NLL_BACKWARD = Primitive(
    "nll_loss_backward", _nll_backward_impl, _nll_backward_vjp, saves=((1, (0,)), (2, (0,)))
)


def _checked_target(name: str, input: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """``target`` as int64; raises what PyTorch raises where shapes and dtypes do not go together."""
    if not isinstance(target, Tensor):
        raise TypeError(
            f"{name}(): argument 'target' (position 2) must be Tensor, not {type(target).__name__}"
        )
    x, t = input._array, target._array
    if not x.ndim:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if x.ndim == 1:
        if t.ndim == 1 and len(t) != 1:
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {len(t)}")
    elif not t.ndim or len(x) != len(t):
        given = len(t) if t.ndim else "none"
        raise ValueError(f"Expected input batch_size ({len(x)}) to match target batch_size ({given}).")
    if x.ndim <= 2 and t.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if x.ndim > 2 and t.shape != (len(x), *x.shape[2:]):
        raise RuntimeError(f"Expected target size {[len(x), *x.shape[2:]]}, got {list(t.shape)}")
    if t.dtype != I64 and OF_NUMPY[t.dtype] is not uint8:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {type_name(t.dtype)}")
    if weight is not None:
        check_class_weight("nll_loss_forward", x, weight)
    return target if t.dtype == I64 else cast(target, I64)


def check_class_weight(name: str, x: Any, weight: Tensor) -> None:
    classes = x.shape[1 if x.ndim > 1 else 0]
    if weight._array.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: "
            f"{list(weight._array.shape)}"
        )
    if weight._array.dtype != x.dtype:
        raise RuntimeError(
            f"expected scalar type {type_name(x.dtype)} but found {type_name(weight._array.dtype)}"
        )
    refuse_gradient(name, "weight", weight)


def _few_nll(input: Tensor, target: Tensor, ignore_index: int, reduction: str) -> Tensor | None:
    """The loss of few rows, all of which count; None for anything else."""
    x, t = input._array, target._array
    if (
        type(x) is not ndarray
        or type(t) is not ndarray
        or x.ndim != 2
        or t.shape != x.shape[:1]
        or (x.dtype is not F32 and x.dtype is not F64)
        or t.dtype is not I64
        or not 0 < x.size <= _SMALL
        or not _are_classes(t, x.shape[1])
    ):
        return None
    losses = _chosen(x, t)
    if reduction == "none":
        loss = np.negative(losses, losses)
    else:
        total = losses.dot(_ONES[x.dtype][: len(losses)])
        loss = asarray(total / -len(losses) if reduction == "mean" else -total)
    edge = input._node
    if edge is None or not grad_enabled():
        return make_tensor(loss)
    saved = (target, None)
    attrs = {"reduction": reduction, "ignore_index": ignore_index}
    edges = (edge, None, None)
    return make_tensor(loss, Node(NLL, edges, loss, saved, attrs, program_site(), versions_of(saved)))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative of the log-probabilities ``input`` (N, C, …) at the class numbers ``target`` (N, …).

    ``weight`` (C) is what a class's losses count; the mean is divided by the sum of what counts. Targets equal to
    ``ignore_index`` do not count. Raises ``IndexError`` for a target that is no class, ``ValueError`` and
    ``RuntimeError`` for shapes and dtypes that do not go together.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.nll_loss(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
        tensor(2.)
    """
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if weight is None and ignore_index < 0 and isinstance(target, Tensor):
        quick = _few_nll(input, target, ignore_index, reduction)
        if quick is not None:
            return quick
    target = _checked_target("nll_loss_nd", input, target, weight)
    if input._array.dtype not in FLOATS:
        raise not_implemented("nll_loss_out_frame", input._array.dtype)
    return apply(NLL, (input, target, weight), {"reduction": reduction, "ignore_index": ignore_index})  # type: ignore[no-any-return]


# --- cross entropy ----------------------------------------------------------------------------------------------------


def _cross_entropy_forward(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    """The loss, the exponentials of ``x`` less the greatest of each row, and their sums over classes."""
    dtype, shape = x.dtype, target.shape if x.ndim > 1 else ()
    x, target = _in_rows(x, target)
    if dtype in LOW_PRECISION:
        x = x.astype(F32)
    classes = x.shape[1]
    labels = target
    shares, target = _shares(target, weight, classes, ignore_index, x.dtype)
    if not x.size:
        losses = np.zeros(target.shape, x.dtype)
        exponentials, sums = x, losses
    else:
        exponentials = x - _row_maxima(x)
        chosen = exponentials[_at_targets(target)]
        np.exp(exponentials, exponentials)
        sums = sum_array(exponentials, (1,), False)
        losses = np.log(sums)
        losses -= chosen
        if shares is not None:
            losses = _weighted(losses, shares, labels != ignore_index)
    return asarray(_reduce(losses, shares, reduction, shape)).astype(dtype, copy=False), exponentials, sums


def _cross_entropy_impl(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    return _cross_entropy_forward(x, target, weight, reduction, ignore_index)[0]


def _cross_entropy_vjp(g: Tensor, node: Node) -> tuple[Tensor, None, None]:
    exponentials, sums, target, weight = node.unpack()
    edge = node.edges[0]
    assert edge is not None
    if not grad_enabled():
        attrs = {**node.attrs, "shape": edge.shape}
        return apply(CROSS_ENTROPY_BACKWARD, (g, exponentials, sums, target, weight), attrs), None, None
    # The exponentials over their sums are softmax(x): said here, where their history matters.
    shape = edge.shape
    dim = 1 if len(shape) > 1 else 0
    with np.errstate(all="ignore"):
        array = (exponentials._array / sums._array[:, None]).astype(edge.dtype).reshape(shape)
    softmax_node = Node(SOFTMAX, (edge,), array, None, {"dim": dim})
    softmax_node.output = (array, Storage(), 0)
    softmax = make_tensor(array, softmax_node)
    if not dim:
        target = reshape(target, ())
    kept = ne(target, node.attrs["ignore_index"])
    target = where(kept, target, 0)
    if weight is None:
        shares = cast(kept, edge.dtype)
    else:
        shares = where(kept, reshape(index_select(weight, 0, reshape(target, (-1,))), target.shape), 0.0)
    if node.attrs["reduction"] == "mean":
        g = div(g, sum_of(shares))
    shares = unsqueeze(mul(shares, reshape(g, target.shape) if node.attrs["reduction"] == "none" else g), dim)
    chosen = scatter(zeros_like(softmax.detach()), dim, unsqueeze(target, dim), 1.0)
    return mul(sub(softmax, chosen), shares), None, None


CROSS_ENTROPY = Primitive(
    "cross_entropy_loss",
    _cross_entropy_impl,
    _cross_entropy_vjp,
    grad_name=NamedByNode(_nll_name),
    samples=_nll_samples,
)  # operands: input, target, weight; keeps exponentials, sums, target, weight


def _cross_entropy_backward_impl(
    g: Any,
    exponentials: Any,
    sums: Any,
    target: Any,
    weight: Any,
    reduction: str,
    ignore_index: int,
    shape: tuple[int, ...],
) -> Any:
    if not exponentials.size:
        return np.zeros(shape, exponentials.dtype)
    target = target.reshape(sums.shape)
    shares, target = _shares(target, weight, exponentials.shape[1], ignore_index, exponentials.dtype)
    g = _spread(g.astype(exponentials.dtype, copy=False), shares, target, reduction)
    gradient = exponentials * (g / sums)[:, None]
    gradient[_at_targets(target)] -= g
    return gradient.reshape(shape)


CROSS_ENTROPY_BACKWARD = Primitive("cross_entropy_loss_backward", _cross_entropy_backward_impl)


def _mean_of_rows(x: Any, target: Any) -> Any:
    """``_cross_entropy_forward`` for the common case: the mean over at most ``_SMALL`` rows, none of them ignored."""
    rows, classes = x.shape
    exponentials = x - _row_maxima(x)
    chosen = _chosen(exponentials, target) if x.size <= _SMALL else exponentials[_COUNTS[:rows], target]
    np.exp(exponentials, exponentials)
    ones = _ONES[x.dtype]
    # One BLAS call for few elements only: more would wake its threads.
    sums = exponentials.dot(ones[:classes]) if x.size <= _SMALL else sum_array(exponentials, (1,), False)
    losses = np.log(sums)
    losses -= chosen
    return asarray(losses.dot(ones[:rows]) / x.dtype.type(rows)), exponentials, sums


def _of_parts(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    logarithms = log_softmax(input, 1 if input._array.ndim > 1 else 0)
    return nll_loss(logarithms, target, weight, ignore_index=ignore_index, reduction=reduction)


# From so many elements on, two compiled kernels, one each way, that keep nothing but the input.
_LARGE: Final = 65_536
_large: Callable[..., Tensor] = fused(_of_parts, name="nll_loss", from_size=_LARGE)


def _fused(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    x, t = input._array, target._array
    if type(x) is not ndarray or type(t) is not ndarray:
        # The compiler makes one kernel of the parts; batches have rules for them.
        return _of_parts(input, target, weight, ignore_index, reduction)
    if x.size >= _LARGE and x.dtype in _ONES and t.dtype == I64:
        return _large(input, target, weight, ignore_index, reduction)
    forward: Any
    arrays: tuple[Any, ...]
    if (
        reduction == "mean"
        and weight is None
        and ignore_index < 0
        and x.ndim == 2
        and t.ndim == 1
        and x.dtype in _ONES
        and 0 < len(x) <= _SMALL
        and _are_classes(t, x.shape[1])
    ):
        forward, arrays = _mean_of_rows, (x, t)
    else:
        forward = _cross_entropy_forward
        arrays = (x, t, None if weight is None else weight._array, reduction, ignore_index)
    try:
        loss, exponentials, sums = forward(*arrays)
    except FloatingPointReport:
        loss, exponentials, sums = compute(forward, arrays, {})
    edge = input._node
    if edge is None or not grad_enabled():
        return make_tensor(loss)
    saved = (make_tensor(exponentials), make_tensor(sums), target, weight)
    attrs = {"reduction": reduction, "ignore_index": ignore_index}
    node = Node(CROSS_ENTROPY, (edge, None, None), loss, saved, attrs, program_site())
    if target._storage is not None or weight is not None:
        node.versions = versions_of(saved)
    return make_tensor(loss, node)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative log likelihood of targets under ``softmax(input)``; ``input`` is (N, C, …) or (C).

    ``target`` holds class numbers, (N, …), or for each place the probabilities of all classes, in the input's shape.
    ``label_smoothing`` mixes that share of an even distribution into them; see ``nll_loss`` for the other arguments and
    for errors.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
        tensor(1.3863)
    """
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(size_average, reduce, reduction)
    if not isinstance(target, Tensor):
        raise TypeError(
            f"cross_entropy_loss(): argument 'target' (position 2) must be Tensor, not {type(target).__name__}"
        )
    x, t = input._array, target._array
    if (
        x.ndim == 2
        and t.ndim == 1
        and weight is None
        and len(x) == len(t)
        and (x.dtype is F32 or x.dtype is F64)
        and t.dtype == I64
        and label_smoothing <= 0
        and reduction in ("mean", "sum", "none")
    ):
        return _fused(input, target, None, ignore_index, reduction)
    check_reduction(reduction)
    if x.shape == t.shape and (x.ndim != 1 or len(x) != 1 or t.dtype in FLOATS):
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    if x.dtype not in FLOATS:
        raise not_implemented("log_softmax_lastdim_kernel_impl", x.dtype)
    target = _checked_target("cross_entropy_loss", input, target, weight)
    if label_smoothing <= 0:
        if x.dtype in LOW_PRECISION:  # rounded where PyTorch rounds
            attrs = {"reduction": reduction, "ignore_index": ignore_index}
            return apply(NLL, (log_softmax(input, 1 if x.ndim > 1 else 0), target, weight), attrs)  # type: ignore[no-any-return]
        return _fused(input, target, weight, ignore_index, reduction)
    return _smoothed(input, target, weight, ignore_index, reduction, label_smoothing)


def _check_smoothing(label_smoothing: float) -> None:
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")


def _over_classes(weight: Tensor, input: Tensor) -> Tensor:
    """The weights of the classes, shaped to multiply ``input``."""
    return reshape(weight, (-1,) + (1,) * max(input._array.ndim - 2, 0))


def _smoothed(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    _check_smoothing(label_smoothing)
    dim = 1 if input._array.ndim > 1 else 0
    likelihoods = log_softmax(input, dim)
    attrs = {"reduction": reduction, "ignore_index": ignore_index}
    exact = apply(NLL, (likelihoods, target, weight), attrs)
    classes = input._array.shape[dim]
    even = likelihoods if weight is None else mul(likelihoods, _over_classes(weight, input))
    even = reshape(neg(sum_of(even, dim)), target.shape)
    kept = ne(target, ignore_index)
    even = where(kept, even, 0.0)
    if reduction == "mean":
        if weight is None:
            counted = sum_of(cast(kept, even._array.dtype))
        else:
            chosen = index_select(weight, 0, reshape(where(kept, target, 0), (-1,)))
            counted = sum_of(where(kept, reshape(chosen, target.shape), 0.0))
        even = div(sum_of(even), counted)
    else:
        even = reduced(even, reduction)
    return add(mul(exact, 1 - label_smoothing), mul(even, label_smoothing / classes))  # type: ignore[no-any-return]


def _of_probabilities(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    x = input._array
    if target._array.dtype not in FLOATS:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {type_name(target._array.dtype)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if x.dtype not in FLOATS:
        raise not_implemented("log_softmax_lastdim_kernel_impl", x.dtype)
    dim = 1 if x.ndim > 1 else 0
    classes = x.shape[dim] if x.ndim else 1
    if weight is not None and weight._array.shape != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got weight "
            f"tensor of shape: {list(weight._array.shape)}"
        )
    if label_smoothing > 0:
        _check_smoothing(label_smoothing)
        target = add(mul(target, 1 - label_smoothing), label_smoothing / classes)
    losses = mul(log_softmax(input, dim), target)
    if weight is not None:
        losses = mul(losses, _over_classes(weight, input))
    losses = neg(sum_of(losses, dim))
    if reduction == "mean":
        return div(sum_of(losses), losses._array.size)
    return reduced(losses, reduction)
