"""Runs the samples of PyTorch's operator database under ``vmap`` and compares with a loop over the examples.

The values of the operators themselves are compared with PyTorch elsewhere (``test_opinfo_*``), so the loop's are the
right ones here. Each sample is tried with every tensor batched, with the first one alone, and with the others alone.

What raises must raise in PyTorch too, and the same type. What draws is run with both other modes of randomness by both
libraries from one seed, and must give the same numbers, or raise the same type.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import coverage_cases
import numpy as np
import opinfo

import rushlight

SAMPLES = 6  # for each operator: enough for its forms, and the whole database in minutes
BATCH = 2


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, rushlight.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)


def _replaced(value: Any, tensors: Iterator[Any]) -> Any:
    if isinstance(value, rushlight.Tensor):
        return next(tensors)
    if isinstance(value, list | tuple):
        return type(value)(_replaced(part, tensors) for part in value)
    if isinstance(value, dict):
        return {key: _replaced(part, tensors) for key, part in value.items()}
    return value


def _another(tensor: Any) -> Any:
    """Another example beside ``tensor``: half of it, or the same for whole numbers."""
    return tensor * 0.5 if tensor.is_floating_point() or tensor.is_complex() else tensor.clone()


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _flat(part)]
    return [value]


def _differs(batched: Any, alone: list[Any]) -> str | None:
    if not isinstance(batched, rushlight.Tensor):
        return None if batched == alone[0] else f"{batched!r} is not {alone[0]!r}"
    array = batched._array
    for i, one in enumerate(alone):
        if not isinstance(one, rushlight.Tensor):
            return f"a tensor, not {one!r}"
        expected = one._array
        if array.shape[1:] != expected.shape:
            return f"shape {array.shape[1:]}, not {expected.shape}"
        if array.dtype != expected.dtype:
            return f"dtype {array.dtype}, not {expected.dtype}"
        close = np.isclose(
            array[i].astype(np.complex128), expected.astype(np.complex128), 1e-4, 1e-5, equal_nan=True
        )
        if not close.all():
            return f"values differ: {array[i].ravel()[:3]} and {expected.ravel()[:3]}"
    return None


def problems(name: str) -> tuple[list[str], int]:
    """What goes wrong for an operator under ``vmap``, and how many cases were compared."""
    case = opinfo.Case(name)
    function = coverage_cases.functions(case.operators[0]) or case.function
    wrong: list[str] = []
    compared = 0
    for operator in case.operators:
        dtypes = [d for d in ("float32", "int64", "complex64", "bool") if d in case.supported(operator)][:1]
        for dtype in dtypes:
            for sample in itertools.islice(case.samples(operator, dtype), SAMPLES):
                try:
                    args, kwargs = opinfo.converted(sample)
                except opinfo.NotConvertible:
                    continue
                if any(leaf.layout is not rushlight.strided for leaf in _leaves((args, kwargs))):
                    continue  # sparse tensors have no batches, in PyTorch either
                count = len(list(_leaves((args, kwargs))))
                modes = [(True,) * count]
                if count > 1:
                    modes += [(True, *(False,) * (count - 1)), (False, *(True,) * (count - 1))]
                for mode in modes if count else ():
                    told = lambda given, dims, how, operator=operator, sample=sample: _by_pytorch(
                        operator, sample, given, dims, how
                    )
                    ran, problem = _compare(function, args, kwargs, mode, told)
                    compared += ran
                    if problem:
                        wrong.append(f"{name} {opinfo.describe(sample)} {mode}: {problem}")
    return wrong, compared


def _by_pytorch(operator: Any, sample: Any, given: list[Any], dims: tuple[Any, ...], randomness: str) -> Any:
    """What PyTorch's vmap gives for the same numbers: tensors, or the error."""
    torch = opinfo.oracle()

    def filled(value: Any, tensors: Iterator[Any]) -> Any:
        if isinstance(value, torch.Tensor):
            return next(tensors)
        if isinstance(value, list | tuple):
            return type(value)(filled(part, tensors) for part in value)
        if isinstance(value, dict):
            return {key: filled(part, tensors) for key, part in value.items()}
        return value

    def call(*tensors: Any) -> Any:
        args, kwargs = filled(((sample.input, *sample.args), dict(sample.kwargs)), iter(tensors))
        return tuple(
            [value for value in _flat(operator.op(*args, **kwargs)) if isinstance(value, torch.Tensor)]
        )

    tensors = [torch.from_numpy(np.array(x.numpy())) for x in given]
    opinfo.seed_both()
    try:
        with torch.no_grad():
            return torch.vmap(call, dims, randomness=randomness)(*tensors)
    except Exception as error:
        return error


