"""Samples for the generated tests of records, by the record's name: ``(function, operands)``, where the function is one
that records it.

Used for records that have none of their own, and for those that the program reaches only through a function that does more
than run them (it saves an index, or what the forward kernel left).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as torch
import rushlight.nn.functional as F

Sample = tuple[Callable[..., Any], tuple[Any, ...]]

A = np.array([[0.3, -1.2, 0.7], [1.6, 0.45, -0.8]])
B = np.array([[1.1, 0.9, -0.6], [-0.45, 2.2, 0.35]])
ROW = np.array([0.5, -0.25, 1.5])
POSITIVE = np.array([[0.3, 1.2, 2.7], [0.6, 0.45, 1.8]])
UNIT = np.array([[0.3, 0.2, 0.7], [0.6, 0.45, 0.85]])  # inside (0, 1)
BEYOND_ONE = POSITIVE + 1.1
COMPLEX = A + 1j * B
CUBE = np.arange(24.0).reshape(2, 3, 4) / 10 - 1.0
INDEX = np.array([[0, 1, 0], [1, 1, 0]])
MASK = np.array([[True, False, True], [False, True, False]])


def at(function: Callable[..., Any], *operand_sets: tuple[Any, ...]) -> list[Sample]:
    return [(function, operands) for operands in operand_sets]


def unary(name: str, *arrays: Any) -> list[Sample]:
    return at(getattr(torch, name), *[(array,) for array in arrays or (A, np.array(0.35))])


def binary(name: str, *pairs: tuple[Any, Any]) -> list[Sample]:
    return at(getattr(torch, name), *(pairs or ((A, B), (A, ROW), (A[:, :1], 0.5))))


def gradient_of(function: Callable[..., Any], point: Any) -> Callable[..., Any]:
    """The gradient of ``function`` at ``point`` as a function of the weight of its result: for records that only backward
    runs."""

    def gradient(weight: Any) -> Any:
        x = torch.tensor(point, requires_grad=True)
        return torch.autograd.grad(function(x), x, weight, create_graph=True)[0]

    return gradient


def dropped(x: Any) -> Any:
    torch.manual_seed(0)
    return F.dropout(x, 0.4)


SAMPLES: dict[str, list[Sample]] = {
    # movement and views
    "view": at(lambda x: x.contiguous().view(3, 2), (A,)),
    "reshape": at(lambda x: x.t().reshape(6), (A,)),
    "squeeze": at(lambda x: x.squeeze(1), (A[:, None],)),
    "unsqueeze": at(lambda x: x.unsqueeze(1), (A,)),
    "permute": at(lambda x: x.permute(2, 0, 1), (CUBE,)),
    "transpose": at(lambda x: x.transpose(0, 2), (CUBE,)),
    "t": at(lambda x: x.t(), (A,), (ROW,)),
    "slice": at(lambda x: x[:, ::2], (A,)) + at(lambda x: x.narrow(1, 1, 2), (A,)),
    "slice_backward": at(torch.block_diag, (A, B)),
    "select": at(lambda x: x[1], (A,)) + at(lambda x: x.select(1, -1), (A,)),
    "with_new_dimension": at(lambda x: x[:, None], (A,)) + at(lambda x: x[None], (A,)),
    "expand": at(lambda x: x.expand(2, 4, 3), (A[:, None],)),
    "clone": at(lambda x: x.clone(), (A,)),
    "alias": at(lambda x: x.as_subclass(torch.nn.Parameter), (A,)),
    "contiguous": at(lambda x: x.t().contiguous(), (A,)),
    "to_copy": at(lambda x: x.to(torch.complex128), (A,)),
    "cat": at(lambda x, y: torch.cat([x, y]), (A, B)) + at(lambda x, y: torch.cat([x, y], 1), (A, B[:, :1])),
    "stack": at(lambda x, y: torch.stack([x, y], 1), (A, B)),
    "unbind": at(lambda x: x.unbind(1), (A,)),
    "split": at(lambda x: x.split(2, 1), (A,)),
    "split_with_sizes": at(lambda x: x.split([1, 2], 1), (A,)),
    "diagonal": at(lambda x: x.diagonal(1), (A,)) + at(lambda x: x.diagonal(0, 0, 2), (CUBE,)),
    "embed_view": at(gradient_of(lambda x: x.diagonal(1), A), (ROW[:2],)),
    "unfold": at(lambda x: x.unfold(1, 2, 1), (A,), (CUBE,)),
    "as_strided": at(lambda x: (x * 1).as_strided((2, 2), (1, 2), 1), (A,)),
    "tril": at(lambda x: x.tril(), (A,), (CUBE,)) + at(lambda x: x.tril(-1), (A,)),
    "triu": at(lambda x: x.triu(), (A,), (CUBE,)) + at(lambda x: x.triu(1), (A,)),
    "flip": at(lambda x: x.flip(0, 1), (A,)),
    "roll": at(lambda x: x.roll((1, 2), (0, 1)), (A,)),
    "view_as_real": unary("view_as_real", COMPLEX),
    "view_as_complex": at(lambda x: torch.view_as_complex(x.contiguous()), (CUBE[..., :2].copy(),)),
    # pointwise
    "conj": at(lambda z: z.conj() * z, (COMPLEX,)),
    "complex": binary("complex", (A, B)),
    "where": at(torch.where, (MASK, A, B), (MASK, A, 0.5), (MASK[0], A, B)),
    "add": binary("add") + binary("add", (COMPLEX, A)),
    "sub": binary("sub"),
    "mul": binary("mul") + binary("mul", (COMPLEX, A)),
    "div": binary("div") + binary("div", (COMPLEX, B)),
    "div_rounded": at(lambda x, y: torch.div(x, y, rounding_mode="floor"), (A, B)),
    "remainder": binary("remainder", (A, B), (A, 0.65)),
    "fmod": binary("fmod", (A, B), (A, 0.65)),
    "neg": unary("neg"),
    "reciprocal": unary("reciprocal", A, COMPLEX),
    "maximum": binary("maximum", (A, B), (A, ROW)),
    "minimum": binary("minimum", (A, B), (A, ROW)),
    "clamp": at(lambda x: x.clamp(-0.5, 1.0), (A,)) + at(torch.clamp, (A, B - 1, B + 1)),
    "exp": unary("exp", A, COMPLEX),
    "expm1": unary("expm1"),
    "exp2": unary("exp2"),
    "log": unary("log", POSITIVE, COMPLEX),
    "log2": unary("log2", POSITIVE),
    "log10": unary("log10", POSITIVE),
    "log1p": unary("log1p", POSITIVE),
    "sqrt": unary("sqrt", POSITIVE, COMPLEX),
    "pow": binary("pow", (POSITIVE, B), (POSITIVE, ROW), (2.5, A)),
    "pow_number": at(lambda x: x**3, (A,), (COMPLEX,)) + at(lambda x: x**-0.5, (POSITIVE,)),
    "sin": unary("sin", A, COMPLEX),
    "cos": unary("cos", A, COMPLEX),
    "tan": unary("tan"),
    "asin": unary("asin", UNIT),
    "acos": unary("acos", UNIT),
    "atan": unary("atan"),
    "sinh": unary("sinh"),
    "cosh": unary("cosh"),
    "tanh": unary("tanh", A, COMPLEX),
    "asinh": unary("asinh"),
    "acosh": unary("acosh", BEYOND_ONE),
    "atanh": unary("atanh", UNIT),
    "atan2": binary("atan2", (A, B)),
    "hypot": binary("hypot", (A, B)),
    "sigmoid": unary("sigmoid", A, COMPLEX),
    "logit": unary("logit", UNIT) + at(lambda x: torch.logit(x, 0.25), (UNIT,)),
    "floor": unary("floor"),
    "ceil": unary("ceil"),
    "round": unary("round"),
    "trunc": unary("trunc"),
    "abs": unary("abs", A, COMPLEX),
    "sgn": unary("sgn", A, COMPLEX),
    "copysign": binary("copysign", (A, B)),
    "nextafter": binary("nextafter", (A, B)),
    "erf": unary("erf"),
    "erfc": unary("erfc"),
    "erfinv": unary("erfinv", UNIT),
    "erfcx": at(torch.special.erfcx, (A,)),
    "ndtri": at(torch.special.ndtri, (UNIT,)),
    "entr": at(torch.special.entr, (POSITIVE,)),
    "lgamma": unary("lgamma", POSITIVE, A),
    "polygamma": at(lambda x: torch.polygamma(1, x), (POSITIVE,)) + at(torch.digamma, (POSITIVE,)),
    "xlogy": binary("xlogy", (A, POSITIVE)),
    "xlog1py": at(torch.special.xlog1py, (A, POSITIVE)),
    "logaddexp": binary("logaddexp", (A, B)),
    "logaddexp2": binary("logaddexp2", (A, B)),
    # activations
    "relu": unary("relu"),
    "hardtanh": at(lambda x: F.hardtanh(x, -0.5, 1.0), (A,)),
    "leaky_relu": at(lambda x: F.leaky_relu(x, 0.1), (A,)),
    "elu": at(lambda x: F.elu(x, 1.5), (A,)),
    "softplus": at(lambda x: F.softplus(x, 2.0), (A,)),
    "softmax": at(lambda x: x.softmax(1), (A,)) + at(lambda x: x.softmax(0), (CUBE,)),
    "log_softmax": at(lambda x: x.log_softmax(1), (A,)) + at(lambda x: x.log_softmax(0), (CUBE,)),
    # indexing
    "copy": at(lambda x, y: (x * 1).copy_(y) * x, (A, B), (A, ROW)),
    "index": at(lambda x: x[torch.tensor([1, 0, 1])], (A,)) + at(lambda x: x[:, torch.tensor([2, 2])], (A,)),
    "index_put": at(
        lambda x, y: (x * 1).index_put_((torch.tensor([1, 0]), torch.tensor([0, 0])), y, accumulate=True),
        (A, ROW[:2]),
    )
    + at(lambda x, y: torch.index_put(x, (torch.tensor([1]),), y), (A, ROW)),
    "embedding": at(lambda w: F.embedding(torch.tensor([[1, 0], [1, 1]]), w), (A,))
    + at(lambda w: F.embedding(torch.tensor(1), w), (A,)),
    "embedding_dense_backward": at(
        gradient_of(lambda w: F.embedding(torch.tensor([[1, 0], [1, 1]]), w), A), (CUBE[:, :2, :3],)
    )
    + at(
        gradient_of(
            lambda w: F.embedding(torch.tensor([1, 0, 1]), w, padding_idx=0, scale_grad_by_freq=True), A
        ),
        (CUBE[0, :, :3],),
    ),
    "masked_fill": at(lambda x: x.masked_fill(torch.tensor(MASK), 0.5), (A,))
    + at(lambda x, v: x.masked_fill(torch.tensor(MASK), v), (A, np.array(0.5))),
    "masked_scatter": at(lambda x, y: x.masked_scatter(torch.tensor(MASK), y), (A, B)),
    "gather": at(lambda x: x.gather(1, torch.tensor(INDEX)), (A,)),
    "scatter": at(lambda x, y: x.scatter(0, torch.tensor(INDEX[:1]), y), (A, B[:1]))
    + at(lambda x, y: x.scatter_add(0, torch.tensor(INDEX), y), (A, B)),
    "scatter_reduce": at(lambda x, y: x.scatter_reduce(0, torch.tensor(INDEX), y, "prod"), (A, B))
    + at(lambda x, y: x.scatter_reduce(0, torch.tensor(INDEX), y, "amax"), (A, B))
    + at(lambda x, y: x.scatter_reduce(0, torch.tensor(INDEX), y, "mean", include_self=False), (A, B)),
    # Fourier transforms
    "fft_complex": at(lambda z: torch.fft.fft(z, norm="ortho"), (COMPLEX,), (A,))
    + at(lambda z: torch.fft.ifft2(z), (COMPLEX,)),
    "fft_real_to_half": at(lambda x: torch.fft.rfft(x), (A,), (CUBE,))
    + at(lambda x: torch.fft.ihfft2(x, norm="forward"), (CUBE,)),
    "fft_half_to_real": at(lambda z: torch.fft.irfft(z, 5), (COMPLEX,))
    + at(lambda z: torch.fft.hfft(z, 4), (COMPLEX,)),
    # special functions
    "i0": unary("i0"),
    "special_i1": at(torch.special.i1, (A,)),
    "special_i0e": at(torch.special.i0e, (A,)),
    "special_i1e": at(torch.special.i1e, (A,)),
    "special_zeta": at(lambda q: torch.special.zeta(2.5, q), (POSITIVE,)),
    "igamma": at(lambda x: torch.igamma(torch.tensor(1.5, dtype=torch.float64), x), (POSITIVE,)),
    "igammac": at(lambda x: torch.igammac(torch.tensor(1.5, dtype=torch.float64), x), (POSITIVE,)),
    "frexp": at(lambda x: torch.frexp(x).mantissa, (A,)),
    # linear algebra: functions of symmetric matrices, and what does not depend on the free choice of a phase
    "linalg_cholesky": at(
        lambda x: torch.linalg.cholesky(x.mT @ x + torch.eye(2, dtype=torch.float64)), (A[:, :2] + np.eye(2),)
    ),
    "linalg_eigh": at(
        lambda x: tuple(part.abs() for part in torch.linalg.eigh(x + x.mT)),
        (np.array([[2.0, 0.3], [1.0, -1.0]]),),
    ),
    "linalg_eig": at(
        lambda x: tuple(part.abs() for part in torch.linalg.eig(x)), (np.array([[2.0, 0.3], [1.0, -1.0]]),)
    ),
    "linalg_lstsq": at(lambda x, y: torch.linalg.lstsq(x, y).solution, (A.T + np.eye(3, 2), B.T)),
    # losses
    "mse_loss": at(F.mse_loss, (A, B)) + at(lambda x, y: F.mse_loss(x, y, reduction="none"), (A, B)),
    "cross_entropy_loss": at(lambda x: F.cross_entropy(x, torch.tensor([2, 0])), (A,))
    + at(
        lambda x: F.cross_entropy(
            x, torch.tensor([2, 0]), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64), reduction="none"
        ),
        (A,),
    )
    + at(lambda x: F.cross_entropy(x, torch.tensor([[2, 0, 1, 1], [0, 0, -100, 2]])), (CUBE,)),
    "nll_loss": at(lambda x: F.nll_loss(x, torch.tensor([2, 0])), (A,))
    + at(
        lambda x: F.nll_loss(x, torch.tensor([2, 0]), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)),
        (A,),
    ),
    "nll_loss_backward": at(
        gradient_of(lambda x: F.nll_loss(x, torch.tensor([2, 0]), reduction="none"), A), (ROW[:2],)
    ),
    # normalization: of its several results the statistics have no gradient
    "normalize": at(lambda x, w, b: F.layer_norm(x, (3,), w, b), (A, ROW, B[0]))
    + at(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), (CUBE**3, ROW, B[0]))
    + at(lambda x: F.group_norm(x, 3), (np.concatenate([CUBE, CUBE**2], 1),)),
    # pooling
    "avg_pool_gradient": at(gradient_of(lambda x: F.avg_pool1d(x, 2), CUBE), (CUBE[..., :2],)),
    "adaptive_avg_pool_gradient": at(
        gradient_of(lambda x: F.adaptive_avg_pool1d(x, 3), CUBE), (CUBE[..., :3],)
    ),
    # random
    "dropout": at(dropped, (A,)),
}
