"""Samples for the batching rules of records that have no gradient, or that only backward runs: see ``test_batching_rules``.

As in ``tests.ops.record_samples``: ``(function, operands)`` by the record's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as torch
from rushlight.ops.define import PRIMITIVES
from rushlight.ops.dispatch import apply

Sample = tuple[Callable[..., Any], tuple[Any, ...]]

A = np.array([[0.3, -1.2, 0.7], [1.6, 0.45, -0.8]])
B = np.array([[1.1, 0.9, -0.6], [-0.45, 2.2, 0.35]])
ROW = np.array([0.5, -0.25, 1.5])
WHOLE = np.array([[3, 7, 2], [5, 1, 4]])
OTHER = np.array([[1, 2, 3], [6, 5, 2]])
TRUTH = np.array([[True, False, True], [False, False, True]])
POSITIVE = np.array([[0.3, 1.2, 2.7], [0.6, 0.45, 1.8]])
SYMMETRIC = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 3.0]])
LOGITS = np.log([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]])


def at(function: Callable[..., Any], *operand_sets: tuple[Any, ...]) -> list[Sample]:
    return [(function, operands) for operands in operand_sets]


def record(name: str, *operands: Any, **attrs: Any) -> list[Sample]:
    """The record itself, as backward runs it."""
    return [(lambda *given: apply(PRIMITIVES[name], given, attrs), operands)]


def with_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradients of ``function``, which is run outside of the batch, for a weight that is batched: ``vjp`` does that."""

    def gradients(weight: Any) -> Any:
        _, pull_back = torch.func.vjp(function, torch.tensor(A))
        return pull_back(weight)

    return gradients


def recurrent(name: str) -> list[Sample]:
    """The gradient records of recurrent layers, from what their layers leave."""
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[name]
    x = np.linspace(-1, 1, 5 * gates * 2).reshape(5, gates * 2)
    w = np.linspace(-0.5, 0.5, gates * 4).reshape(gates * 2, 2)
    h = np.full((2, 2), 0.1)
    sizes: dict[str, Any] = {"batch_sizes": (2, 2, 1), "reverse": True}
    layer = PRIMITIVES[f"{name}_layer"].impl
    g = np.linspace(0.3, 1.2, 10).reshape(5, 2)
    if name == "rnn":
        relu = {**sizes, "relu": False}
        return record("rnn_layer_gradient", g, layer(x, w, h, **relu), w, h, **relu)
    if name == "gru":
        states, activations, product = layer(x, w, None, h, **sizes)
        return record("gru_layer_gradient", g, states, activations, product, w, h, **sizes)
    samples = []
    for w_hr in (None, np.array([[0.4, -0.3], [0.2, 0.9]])):
        outputs, cells, activations = layer(x, w, h, -h, w_hr, **sizes)
        samples += record(
            "lstm_layer_gradient", g, g[::-1].copy(), outputs, cells, activations, w, h, -h, w_hr, **sizes
        )
    return samples


def normalized(**layout: Any) -> list[Sample]:
    x = np.arange(12.0).reshape(2, 2, 3) ** 2
    y, mean, _, inverse = PRIMITIVES["normalize"].impl(x, None, None, kind="Batch", eps=1e-5, **layout)
    w = np.linspace(0.5, 1.5, layout["columns"])
    return record("normalize_gradient", y + 1, x, mean, inverse, w, **layout)


