"""Drives PyTorch's own module samples (``common_modules.module_db``) and cases of ours through Rushlight and compares.

``Pair`` is one module built in both libraries from the same arguments and the same seed. The checks::

    built(pair)      the same names, shapes and values (bit for bit) in state_dict; the same text when printed
    run(pair, …)     forward and the gradients of inputs and parameters, within the dtype's tolerance

The database is imported on first use: it takes seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

import rushlight
from rushlight.nn.parameter import is_lazy

from . import opinfo


@cache
def database() -> dict[str, Any]:
    """The module infos of the database by class name."""
    opinfo.oracle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    return {info.module_cls.__name__: info for info in module_db}


class Sample:
    """Arguments of a constructor and of a call, as torch has them."""

    def __init__(self, args: Any, kwargs: Any, inputs: Any, named_inputs: Any, described: str) -> None:
        self.args, self.kwargs = tuple(args), dict(kwargs)
        self.inputs, self.named_inputs = tuple(inputs), dict(named_inputs)
        self.described = described


def samples(name: str, dtype: str, *, training: bool, requires_grad: bool = False) -> Iterator[Sample]:
    """The database's samples of a module."""
    torch = opinfo.oracle()
    info = database()[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = info.module_inputs_func(
            info, device="cpu", dtype=getattr(torch, dtype), requires_grad=requires_grad, training=training
        )
        for given in inputs:
            if given.forward_input is None:
                continue
            made, called = given.constructor_input, given.forward_input
            described = f"{name}{opinfo.describe([*made.args, *made.kwargs.items()])} {given.desc}"
            yield Sample(made.args, made.kwargs, called.args, called.kwargs, described)


def error_samples(name: str) -> Iterator[tuple[Any, Sample]]:
    """The database's samples that must raise, with what is said about the error."""
    torch = opinfo.oracle()
    info = database()[name]
    if info.module_error_inputs_func is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong_inputs = list(
            info.module_error_inputs_func(
                info, device="cpu", dtype=torch.float32, requires_grad=False, training=False
            )
        )
    for wrong in wrong_inputs:
        made, called = wrong.module_error_input.constructor_input, wrong.module_error_input.forward_input
        inputs = ((), {}) if called is None else (called.args, called.kwargs)
        yield wrong, Sample(made.args, made.kwargs, *inputs, described=f"{name} {wrong.error_regex}")


def argument(value: Any) -> Any:
    """A constructor's argument for Rushlight: tensors and dtypes, and also functions and layers, of ours."""
    torch = opinfo.oracle()
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        attention = value.self_attn
        made = rushlight.nn.TransformerEncoderLayer(
            attention.embed_dim,
            attention.num_heads,
            value.linear1.out_features,
            value.dropout.p,
            argument(value.activation),
            value.norm1.eps,
            attention.batch_first,
            value.norm_first,
            value.linear1.bias is not None,
            dtype=opinfo.to_rushlight(value.linear1.weight.dtype),
        )
        made.load_state_dict({k: opinfo.to_rushlight(v) for k, v in value.state_dict().items()})
        return made
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        names = ("allow_retain_graph", "batch_chunk_size", "chunking_method", "acc_policy", "acc_dtype")
        options = {name: opinfo.to_rushlight(getattr(value, name)) for name in names}
        return rushlight.nn.LinearCrossEntropyOptions(**options)
    if callable(value) and hasattr(rushlight.nn.functional, getattr(value, "__name__", "")):
        return getattr(rushlight.nn.functional, value.__name__)
    return opinfo.to_rushlight(value)


class Pair:
    """One module in both libraries, built from one seed."""

    def __init__(self, name: str, sample: Sample, dtype: str, *, training: bool) -> None:
        torch = opinfo.oracle()
        self.sample = sample
        torch.manual_seed(1)
        rushlight.manual_seed(1)
        args = [argument(value) for value in sample.args]
        kwargs = {key: argument(value) for key, value in sample.kwargs.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.theirs = getattr(torch.nn, name)(*sample.args, **sample.kwargs)
            self.ours = getattr(rushlight.nn, name)(*args, **kwargs)
        self.theirs.to(getattr(torch, dtype)).train(training)
        self.ours.to(getattr(rushlight, dtype)).train(training)


def built(pair: Pair) -> None:
    """Assert that both modules have the same state and print alike."""
    theirs, ours = pair.theirs.state_dict(), pair.ours.state_dict()
    assert list(ours) == list(theirs), pair.sample.described
    lazy = opinfo.oracle().nn.parameter.is_lazy
    for key, value in theirs.items():
        assert is_lazy(ours[key]) == lazy(value), f"{pair.sample.described}: {key}"
        if lazy(value):  # until the first call
            continue
        assert str(ours[key].dtype) == str(value.dtype), f"{pair.sample.described}: {key}"
        assert np.array_equal(ours[key]._array, opinfo.array_of(value), equal_nan=True), (
            f"{pair.sample.described}: {key} is {ours[key]}, expected {value}"
        )
    assert repr(pair.ours) == repr(pair.theirs), pair.sample.described
    parameters = [name for name, _ in pair.theirs.named_parameters()]
    assert [name for name, _ in pair.ours.named_parameters()] == parameters


def run(pair: Pair, tolerance: tuple[float, float] | None = None, *, gradients: bool = False) -> None:
    """Assert that a call gives the same results, and with ``gradients`` the same gradients."""
    torch = opinfo.oracle()
    leaves: list[tuple[Any, Any]] = []
    inputs = opinfo.to_rushlight(pair.sample.inputs, leaves)
    named = opinfo.to_rushlight(pair.sample.named_inputs, leaves)
    torch.manual_seed(2)
    rushlight.manual_seed(2)
    expected, error = opinfo.call(pair.theirs, pair.sample.inputs, pair.sample.named_inputs)
    actual, own_error = opinfo.call(pair.ours, inputs, named)
    described = pair.sample.described
    if error is not None:
        assert isinstance(own_error, type(error)), f"{described}: {own_error!r}, expected {error!r}"
        return
    assert own_error is None, f"{described}: {own_error!r}"
    wrong = opinfo.difference(actual, expected, tolerance)
    assert wrong is None, f"{described}: {wrong}"
    if not gradients:
        return
    pairs = [
        (e, a)
        for e, a in zip(opinfo.flat(expected), opinfo.flat(actual), strict=True)
        if isinstance(e, torch.Tensor) and e.requires_grad
    ]
    leaves += zip(pair.theirs.parameters(), pair.ours.parameters(), strict=True)
    if not pairs or not leaves:
        return
    generator = torch.Generator().manual_seed(3)
    cotangents = [torch.randn(e.shape, dtype=e.dtype, generator=generator) for e, _ in pairs]
    wanted = torch.autograd.grad([e for e, _ in pairs], [t for t, _ in leaves], cotangents, allow_unused=True)
    rushlight.autograd.backward([a for _, a in pairs], [opinfo.to_rushlight(c) for c in cotangents])
    for i, (gradient, (leaf, _)) in enumerate(zip(wanted, leaves, strict=True)):
        # A tensor that torch's sample gives twice was converted twice.
        parts = [ours.grad for theirs, ours in leaves if theirs is leaf and ours.grad is not None]
        if gradient is None or not parts:
            # Not used by one and a zero gradient by the other come to the same for a program that sums gradients.
            there = parts[0] if parts else gradient
            assert there is None or not there.any(), f"{described}: gradient {i} is missing or too many"
            continue
        wrong = opinfo.difference(sum(parts[1:], parts[0]), gradient, tolerance)
        assert wrong is None, f"{described}: gradient {i}: {wrong}"
