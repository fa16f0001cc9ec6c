"""Drives PyTorch's own optimizer samples (``common_optimizers.optim_db``) through both libraries and compares.

``run(name, options, dtype)`` takes five steps on the same problem in both and compares parameters and ``state_dict`` after
each; ``wrong_arguments(name)`` yields what must raise. The database is imported on first use: it takes seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import rushlight

from . import opinfo

STEPS = 5
# An update is a dozen roundings, of which the libraries order some otherwise; five updates follow each other. Where the
# gradient is nearly 0 they are relative to the largest term, not to the sum.
TOLERANCES = {
    "float32": (1e-5, 2e-6), "float64": (1e-10, 1e-10), "complex64": (1e-5, 2e-6), "complex128": (1e-10, 1e-10),
}  # fmt: skip
# Its steps are computed in bfloat16, whose last bit is 0.4%.
MUON_TOLERANCE = (2e-2, 2e-4)


@cache
def database() -> dict[str, Any]:
    """The optimizer infos of the database by class name."""
    opinfo.oracle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_optimizers import optim_db
    return {info.optim_cls.__name__: info for info in optim_db}


def samples(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The database's options of an optimizer, each with what it is about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for given in database()[name].optim_inputs_func("cpu"):
            yield given.desc, dict(given.kwargs)


def dtypes(name: str) -> list[str]:
    """The dtypes that an optimizer takes."""
    return ["float32", "float64", *(["complex64", "complex128"] if database()[name].supports_complex else [])]


class Problem:
    """Parameters of one library, their optimizer, and a loss that depends on all of them."""

    def __init__(self, torch: Any, kind: Any, options: dict[str, Any], dtype: str, values: list[Any]) -> None:
        self.torch = torch
        self.params = [value.clone().requires_grad_(True) for value in values]
        self.optimizer = kind(self.params, **options)
        self.dtype = getattr(torch, dtype)

    def loss(self) -> Any:
        self.optimizer.zero_grad()
        total: Any = 0
        for i, param in enumerate(self.params):
            target = param.detach() * 0 + 0.3 * (i + 1)
            difference = (param - target).abs() if param.is_complex() else param - target
            total = total + (difference**2).sum() * (i + 1) + (difference**4).sum() * 0.1
        total.backward()
        return total

    def step(self, *, needs_closure: bool, sparse: bool) -> None:
        if needs_closure:
            self.optimizer.step(self.loss)
            return
        self.loss()
        if sparse:
            for param in self.params:
                param.grad[0] = 0  # a row that a sparse gradient does not have
                if hasattr(param.grad, "to_sparse"):
                    param.grad = param.grad.to_sparse(1 if param.grad.dim() > 1 else param.grad.dim())
        self.optimizer.step()


def run(name: str, options: dict[str, Any], dtype: str) -> None:
    """Five steps in both libraries: parameters, state and groups must agree after each."""
    torch = opinfo.oracle()
    info = database()[name]
    generator = torch.Generator().manual_seed(7)
    shapes = [(4, 3), (3, 5)] if name == "Muon" else [(4, 3), (5,), (2, 3, 2)]
    values = [torch.randn(shape, generator=generator, dtype=getattr(torch, dtype)) for shape in shapes]
    theirs = Problem(torch, info.optim_cls, options, dtype, values)
    ours = Problem(
        rushlight,
        getattr(rushlight.optim, name),
        opinfo.to_rushlight(options),
        dtype,
        opinfo.to_rushlight(values),
    )
    tolerance = tolerance_for(name, options, dtype)
    # L-BFGS solves a system with its own roundings: in single precision only the way to the minimum can be compared.
    whole_state = name != "LBFGS" or dtype in ("float64", "complex128")
    for step in range(STEPS):
        for problem in (theirs, ours):
            problem.step(needs_closure=info.step_requires_closure, sparse=info.only_supports_sparse_grads)
        for i, (one, other) in enumerate(zip(ours.params, theirs.params, strict=True)):
            wrong = opinfo.difference(one.detach(), other.detach(), tolerance)
            assert wrong is None, f"step {step}, parameter {i}: {wrong}"
        if whole_state:
            same_state(ours.optimizer.state_dict(), theirs.optimizer.state_dict(), tolerance)
    assert repr(ours.optimizer) == repr(theirs.optimizer)
    reloaded = getattr(rushlight.optim, name)(ours.params, **opinfo.to_rushlight(options))
    reloaded.load_state_dict(ours.optimizer.state_dict())
    expected = info.optim_cls(theirs.params, **options)
    expected.load_state_dict(theirs.optimizer.state_dict())
    if whole_state:
        same_state(reloaded.state_dict(), expected.state_dict(), tolerance)
    else:
        assert list(reloaded.state_dict()["state"][0]) == list(expected.state_dict()["state"][0])


def tolerance_for(name: str, options: dict[str, Any], dtype: str) -> tuple[float, float]:
    """What may differ after a few steps."""
    if name == "Muon":
        return MUON_TOLERANCE
    if name == "LBFGS":  # each direction divides by differences of gradients that nearly cancel
        return (1e-6, 1e-7) if dtype in ("float64", "complex128") else (1e-2, 1e-3)
    if isinstance(
        options.get("lr"), opinfo.oracle().Tensor
    ):  # a float32 one, with which PyTorch may go on in float32
        return max(TOLERANCES[dtype], (1e-6, 1e-7))
    return TOLERANCES[dtype]


def same_state(ours: Any, theirs: Any, tolerance: tuple[float, float], path: str = "state_dict") -> None:
    """Assert that two state dictionaries have the same keys in the same order, and the same values."""
    torch = opinfo.oracle()
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), f"{path}: {list(ours)}, expected {list(theirs)}"
        for key in theirs:
            same_state(ours[key], theirs[key], tolerance, f"{path}[{key!r}]")
    elif isinstance(theirs, list | tuple):
        assert type(ours) is type(theirs) and len(ours) == len(theirs), path
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            same_state(one, other, tolerance, f"{path}[{i}]")
    elif isinstance(theirs, torch.Tensor):
        wrong = opinfo.difference(ours.detach(), theirs.detach(), tolerance)
        assert wrong is None, f"{path}: {wrong}"
    elif isinstance(theirs, float):
        assert isinstance(ours, float)
        # A loss near 0 is a sum of squares of errors, so its error is absolute.
        assert abs(ours - theirs) <= tolerance[0] * abs(theirs) + tolerance[1], f"{path}: {ours}, {theirs}"
    else:
        assert ours == theirs, f"{path}: {ours}, expected {theirs}"


def wrong_arguments(name: str) -> Iterator[tuple[Any, Any]]:
    """The database's cases that must raise: what is said about the error, and the options."""
    torch = opinfo.oracle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from database()[name].optim_error_inputs_func("cpu", torch.float32)


