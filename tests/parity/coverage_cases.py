"""How the coverage measurement calls and compares the entries of PyTorch's database that need a word of their own.

Everything here is a table with reasons. ``functions`` finds what Rushlight answers to an entry with, ``TOLERANCES`` are
wider than the dtype's own, ``ACCEPT`` leaves out samples that have no one right answer, ``EXCLUDED`` are the entries that
are not public API, and ``REASONS`` says in words why an entry falls short.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import Any

import opinfo

import rushlight

# --- what is measured ----------------------------------------------------------------------------------------------

EXCLUDED: tuple[tuple[str, str], ...] = (
    (r"(torch\.)?ops\.", "an operator of the dispatcher, called past the public functions"),
    (r"(torch\.)?_[^_]", "a private name: one leading underscore"),
    (r"jiterator_", "compiles a string of CUDA source; there is none for a CPU"),
    (r"native_", "the kernel below a public function that has an entry of its own"),
    (r".*_backward$", "the gradient kernel of a public function that has an entry of its own"),
)


def exclusion(name: str) -> str | None:
    """Why the database's entry of that name is not public API; None if it is."""
    for pattern, reason in EXCLUDED:
        if re.match(pattern, name):
            return reason
    return None


# --- how it is called ----------------------------------------------------------------------------------------------


def seeded_call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """What the database does to random functions: each call from the seed 42."""
    rushlight.manual_seed(42)
    return function(*args, **kwargs)


def rebound(function: types.FunctionType, torch: Any) -> Callable[..., Any]:
    """A Python function of the database (``lambda x, n: torch.polygamma(n, x)``) that means Rushlight by ``torch``."""
    names = {**function.__globals__, "torch": rushlight, "wrapper_set_seed": seeded_call}
    closure = tuple(
        types.CellType(rushlight if cell.cell_contents is torch else cell.cell_contents)
        for cell in function.__closure__ or ()
    )
    copy = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, closure)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


# --- what is compared ----------------------------------------------------------------------------------------------
# Each takes a result, and the arguments that led to it, and gives what of it is determined.


def eigenvector_sizes(result: Any, args: Any, kwargs: Any) -> Any:
    values, vectors = result
    return values, vectors.abs()


def singular_sizes(result: Any, args: Any, kwargs: Any) -> Any:
    """Without the further columns of full matrices, which are any basis of what is left."""
    u, s, v = result
    k = s.shape[-1]
    rows = "full_matrices" in kwargs or not isinstance(kwargs.get("some"), bool)
    return u[..., :k].abs(), s, v[..., :k, :].abs() if rows else v[..., :k].abs()


def low_rank_product(result: Any, args: Any, kwargs: Any) -> Any:
    u, s, v = result
    return u @ (s.unsqueeze(-1) * v.mH), s


def selected(position: int) -> Callable[[Any, Any, Any], Any]:
    """The elements that indices lead to, along the dimension given by the argument at ``position`` or by name."""

    def comparable(result: Any, args: Any, kwargs: Any) -> Any:
        x = args[0]
        single = not isinstance(result, tuple)
        indices = result if single else result[1]
        dim = kwargs.get("dim", args[position] if len(args) > position else -1)
        if isinstance(dim, bool):  # sort(x, stable=…) and the like
            dim = -1
        kept = indices.unsqueeze(dim) if indices.ndim < x.ndim else indices
        found = x.gather(dim, kept).reshape(indices.shape)
        return found if single else (result[0], found.detach())

    return comparable


def kind_alone(result: Any, args: Any, kwargs: Any) -> Any:
    return result.dtype, list(result.shape), list(result.stride()) if result.numel() else []


SIGN = "vectors are unique up to sign or phase, which differ from one LAPACK to another: their sizes are compared"
TIES = "which of several equal elements an index names is not specified: the elements that it leads to are compared"
MEMORY = "the memory is as it was: dtype, shape and strides are compared"
COMPARABLE: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "linalg.eig": (eigenvector_sizes, SIGN),
    "linalg.eigh": (eigenvector_sizes, SIGN),
    "linalg.svd": (singular_sizes, SIGN),
    "svd": (singular_sizes, SIGN),
    "svd_lowrank": (
        low_rank_product,
        "singular vectors are unique up to sign: the product U S V is compared",
    ),
    "pca_lowrank": (
        low_rank_product,
        "singular vectors are unique up to sign: the product U S V is compared",
    ),
    "sort": (selected(1), TIES),
    "argsort": (selected(1), TIES),
    "topk": (selected(2), TIES),
    "kthvalue": (selected(2), TIES),
    "mode": (selected(1), TIES),
    **dict.fromkeys(
        ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"),
        (kind_alone, MEMORY),
    ),
}


def functions(operator: Any) -> Callable[..., Any] | None:
    """What Rushlight answers to an entry with: as the database calls PyTorch; None where there is no such name."""
    torch = opinfo.oracle()
    name = operator.name
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if isinstance(operator.op, types.FunctionType) and operator.op.__module__.startswith("torch.testing"):
        return rebound(operator.op, torch)
    found: Any = rushlight.Tensor if name.startswith("__") else rushlight
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except (AttributeError, NotImplementedError):
        found = None
    if found is None or isinstance(found, rushlight.dtype):
        method = getattr(rushlight.Tensor, name, None)
        return method if callable(method) and not callable(getattr(torch, name, None)) else None
    return found  # type: ignore[no-any-return]