def _same_error(own: Exception, told: Any) -> str | None:
    if not isinstance(told, Exception):
        return f"raised {own!r:.200}"
    if type(own).__name__ == type(told).__name__ or (
        isinstance(own, RuntimeError) and isinstance(told, RuntimeError)
    ):
        return None
    return f"raised {own!r:.150}, PyTorch {told!r:.100}"


def _drawn(tensors_only: Any, stacked: list[Any], dims: tuple[Any, ...], told: Any) -> str | None:
    """Compares what is drawn with each mode of randomness."""
    for how in ("different", "same"):
        theirs = told(stacked, dims, how)
        opinfo.seed_both()
        try:
            own = rushlight.vmap(tensors_only, dims, randomness=how)(*stacked)
        except Exception as error:
            if problem := _same_error(error, theirs):
                return f"randomness={how!r}: {problem}"
            continue
        if isinstance(theirs, Exception):
            continue  # more than PyTorch does
        for mine, other in zip(own, theirs, strict=True):
            if problem := opinfo.difference(mine, other):
                return f"randomness={how!r}: {problem}"
    return None


def _compare(
    function: Any, args: Any, kwargs: Any, mode: tuple[bool, ...], told: Any
) -> tuple[int, str | None]:
    tensors = list(_leaves((args, kwargs)))

    def call(*given: Any) -> Any:
        # Copies, because some operators change their arguments.
        new_args, new_kwargs = _replaced((args, kwargs), iter(given))
        return _flat(function(*new_args, **new_kwargs))

    first = [t.clone() for t in tensors]
    second = [_another(t) if batched else t.clone() for t, batched in zip(tensors, mode, strict=True)]
    alone = []
    with np.errstate(all="ignore"):
        try:
            alone.append(call(*[t.clone() for t in first]))
        except Exception:
            return 0, None  # not a question of vmap
        try:
            alone.append(call(*[t.clone() for t in second]))
        except Exception:
            second = first
            alone.append(call(*[t.clone() for t in second]))
        if len(alone[0]) != len(alone[1]) or any(
            getattr(a, "shape", None) != getattr(b, "shape", None) for a, b in zip(*alone, strict=True)
        ):
            return 0, None  # the shape depends on the values
        stacked = [
            rushlight.stack([a, b]) if batched else a
            for a, b, batched in zip(first, second, mode, strict=True)
        ]
        dims = tuple([0 if batched else None for batched in mode])
        own: list[Any] = []

        def tensors_only(*given: Any) -> Any:
            own[:] = call(*given)
            return tuple([value for value in own if isinstance(value, rushlight.Tensor)])

        try:
            results = iter(rushlight.vmap(tensors_only, dims)(*stacked))
        except Exception as error:
            if "randomness error mode" in str(error):
                return 1, _drawn(tensors_only, stacked, dims, told)
            return 1, _same_error(error, told(stacked, dims, "error"))
        for i, value in enumerate(own):
            batched = next(results) if isinstance(value, rushlight.Tensor) else value
            problem = _differs(batched, [one[i] for one in alone])
            if problem:
                return 1, f"result {i}: {problem}"
    return 1, None