def converted(value: Any, known: dict[int, Any]) -> Any:
    """Parameters of Rushlight, one for each of torch's however often it comes."""
    if isinstance(value, opinfo.oracle().Tensor):
        if id(value) not in known:
            known[id(value)] = opinfo.to_rushlight(value.detach()).requires_grad_(value.requires_grad)
        return known[id(value)]
    if isinstance(value, list | tuple):
        return type(value)(converted(part, known) for part in value)
    if isinstance(value, dict):
        return {key: converted(part, known) for key, part in value.items()}
    return value


def run_wrong(name: str, wrong: Any) -> str | None:
    """What Rushlight did with arguments that must raise; None if it raised as PyTorch."""
    given = wrong.optimizer_error_input
    params = given.params
    if params is None:
        params = [opinfo.oracle().nn.Parameter(opinfo.oracle().randn(2, 3))]
    ours, kwargs = converted(params, {}), opinfo.to_rushlight(given.kwargs)
    if wrong.error_on.name == "STEP_ERROR":
        for param in ours:
            param.requires_grad_(True)
            param.grad = param.detach() * 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer = getattr(rushlight.optim, name)(ours, **kwargs)
            if wrong.error_on.name == "STEP_ERROR":
                optimizer.step(*([lambda: 0] if database()[name].step_requires_closure else []))
    except Exception as error:
        expected = wrong.error_type
        return None if isinstance(error, expected) else f"{error!r}, expected {expected.__name__}"
    return f"no error, expected {wrong.error_type.__name__}: {wrong.error_regex}"