def missing(operator: Any) -> str | None:
    """Said of an entry whose function or method Rushlight does not have."""
    function = functions(operator)
    if function is None:
        return f"there is no {operator.name}"
    if operator.name in FUNCTIONS:
        return None
    case = opinfo.Case(operator.name)
    dtype = next(iter(case.supported(operator)), None)
    for sample in case.samples(operator, dtype) if dtype else ():
        try:
            args, kwargs = opinfo.converted(sample)
        except opinfo.NotConvertible:
            continue
        _, error = opinfo.call(function, args, kwargs)
        if isinstance(error, AttributeError):
            return str(error)
        break
    return None


# Called by another order of arguments, or with what only PyTorch has.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "slice": lambda input, dim=0, start=None, end=None, step=1: input[
        (slice(None),) * (dim % input.ndim) + (slice(start, end, step),)
    ],
    "nn.functional.triplet_margin_with_distance_loss": lambda *args, distance_function=None, **options: (
        # Samples bring a module of PyTorch; Rushlight's own takes its place.
        rushlight.nn.functional.triplet_margin_with_distance_loss(
            *args, distance_function=rushlight.nn.PairwiseDistance(), **options
        )
    ),
}

# (rtol, atol) for a dtype where the dtype's own does not do, each with the reason.
LONG_SUMS = (
    "sums of up to a thousand products of up to 80 each, of which either library loses other last bits"
)
SUMS = "sums of products of up to 81 that cancel: as many last bits of a product as there are terms"
PRODUCT = {"float32": (1.3e-6, 1e-4), "complex64": (1.3e-6, 2e-4)}
POLES = {"float32": (1e-4, 1e-4)}
NEAR_POLES = (
    "PyTorch computes these in float32, which loses digits near the poles; here they are computed in float64"
)
CONVOLUTION = {"float32": (1.3e-6, 1e-4), "complex64": (1.3e-6, 4e-4)}
TOLERANCES: dict[str, tuple[dict[str, tuple[float, float]], str]] = {
    "nn.functional.conv*": (CONVOLUTION, LONG_SUMS),
    **dict.fromkeys(("matmul", "__rmatmul__", "addbmm", "baddbmm"), (PRODUCT, SUMS)),
    "fft.*": (PRODUCT, "sums of up to 200 terms that cancel"),
    "pca_lowrank": (PRODUCT, SUMS),
    "svd_lowrank": (PRODUCT, SUMS),
    "matrix_exp": (
        {"float32": (1e-5, 1e-3), "complex64": (1e-5, 1e-3)},
        "PyTorch computes in float32, Rushlight in float64, of matrices with a norm of 50",
    ),
    "polygamma": (POLES, NEAR_POLES),
    "special.polygamma": (POLES, NEAR_POLES),
    "special.hermite_polynomial_*": (
        {"float32": (1e-5, 1e-3)},
        "PyTorch runs the recurrence in float32, Rushlight in float64; its terms cancel",
    ),
    "histogram": (
        {"float32": (1e-5, 1e-5)},
        "PyTorch adds the weights up one by one in float32, Rushlight in float64",
    ),
    "cov": (
        {"complex128": (3e-5, 1e-4)},
        "the gradient of float32 weights of complex128 observations is a difference of large float32 numbers",
    ),
    "nn.functional.scaled_dot_product_attention": (
        {"float32": (5e-5, 5e-5)},
        "the samples' scores reach 200, where float32 numbers are 1.5e-5 apart; their exponentials differ by that ratio",
    ),
}


def tolerance_of(name: str) -> dict[str, tuple[float, float]] | None:
    for pattern, (tolerance, _) in TOLERANCES.items():
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            # Of integers and bools the results may be floating-point.
            return {
                "int64": tolerance.get("float32", opinfo.TOLERANCES["float32"]),
                "bool": tolerance.get("float32", opinfo.TOLERANCES["float32"]),
                **tolerance,
            }
    return None


def case_of(operator: Any) -> opinfo.Case:
    """The checks of one entry (one variant) of the database."""
    case = opinfo.Case(operator.name, tolerance=tolerance_of(operator.name))
    case.operators = [operator]
    accepted = ACCEPT.get(operator.name)
    if accepted is not None:
        case.accept = accepted[0]
    function = functions(operator)
    if function is not None:
        case.function = function
    comparable = COMPARABLE.get(operator.name)
    if comparable is not None:
        case.comparable = comparable[0]
    return case


# Samples that are left out, with the reason.
ACCEPT: dict[str, tuple[Callable[[Any], bool], str]] = {}

# Why entries fall short, in words: by the entry's name, or by what it begins with and a star.
REASONS: dict[str, str] = {
    "addbmm": "PyTorch's addbmm_ resizes an input that broadcasts, against its own rule for in-place operations",
    "as_strided_scatter": "PyTorch gives the input the gradient of what was replaced, not of what was kept",
    "chalf": "there is no complex32: NumPy has no such dtype",
    "nn.functional.multi_head_attention_forward": "float32: the samples' scores reach thousands, so that last bits of a score "
    "decide the weights in either library; no bound was derived for that",
}


def reason_for(name: str) -> str | None:
    for pattern, reason in REASONS.items():
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return reason
    return None