SAMPLES: dict[str, list[Sample]] = {
    **{name: at(getattr(torch, name), (WHOLE, OTHER), (A, 0.5)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{
        name: at(getattr(torch, name), (WHOLE, OTHER))
        for name in (
            "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "gcd",
            "floor_divide",
        )
    },
    "bitwise_not": at(torch.bitwise_not, (WHOLE,), (TRUTH,)),
    "isclose": at(torch.isclose, (A, A + 1e-9)),
    "heaviside": at(torch.heaviside, (A, B)),
    **{
        name: at(getattr(torch, name), (TRUTH,)) + at(lambda x, name=name: getattr(torch, name)(x, 1), (TRUTH,))
        for name in ("all", "any", "count_nonzero")
    },
    **{
        name: at(getattr(torch, name), (A,), (ROW[0],))
        + at(lambda x, name=name: getattr(torch, name)(x, 1, keepdim=True), (A,))
        + at(lambda x, name=name: getattr(torch, name)(x, keepdim=True), (A,))
        for name in ("argmax", "argmin")
    },
    "repeated_numbers": at(lambda n: torch.repeat_interleave(n, output_size=6), (np.array([1, 2, 3]),)),
    "searchsorted": at(lambda s, v: torch.searchsorted(s.sort()[0], v), (ROW, ROW), (A, B))
    + at(torch.bucketize, (A, np.sort(ROW)), (ROW[0], np.sort(ROW))),
    "special_bessel": at(torch.special.bessel_j0, (A,)),
    "special_polynomial": at(lambda x: torch.special.chebyshev_polynomial_t(x, 3), (A,)),
    "bincount": at(lambda x: torch.bincount(x, minlength=9), (WHOLE[0],))
    + at(lambda x, w: torch.bincount(x, w, 9), (WHOLE[0], ROW)),
    "histc": at(lambda x: torch.histc(x, 4, -2, 2), (A,)),
    "histogramdd": at(lambda x: torch.histogramdd(x, [2, 2, 2])[0], (A,)),
    "isin": at(torch.isin, (WHOLE, OTHER[0])),
    "_standard_gamma_grad": at(torch._standard_gamma_grad, (POSITIVE, POSITIVE)),
    "_dirichlet_grad": at(torch._dirichlet_grad, (POSITIVE / 4, POSITIVE, POSITIVE + 1)),
    "linalg_ldl_factor_ex": at(lambda x: torch.linalg.ldl_factor(x), (SYMMETRIC,)),
    "linalg_ldl_solve": at(lambda x, b: torch.linalg.ldl_solve(*torch.linalg.ldl_factor(x), b), (SYMMETRIC, A.T)),
    "cross_entropy_loss_backward": at(
        with_gradient(lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([2, 0]))), (np.array(0.7),)
    )
    + at(
        with_gradient(lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([2, 0]), reduction="none")),
        (ROW[:2],),
    ),
    "cross_entropy_loss": record(
        "cross_entropy_loss", LOGITS, np.array([0, 2]), None, reduction="mean", ignore_index=-100
    ),
    "mse_loss": record("mse_loss", A, B, reduction="mean") + record("mse_loss", A, B, reduction="none"),
    "ctc_loss": at(
        lambda x: torch.nn.functional.ctc_loss(x, torch.tensor([[1, 2]]), (3,), (2,)), (LOGITS[[0, 1, 0]][:, None],)
    ),
    "ctc_loss_backward": at(
        torch.func.grad(lambda x: torch.nn.functional.ctc_loss(x, torch.tensor([[1, 2]]), (3,), (2,))),
        (LOGITS[[0, 1, 0]][:, None],),
    ),
    "normalize_gradient": normalized(columns=2, positions=3, rows=None) + normalized(columns=6, positions=1, rows=6),
    "rnn_layer_gradient": recurrent("rnn"),
    "lstm_layer_gradient": recurrent("lstm"),
    "gru_layer_gradient": recurrent("gru"),
    # forms beside those of the records' own samples: dimensions that are not next to each other, tensors without any
    "index": at(lambda x: x[:, torch.tensor([2, 0])], (A,))
    + at(lambda x: x[torch.tensor([1, 0]), :, torch.tensor([0, 3])], (np.arange(24.0).reshape(2, 3, 4),))
    + at(lambda x, i: x[:, i], (A, np.array([2, 0, 1])))
    + at(lambda x, i: x[i, :, i], (np.arange(24.0).reshape(2, 3, 4), np.array([1, 0])))
    + at(lambda x: x[torch.tensor([True, False])], (A,)),
    "index_put": at(lambda x, v: x.index_put((torch.tensor([1, 0]),), v), (A, B))
    + at(lambda x, i: x.index_fill(1, i, 3.0), (A, np.array([2, 0])))
    + at(lambda x, i, v: x.index_add(1, i, v), (A, np.array([2, 0, 0]), B))
    + at(lambda x, v: torch.index_put(x, (torch.tensor(TRUTH),), v), (A, ROW)),
    "gather": at(lambda x, i: x.gather(-1, i), (A, np.array([[0, 2], [1, 1]])), (ROW, np.array([1, 1, 0]))),
    "scatter": at(lambda x, i: x.scatter(1, i, 2.0), (A, np.array([[0, 2], [1, 1]]))),
    "sum": at(lambda x: x.sum(), (A,), (ROW[0],)) + at(lambda x: x.sum((0, 1), keepdim=True), (A,)),
    "softmax": at(lambda x: x.softmax(0), (A,), (ROW[0],)),
    "cumsum": at(lambda x: x.cumsum(0), (A,), (ROW[0],)),
    "median": at(torch.median, (A,), (ROW,)),
    "embedding": at(torch.nn.functional.embedding, (np.array([[1, 0], [1, 1]]), A)),
    "mm": at(torch.mm, (A.astype(np.float16), B.T.astype(np.float16)), (WHOLE, OTHER.T)),
    "conv": [],
}  # fmt: skip
del SAMPLES["conv"]
