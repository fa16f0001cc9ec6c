"""Losses of numbers against numbers: squared and absolute errors, and likelihoods of simple distributions."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ...core.arguments import check_tensor as check_tensor_argument
from ...core.dtypes import BF16, F32, F64, FLOATS, LOW_PRECISION
from ...core.grad_mode import GRAD_MODE
from ...core.history import Node, known_as, versions_of
from ...core.shapes import broadcast_shape, count
from ...core.storage import program_site
from ...core.tensor import Tensor, make_tensor
from ...ops.activations import logsigmoid
from ...ops.bounds import clamp_min
from ...ops.comparison import ge, gt, lt, where
from ...ops.define import Primitive
from ...ops.dispatch import FloatingPointReport, apply, common_dtype, compute, not_implemented, type_name
from ...ops.functions import abs as abs_of, sigmoid, xlogy
from ...ops.movement import cast, unsqueeze
from ...ops.placement import tensor_beside
from ...ops.pointwise import SUB, add, div, in_float32, mul, neg, sub
from ...ops.powers import exp, log, square
from ...ops.reductions import mean as mean_of, sum as sum_of, sum_array
from ...runtime.batched import whole
from ...runtime.pending import Pending
from .clipped_error import HUBER, SMOOTH_L1, clipped_error
from .loss_reduction import (
    check_reduction,
    check_weighted_reduction,
    chosen_reduction,
    reduced,
    refuse_gradient,
    warn_of_shapes,
    weighted,
)

grad_enabled = GRAD_MODE.get
ndarray = np.ndarray
asarray = np.asarray
_ZERO = {F32: np.zeros((), F32), F64: np.zeros((), F64)}
_BLOCK = 8192  # elements of one BLAS dot product: OpenBLAS wakes its threads for more than 10,000


# --- squared error ----------------------------------------------------------------------------------------------------


def sum_of_squares(x: Any) -> Any:
    """The sum of the squares of a float32 or float64 array, without an array of squares."""
    flat = x.ravel(order="K")
    if len(flat) <= _BLOCK:
        return flat.dot(flat)
    whole = len(flat) // _BLOCK * _BLOCK
    parts = [block.dot(block) for block in flat[:whole].reshape(-1, _BLOCK)]
    rest = flat[whole:]
    parts.append(rest.dot(rest))
    return np.add.reduce(asarray(parts))


def _squared_error(difference: Any, reduction: str) -> Any:
    if reduction == "none":
        return difference * difference
    total = sum_of_squares(difference)
    if reduction == "mean":
        total = total / len(difference.reshape(-1)) if difference.size else difference.dtype.type(np.nan)
    return total


def _mse_impl(x: Any, y: Any, reduction: str) -> Any:
    return asarray(_squared_error(x - y, reduction))


def _mse_vjp(g: Tensor, node: Node) -> tuple[Tensor | None, Tensor | None]:
    (difference,) = node.unpack()
    edge_x, edge_y = node.edges
    if grad_enabled():
        # The saved array is x - y: said here, where its history matters.
        difference = make_tensor(difference._array, Node(SUB, node.edges, difference._array))
    scale = 2.0
    if node.attrs["reduction"] == "mean":
        scale = 2.0 / max(difference._array.size, 1)
    gradient = mul(difference, mul(g, scale))
    return (None if edge_x is None else gradient, None if edge_y is None else neg(gradient))


MSE_LOSS = Primitive(
    "mse_loss",
    _mse_impl,
    _mse_vjp,
    samples=lambda: [
        ((np.arange(6.0).reshape(2, 3), np.ones((2, 3))), {"reduction": reduction})
        for reduction in ("mean", "sum", "none")
    ],
)


def _mse(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    x, y = input._array, target._array
    dtype = x.dtype
    if (dtype is not F32 and dtype is not F64) or dtype is not y.dtype or type(x) is not ndarray:
        common = common_dtype((input, target))
        if common not in FLOATS:
            raise not_implemented("mse", common)
        if common in LOW_PRECISION:
            # Each square is rounded where they stay, and only their sum where they do not.
            if reduction == "none":
                deviation = cast(sub(input, target), F32)
                return cast(mul(deviation, deviation), common)
            return cast(_mse(cast(input, F32), cast(target, F32), reduction), common)
        if x.dtype != common or y.dtype != common:
            return _mse(cast(input, common), cast(target, common), reduction)
    if x.shape != y.shape:
        broadcast_shape(x.shape, y.shape)  # raises in PyTorch's words
    if type(x) is not ndarray or type(y) is not ndarray:
        deviation = sub(input, target)
        squares = mul(deviation, deviation)
        return squares if reduction == "none" else sum_of(squares) if reduction == "sum" else mean_of(squares)
    try:
        difference = x - y
    except FloatingPointReport:
        difference = compute(np.subtract, (x, y), {})
    if type(difference) is not ndarray:
        difference = asarray(difference)
    array = asarray(compute(_squared_error, (difference, reduction), {}))
    edges = (input._node, target._node)
    if (edges[0] is None and edges[1] is None) or not grad_enabled():
        return make_tensor(array)
    # The difference is kept in place of the operands: backward then is one multiplication.
    saved = (make_tensor(difference),)
    return make_tensor(array, Node(MSE_LOSS, edges, array, saved, {"reduction": reduction}, program_site()))


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean (``reduction="mean"``), sum or all of the squared differences; with ``weight`` a weighted mean or sum.

    Input and target broadcast, with a warning. Raises ``RuntimeError`` where they can't, ``ValueError`` for another
    reduction or a weight of another shape.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
        tensor(2.5000)
    """
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(size_average, reduce, reduction)
    if input._array.shape != target._array.shape:
        warn_of_shapes(input, target)
    if weight is not None:
        return weighted(square(sub(input, target)), weight, reduction)
    if reduction not in ("mean", "sum", "none"):
        check_reduction(reduction)
    return _mse(input, target, reduction)


