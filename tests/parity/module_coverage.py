"""How much of PyTorch's ``module_db`` and ``optim_db`` Rushlight answers correctly, and what is wrong with the rest.

``coverage()`` counts; ``check_module`` and ``check_optimizer`` look at one class. A module is correct when every sample of
the database, in every dtype that the database names (complex32, which Rushlight does not have, aside), gives the same
state, text, results, gradients, attributes and exceptions. An optimizer is correct when its options give the same
parameters and state after five steps, and its wrong arguments raise alike.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import rushlight

from . import module_database, opinfo, optimizer_database
from .module_database import Pair

# PyTorch's float16 and bfloat16 losses round every partial sum of the reduction, Rushlight's only the result; the terms,
# which may cancel, reach 10.
ROUNDED_SUMS = {"float16": (5e-3, 1e-2), "bfloat16": (4e-2, 8e-2)}
TOLERANCES: dict[str, dict[str, tuple[float, float]]] = {
    "CrossEntropyLoss": ROUNDED_SUMS,
    "LinearCrossEntropyLoss": ROUNDED_SUMS,
}
# Sums of many products lose other last bits in either library: inputs of the samples reach 9, so products reach 80.
PRODUCTS = {"float32": (1.3e-6, 5e-5)}
MISSING_DTYPES = ("complex32",)

# What is known to fall short: (name, check) and the reason. Empty: everything passes.
KNOWN: dict[tuple[str, str], str] = {}


def dtypes(name: str) -> list[str]:
    """The database's dtypes of a module that Rushlight has."""
    given = [str(dtype).removeprefix("torch.") for dtype in module_database.database()[name].dtypes]
    return [dtype for dtype in given if dtype not in MISSING_DTYPES]


def tolerance(name: str, dtype: str) -> tuple[float, float] | None:
    """(rtol, atol) where the dtype's own does not do."""
    own = TOLERANCES.get(name, {}).get(dtype)
    weighted = any(part in name for part in ("Conv", "RNN", "LSTM", "GRU", "Transformer", "Attention"))
    return PRODUCTS.get(dtype) if own is None and weighted else own


def check_forward(name: str) -> None:
    """State, text and results, in training and in evaluation."""
    for dtype in dtypes(name):
        for training in (True, False):
            for sample in module_database.samples(name, dtype, training=training):
                pair = Pair(name, sample, dtype, training=training)
                module_database.built(pair)
                module_database.run(pair, tolerance(name, dtype))
                if name.startswith("Lazy"):
                    module_database.built(pair)  # with the parameters that the call made
                same_buffers(pair)


def same_buffers(pair: Pair) -> None:
    """Running statistics and counts after a call."""
    ours = pair.ours.state_dict()
    for key, value in pair.theirs.state_dict().items():
        wrong = opinfo.difference(ours[key], value, (1e-5, 1e-5))
        assert wrong is None, f"{pair.sample.described}: {key}: {wrong}"


def check_gradients(name: str) -> None:
    """Gradients of inputs and parameters in double precision."""
    for dtype in dtypes(name):
        if dtype in ("float64", "complex128"):
            for sample in module_database.samples(name, dtype, training=True, requires_grad=True):
                module_database.run(Pair(name, sample, dtype, training=True), gradients=True)


def check_errors(name: str) -> None:
    """The types of the exceptions."""
    for wrong, sample in module_database.error_samples(name):
        error = None
        try:
            options = {key: module_database.argument(value) for key, value in sample.kwargs.items()}
            module = getattr(rushlight.nn, name)(*map(module_database.argument, sample.args), **options)
            module(*opinfo.to_rushlight(sample.inputs), **opinfo.to_rushlight(sample.named_inputs))
        except Exception as raised:
            error = raised
        assert isinstance(error, wrong.error_type), f"{sample.described}: {error!r}"


def check_attributes(name: str) -> None:
    """The same public attributes, with the same values where those are plain; copies and pickles are alike."""
    sample = next(module_database.samples(name, "float32", training=True))
    pair = Pair(name, sample, "float32", training=True)
    theirs = {key: value for key, value in vars(pair.theirs).items() if not key.startswith("_")}
    ours = {key: value for key, value in vars(pair.ours).items() if not key.startswith("_")}
    assert sorted(ours) == sorted(theirs)
    for key, value in theirs.items():
        if value is None or isinstance(value, int | float | str | tuple | list):
            assert ours[key] == value, key
    constants = [tuple(getattr(type(module), "__constants__", ())) for module in (pair.ours, pair.theirs)]
    assert constants[0] == constants[1]
    for restored in (pickle.loads(pickle.dumps(pair.ours)), copy.deepcopy(pair.ours)):
        assert repr(restored) == repr(pair.ours)
        assert list(restored.state_dict()) == list(pair.theirs.state_dict())


MODULE_CHECKS: dict[str, Callable[[str], None]] = {
    "forward": check_forward,
    "gradients": check_gradients,
    "errors": check_errors,
    "attributes": check_attributes,
}


def check_updates(name: str) -> None:
    """Parameters and state after five steps, with every option of the database in every dtype."""
    for described, options in optimizer_database.samples(name):
        for dtype in optimizer_database.dtypes(name):
            try:
                optimizer_database.run(name, options, dtype)
            except AssertionError as error:
                raise AssertionError(f"{described}, {dtype}: {error}") from error


def check_wrong_arguments(name: str) -> None:
    """The types of the exceptions."""
    for wrong in optimizer_database.wrong_arguments(name):
        try:
            outcome = optimizer_database.run_wrong(name, wrong)
        except opinfo.NotConvertible:  # sparse parameters, which Rushlight does not make
            continue
        assert outcome is None, f"{wrong.error_regex}: {outcome}"


OPTIMIZER_CHECKS: dict[str, Callable[[str], None]] = {
    "updates": check_updates,
    "errors": check_wrong_arguments,
}


def _wrong(name: str, checks: dict[str, Callable[[str], None]]) -> str | None:
    for check in checks.values():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check(name)
        except Exception as error:
            return (
                f"{type(error).__name__}: {str(error).splitlines()[0][:200]}" if str(error) else repr(error)
            )
    return None


def check_module(name: str) -> str | None:
    """What is wrong with a module of the database; None if nothing."""
    return _wrong(name, MODULE_CHECKS)


def check_optimizer(name: str) -> str | None:
    """What is wrong with an optimizer of the database; None if nothing."""
    return _wrong(name, OPTIMIZER_CHECKS)


def coverage() -> dict[str, dict[str, Any]]:
    """``{"module_db": {"correct": n, "total": n, "wrong": {name: reason}}, "optim_db": …}``; takes about three minutes."""
    found = {}
    for database, names, check in (
        ("module_db", module_database.database(), check_module),
        ("optim_db", optimizer_database.database(), check_optimizer),
    ):
        outcomes = {name: check(name) for name in names}
        wrong = {name: reason for name, reason in outcomes.items() if reason is not None}
        found[database] = {"correct": len(outcomes) - len(wrong), "total": len(outcomes), "wrong": wrong}
    return found


def main() -> int:
    """Print both totals and what is wrong; 1 if something is."""
    bad = 0
    for database, counts in coverage().items():
        print(f"{database}: {counts['correct']} of {counts['total']} classes correct")
        for wrong in counts["wrong"].items() if isinstance(counts["wrong"], dict) else counts["wrong"]:
            print(f"  {wrong}")
            bad = 1
    return bad


if __name__ == "__main__":
    raise SystemExit(main())