# --- absolute error ---------------------------------------------------------------------------------------------------


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean, sum or all of the absolute differences; see ``mse_loss`` for the arguments.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]), reduction="sum")
        tensor(3.)
    """
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(size_average, reduce, reduction)
    warn_of_shapes(input, target)
    losses = abs_of(sub(input, target))
    return reduced(losses, reduction) if weight is None else weighted(losses, weight, reduction)


def _refuse_exact(name: str, input: Tensor, target: Tensor) -> None:
    dtype = common_dtype((input, target))
    if dtype not in FLOATS:
        raise not_implemented(name, dtype)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Half the squared difference over ``beta`` where it is below ``beta``, the absolute one less ``beta / 2`` elsewhere.

    Girshick, "Fast R-CNN", 2015. Raises ``RuntimeError`` for a negative ``beta``.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    warn_of_shapes(input, target)
    check_reduction(reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    quick = clipped_error(SMOOTH_L1, input, target, beta, reduction)
    if quick is not None:
        return quick
    _refuse_exact("smooth_l1", input, target)
    if input._array.dtype == BF16 and target._array.dtype == BF16:
        return known_as(
            reduced(in_float32(_smooth_l1, input, target, beta), reduction), "SmoothL1LossBackward0"
        )
    return known_as(reduced(_smooth_l1(input, target, beta), reduction), "SmoothL1LossBackward0")


def _smooth_l1(input: Tensor, target: Tensor, beta: float) -> Tensor:
    difference = sub(input, target)
    size = abs_of(difference)
    is_far = ge(size, beta)
    # The square of an infinite one has an infinite slope, and 0 times that would reach the gradient.
    near = mul(square(where(is_far, 0.0, difference)), 0.5 / beta)
    return where(is_far, sub(size, 0.5 * beta), near)  # type: ignore[no-any-return]


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Half the squared difference where it is at most ``delta``, ``delta * (abs - delta / 2)`` elsewhere.

    Huber, "Robust estimation of a location parameter", 1964. Raises ``RuntimeError`` unless ``delta`` is positive.
    """
    warn_of_shapes(input, target)
    (check_reduction if weight is None else check_weighted_reduction)(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    quick = clipped_error(HUBER, input, target, delta, reduction) if weight is None else None
    if quick is not None:
        return quick
    _refuse_exact("huber", input, target)
    difference = sub(input, target)
    size = abs_of(difference)
    is_far = gt(size, delta)
    near = mul(square(where(is_far, 0.0, difference)), 0.5)  # as above
    losses = where(is_far, mul(sub(size, 0.5 * delta), delta), near)
    if input._array.dtype in FLOATS:
        losses = cast(losses, input._array.dtype)
    if weight is not None:
        if weight._array.shape != input._array.shape:
            raise ValueError("Weights and input must have the same size.")
        losses = mul(losses, weight)
    return known_as(reduced(losses, reduction), "HuberLossBackward0")


# --- binary cross entropy ---------------------------------------------------------------------------------------------


def _bce_impl(x: Any, y: Any) -> Any:
    if x.dtype in LOW_PRECISION:
        return _bce_impl(x.astype(F32), y.astype(F32)).astype(x.dtype)
    with np.errstate(divide="ignore"):
        low = x.dtype.type(-100)  # log(0) counts as -100: a loss must stay finite
        return (y - 1) * np.maximum(np.log1p(-x), low) - y * np.maximum(np.log(x), low)


def _bce_vjp(g: Tensor, node: Node) -> tuple[Tensor | None, Tensor | None]:
    x, y = node.unpack()
    edge_x, edge_y = node.edges
    gradient = None
    if edge_x is not None:
        gradient = mul(g, div(sub(x, y), clamp_min(mul(sub(1.0, x), x), 1e-12)))
    return gradient, None if edge_y is None else mul(g, sub(log(sub(1.0, x)), log(x)))


BCE = Primitive(
    "binary_cross_entropy",
    _bce_impl,
    _bce_vjp,
    saves=((0, (0, 1)), (1, (0,))),
    samples=lambda: [(np.array([0.1, 0.5, 0.9]), np.array([0.0, 1.0, 0.25]))],
)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(y * log(x) + (1 - y) * log(1 - x))`` for probabilities ``x`` and targets ``y`` of one shape and dtype.

    Logarithms below -100 count as -100. Raises ``ValueError`` for different shapes and ``RuntimeError`` for numbers
    outside [0, 1].

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.25]), torch.tensor([0.0]))
        tensor(0.2877)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    x, y = input._array, target._array
    if x.shape != y.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    refuse_gradient("binary_cross_entropy", "weight", weight)
    if x.dtype != y.dtype:
        raise RuntimeError(f"Found dtype {type_name(y.dtype)} but expected {type_name(x.dtype)}")
    if x.dtype not in FLOATS:
        raise not_implemented("binary_cross_entropy", x.dtype)
    for name, array in (("input", x), ("target", y)):
        if type(array) is Pending and not getattr(array.tape, "may_look_at_values", True):
            continue  # a static graph checks no values, as PyTorch's compiler does not
        array = whole(array)
        if array.size and not (array.min() >= 0 and array.max() <= 1):
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    losses = apply(BCE, (input, target))
    if weight is not None:
        _check_broadcast(weight, x.shape)
        losses = mul(losses, weight)
    return known_as(reduced(losses, reduction), "BinaryCrossEntropyBackward0")


def _check_broadcast(weight: Tensor, shape: tuple[int, ...]) -> None:
    if broadcast_shape(shape, weight._array.shape) != shape:
        raise RuntimeError(
            f"weight of shape {list(weight._array.shape)} should be broadcastable to the input's shape {list(shape)}"
        )


def _logits_losses(x: Any, y: Any, weight: Any, pos_weight: Any) -> Any:
    # log(1 + exp(-x)) where the target is 1, and x more where it is 0: both from log(1 + exp(-|x|)), which is at most log 2.
    losses = asarray(np.abs(x))
    np.negative(losses, losses)
    np.exp(losses, losses)
    np.log1p(losses, losses)
    zero = _ZERO[x.dtype]  # an array: NumPy takes longer to look at a number than to compute
    losses -= np.minimum(x, zero)
    if pos_weight is None:
        losses += (1 - y) * x
    else:
        losses = losses * (y * (pos_weight - 1) + 1) + (1 - y) * x
    return losses if weight is None else losses * weight


def _logits_impl(x: Any, y: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    if x.dtype in LOW_PRECISION:
        weight, pos_weight = [None if a is None else a.astype(F32) for a in (weight, pos_weight)]
        return asarray(_logits_impl(x.astype(F32), y.astype(F32), weight, pos_weight, reduction)).astype(
            x.dtype
        )
    losses = _logits_losses(x, y, weight, pos_weight)
    if reduction == "none":
        return losses
    total = sum_array(losses, None, False)
    return asarray(total / losses.dtype.type(losses.size) if reduction == "mean" else total)


def _logits_vjp(g: Tensor, node: Node) -> tuple[Tensor | None, ...]:
    x, y, weight, pos_weight = node.unpack()
    edge_x, edge_y, *_ = node.edges
    if node.attrs["reduction"] == "mean":
        shape = x._array.shape if weight is None else broadcast_shape(x._array.shape, weight._array.shape)
        g = div(g, max(count(shape), 1))
    if weight is not None:
        g = mul(g, weight)
    gradient = target_gradient = None
    if edge_x is not None:
        if pos_weight is None:
            gradient = mul(sub(sigmoid(x), y), g)
        else:
            positive = mul(sigmoid(neg(x)), add(mul(y, sub(pos_weight, 1)), 1))
            gradient = mul(sub(sub(1, y), positive), g)
    if edge_y is not None:
        slope = neg(x) if pos_weight is None else neg(add(x, mul(sub(pos_weight, 1), logsigmoid(x))))
        target_gradient = mul(slope, g)
    return gradient, target_gradient, None, None


def _logits_samples() -> Any:
    x, y = np.array([-3.0, 0.0, 2.0]), np.array([0.0, 1.0, 0.25])
    for reduction in ("mean", "sum", "none"):
        yield (x, y, None, None), {"reduction": reduction}
        yield (x, y, np.array([1.0, 2.0, 0.5]), np.array([3.0])), {"reduction": reduction}


BCE_WITH_LOGITS = Primitive(
    "binary_cross_entropy_with_logits",
    _logits_impl,
    _logits_vjp,
    saves=((0, (0, 1)), (1, (0,)), (2, (0, 1)), (3, (0, 1))),
    samples=_logits_samples,
)  # operands: input, target, weight, pos_weight


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy`` of ``sigmoid(input)``, exact for logits of any size.

    ``pos_weight`` multiplies the losses of positives. Raises ``ValueError`` for different shapes.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([-1000.0]), torch.tensor([1.0]))
        tensor(1000.)
    """
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    x, y = input._array, target._array
    if x.shape != y.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if weight is not None:
        refuse_gradient("binary_cross_entropy_with_logits", "weight", weight)
    if pos_weight is not None:
        refuse_gradient("binary_cross_entropy_with_logits", "pos_weight", pos_weight)
    if y.dtype.kind in "biu":
        raise RuntimeError(f"result type Float can't be cast to the desired output type {type_name(y.dtype)}")
    if x.dtype not in FLOATS:
        raise not_implemented("log_sigmoid", x.dtype)
    if x.dtype != y.dtype:
        common = common_dtype((input, target))
        input, target = cast(input, common), cast(target, common)
    operands = (input, target, weight, pos_weight)
    attrs = {"reduction": reduction}
    dtype = x.dtype
    if (
        (dtype is not F32 and dtype is not F64)
        or weight is not None
        or pos_weight is not None
        or type(x) is not ndarray
        or type(y) is not ndarray
    ):
        return apply(BCE_WITH_LOGITS, operands, attrs)  # type: ignore[no-any-return]
    array = compute(_logits_impl, (input._array, target._array, None, None, reduction), {})
    edge_x, edge_y = input._node, target._node
    if (edge_x is None and edge_y is None) or not grad_enabled():
        return make_tensor(array)
    versions = None if input._storage is None and target._storage is None else versions_of(operands)
    edges = (edge_x, edge_y, None, None)
    return make_tensor(array, Node(BCE_WITH_LOGITS, edges, array, operands, attrs, program_site(), versions))


# --- likelihoods ------------------------------------------------------------------------------------------------------


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``target * (log(target) - input)``: the divergence from log-probabilities ``input`` to probabilities ``target``.

    With ``log_target`` the target holds log-probabilities too. ``reduction="batchmean"`` divides the sum by the number of
    rows, which is the divergence; ``"mean"`` divides by the number of elements, with a warning.
    Kullback and Leibler, "On information and sufficiency", 1951.

    Example:
        >>> import rushlight as torch
        >>> p = torch.tensor([[0.5, 0.5]])
        >>> torch.nn.functional.kl_div(torch.tensor([[0.25, 0.75]]).log(), p, reduction="batchmean")
        tensor(0.1438)
    """
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(size_average, reduce, reduction)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides only by "
            "the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the same as "
            "'batchmean' in the next major release.",
            stacklevel=2,
        )
    by_row = reduction == "batchmean"
    if not by_row:
        check_reduction(reduction)
    if input._array.dtype.kind in "biu" or target._array.dtype.kind in "biu":
        raise RuntimeError("kl_div: Integral inputs not supported.")
    if log_target:
        losses = mul(exp(target), sub(target, input))
    else:
        losses = sub(xlogy(target, target), mul(target, input))
    if by_row:
        shape = input._array.shape
        return div(sum_of(losses), shape[0]) if shape else sum_of(losses)
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood of counts ``target`` under Poisson rates ``exp(input)`` (``input`` unless ``log_input``).

    ``full`` adds Stirling's approximation of the constant part; ``eps`` keeps the logarithm of a rate finite.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if log_input:
        losses = sub(exp(input), mul(target, input))
    else:
        losses = sub(input, mul(target, log(add(input, eps))))
    if full:
        stirling = add(sub(mul(target, log(target)), target), mul(log(mul(target, 2 * math.pi)), 0.5))
        losses = add(losses, where(gt(target, 1), stirling, 0.0))
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood of ``target`` under normal distributions of mean ``input`` and variance ``var``.

    ``var`` has the input's shape, or one dimension of extent 1 in it, or not its last dimension, or is a number; below
    ``eps`` it counts as ``eps``. ``full`` adds the constant part. Raises ``ValueError`` for a negative variance and for
    another shape.
    Nix and Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
    """
    check_tensor_argument("gaussian_nll_loss", "input", input)
    check_tensor_argument("gaussian_nll_loss", "target", target)
    shape = input._array.shape
    if isinstance(var, float):
        var = tensor_beside(input, np.full(shape, var, input._array.dtype))
    elif not isinstance(var, Tensor):
        raise TypeError(
            f"gaussian_nll_loss(): argument 'var' must be Tensor or float, not {type(var).__name__}"
        )
    if var._array.size and compute(np.min, (whole(var._array),), {}) < 0:
        raise ValueError("var has negative entry/entries")
    given = var._array.shape
    if given != shape:
        if given == shape[:-1]:
            var = unsqueeze(var, -1)
        elif len(given) != len(shape) or [v for v, n in zip(given, shape, strict=True) if v != n] != [1]:
            raise ValueError("var is of incorrect size")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(reduction + " is not valid")
    # The bound is no part of the model: the gradient goes through as if it were not there.
    fixed = var.detach()
    variance = where(lt(fixed, eps), add(var, sub(eps, fixed)), var)
    losses = mul(add(log(variance), div(square(sub(input, target)), variance)), 0.5)
    if full:
        losses = add(losses, 0.5 * math.log(2 * math.pi))
    return reduced(losses, reduction)
