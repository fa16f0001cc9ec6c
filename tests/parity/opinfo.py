"""Drives PyTorch's own sample inputs (its OpInfo database) through Rushlight and compares.

A family's test module lists the operators it answers for and calls the checks::

    from . import opinfo

    NAMES = ["add", "special.expit", "__radd__", ...]              # names of the database
    KNOWN = {("polygamma", "gradients"): "n > 1 is not there yet"}   # what falls short, each with its reason

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("check", opinfo.CHECKS)
    def test_opinfo(check, name):
        opinfo.run(check, name, known=KNOWN)

The checks of an operator are ``forward`` (value, dtype, shape of every sample in every dtype), ``gradients``
(float64 and complex128, a fixed random cotangent), ``methods``, ``inplace``, ``out`` and ``errors`` (the
exception's type). One that the operator does not have passes. ``run`` asserts that what ``known`` lists still
fails. The options of a check (``functions=``, ``tolerance=``, ``dtypes=``, ``accept=``) are those of ``Case``.

The database is imported on first use: it takes seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import rushlight
from rushlight.autograd.engine import run_backward
from rushlight.core.tensor import make_tensor

CHECKS = ("forward", "gradients", "methods", "inplace", "out", "errors")
DTYPES = ("float32", "float64", "int64", "bool", "complex64")
# (rtol, atol) as in torch.testing.assert_close; integers and bools must be equal.
TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip
SHOWN = 8  # failures printed for one check


@cache
def oracle() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    # With the opt_einsum package beside it PyTorch hands einsum to that, whose errors are others.
    torch.backends.opt_einsum.enabled = False
    _ask_for_no_stacks()
    return torch


@cache
def _ask_for_no_stacks() -> None:
    """Every iterator of samples looks up on the stack which of PyTorch's own tests uses it. None does here, and under pytest
    looking takes four fifths of the time."""
    from torch.testing._internal import common_utils
    from torch.testing._internal.opinfo import core

    nobody: Any = lambda: None
    common_utils.extract_test_fn = core.extract_test_fn = nobody


def load_database() -> list[Any]:
    from torch.testing._internal.common_methods_invocations import op_db

    return op_db  # type: ignore[no-any-return]


@cache
def database() -> dict[str, list[Any]]:
    """The database's operators (each with its variants) by name."""
    oracle()
    # Each entry looks up the stack that it is made on, module by module: under pytest's deep one the import takes a
    # minute, at the top of a thread's seconds.
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as thread:
        warnings.simplefilter("ignore")
        op_db = thread.submit(load_database).result()
    found: dict[str, list[Any]] = {}
    for operator in op_db:
        found.setdefault(operator.name, []).append(operator)
    return found


def seeded(items: Any) -> Iterator[Any]:
    """The items of the database's generators, each drawn with the seed that PyTorch's own tests set."""
    from torch.testing._internal.common_utils import set_rng_seed

    iterator = iter(items)
    while True:
        set_rng_seed()
        try:
            item = next(iterator)
        except StopIteration:
            return
        yield item


# --- values of one library as values of the other -----------------------------------------------------------------


class NotConvertible(Exception):
    """A sample that uses what is not Rushlight's business: other devices, sparse layouts, subclasses."""


def array_of(tensor: Any, copies: dict[int, Any] | None = None) -> Any:
    """A copy of a torch tensor's memory as an array with the same strides.

    ``copies``: the copies of whole memories made so far; tensors that share memory become arrays that do.
    """
    torch = oracle()
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor._is_zerotensor():
        tensor = torch.zeros(tensor.shape, dtype=tensor.dtype)
    if tensor.dtype is torch.bfloat16:
        return array_of(tensor.view(torch.int16)).view(ml_dtypes.bfloat16)
    if not tensor.numel():
        return np.empty(tuple(tensor.shape), tensor.numpy().dtype)
    extent = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.untyped_storage().nbytes() < extent * tensor.element_size():
        raise NotConvertible("a tensor whose memory was given back")
    if copies is not None and tensor.untyped_storage().nbytes() % tensor.element_size() == 0:
        key = tensor.untyped_storage().data_ptr()
        if key not in copies or copies[key][0].itemsize != tensor.element_size():
            whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
            # The tensor is kept too: its memory, given back, might become another's and have the same address.
            copies[key] = (whole.numpy().copy(), whole)
        memory = copies[key][0].view(tensor.numpy().dtype)
        strides = [s * memory.itemsize for s in tensor.stride()]
        return np.lib.stride_tricks.as_strided(
            memory[tensor.storage_offset() :], tuple(tensor.shape), strides
        )
    memory = tensor.as_strided((extent,), (1,)).numpy().copy()
    strides = [s * memory.itemsize for s in tensor.stride()]
    return np.lib.stride_tricks.as_strided(memory, tuple(tensor.shape), strides)


def to_rushlight(
    value: Any, leaves: list[tuple[Any, Any]] | None = None, copies: dict[int, Any] | None = None
) -> Any:
    """Arguments of torch as arguments of Rushlight; pairs of tensors that require grad are added to ``leaves``."""
    torch = oracle()
    if isinstance(value, torch.Tensor):
        if (
            value.layout in (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc)
            and value.device.type == "cpu"
        ):
            return sparse_tensor(value, leaves)
        if value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise NotConvertible(f"{value.layout} on {value.device}")
        if not hasattr(rushlight, str(value.dtype).removeprefix("torch.")):
            raise NotConvertible(str(value.dtype))
        if value.dim() > 64:
            raise NotConvertible("NumPy has at most 64 dimensions")
        if copies is not None and id(value) in copies:
            return copies[id(value)][0]  # one tensor given twice is one tensor here too
        made = make_tensor(array_of(value, copies))
        if copies is not None:
            copies[id(value)] = (made, value)
        if value.requires_grad:
            made.requires_grad_(True)
            if leaves is not None:
                leaves.append((value, made))
        return made
    if isinstance(value, torch.dtype | torch.memory_format | torch.layout):
        name = str(value).removeprefix("torch.")
        if not hasattr(rushlight, name):
            raise NotConvertible(str(value))
        return getattr(rushlight, name)
    if isinstance(value, torch.device):
        if value.type != "cpu":
            raise NotConvertible(str(value))
        return rushlight.device(str(value))
    if isinstance(value, torch.Generator):
        generator: Any = rushlight.Generator()
        generator.set_state(to_rushlight(value.get_state()))
        return generator
    if isinstance(value, torch.Size):
        return rushlight.Size(value)
    if isinstance(value, slice):
        return slice(*(to_rushlight(part, leaves, copies) for part in (value.start, value.stop, value.step)))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(to_rushlight(part, leaves, copies) for part in value)
    if isinstance(value, list | tuple):
        return type(value)(to_rushlight(part, leaves, copies) for part in value)
    if isinstance(value, dict):
        return {key: to_rushlight(part, leaves, copies) for key, part in value.items()}
    return value


def sparse_tensor(value: Any, leaves: list[tuple[Any, Any]] | None) -> Any:
    """A sparse tensor of torch as one of Rushlight."""
    torch = oracle()
    plain = value.detach()
    shape = tuple(plain.shape)
    if plain.layout is torch.sparse_coo:
        parts = to_rushlight((plain._indices(), plain._values()))
        made = rushlight.sparse_coo_tensor(*parts, shape, is_coalesced=plain.is_coalesced())
    elif plain.dim() != 2:
        raise NotConvertible("a batch of sparse matrices")
    elif plain.layout is torch.sparse_csr:
        parts = to_rushlight((plain.crow_indices(), plain.col_indices(), plain.values()))
        made = rushlight.sparse_csr_tensor(*parts, shape)
    else:
        parts = to_rushlight((plain.ccol_indices(), plain.row_indices(), plain.values()))
        made = rushlight.sparse_csc_tensor(*parts, shape)
    if value.requires_grad:
        made.requires_grad_(True)
        if leaves is not None:
            leaves.append((value, made))
    return made


def random_like(result: Any, generator: Any) -> Any:
    """A cotangent for a result of torch: of its layout, with its elements."""
    torch = oracle()
    if result.layout is torch.strided:
        return torch.randn(result.shape, dtype=result.dtype, generator=generator)
    plain = result.detach()
    if plain.layout is torch.sparse_coo:
        values = torch.randn(plain._values().shape, dtype=plain.dtype, generator=generator)
        made = torch.sparse_coo_tensor(plain._indices(), values, plain.shape)
        return made._coalesced_(plain.is_coalesced())
    values = torch.randn(plain.values().shape, dtype=plain.dtype, generator=generator)
    if plain.layout is torch.sparse_csr:
        return torch.sparse_csr_tensor(plain.crow_indices(), plain.col_indices(), values, plain.shape)
    return torch.sparse_csc_tensor(plain.ccol_indices(), plain.row_indices(), values, plain.shape)


def resolve(name: str, functions: Mapping[str, Callable[..., Any]] = {}) -> Callable[..., Any]:
    """The function of Rushlight that answers to the database's ``name``."""
    if name in functions:
        return functions[name]
    if name.startswith("__"):
        return getattr(rushlight.Tensor, name)  # type: ignore[no-any-return]
    found: Any = rushlight
    for part in name.removeprefix("torch.").split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


# --- comparison ---------------------------------------------------------------------------------------------------


def difference(actual: Any, expected: Any, tolerance: tuple[float, float] | None = None) -> str | None:
    """What is wrong with ``actual`` (of Rushlight), given what torch gave; None if nothing."""
    torch = oracle()
    if isinstance(expected, torch.Tensor):
        if not isinstance(actual, rushlight.Tensor):
            return f"is {type(actual).__name__}, not a Tensor"
        if str(actual.dtype) != str(expected.dtype):
            return f"dtype {actual.dtype}, expected {expected.dtype}"
        if tuple(actual.shape) != tuple(expected.shape):
            return f"shape {list(actual.shape)}, expected {list(expected.shape)}"
        if str(actual.layout) != str(expected.layout):
            return f"layout {actual.layout}, expected {expected.layout}"
        if expected.layout is not torch.strided:
            if actual._nnz() != expected._nnz():
                return f"{actual._nnz()} elements listed, expected {expected._nnz()}"
            return difference(actual.detach().to_dense(), expected.detach().to_dense(), tolerance)
        return _values_differ(
            actual._array, array_of(expected), str(expected.dtype).removeprefix("torch."), tolerance
        )
    if isinstance(expected, torch.dtype | torch.device | torch.layout):
        return None if str(actual) == str(expected) else f"{actual}, expected {expected}"
    if isinstance(expected, tuple | list):
        if not isinstance(actual, tuple | list) or len(actual) != len(expected):
            return f"{type(actual).__name__} {actual!r:.100}, expected {len(expected)} results"
        fields = getattr(expected, "_fields", None)
        if fields is not None and getattr(actual, "_fields", None) != fields:
            return f"fields {getattr(actual, '_fields', None)}, expected {fields}"
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            wrong = difference(a, e, tolerance)
            if wrong:
                return f"result {i}: {wrong}"
        return None
    if type(actual) is not type(expected):
        return f"{actual!r} of type {type(actual).__name__}, expected {expected!r} of type {type(expected).__name__}"
    if isinstance(expected, float | complex):
        return _values_differ(
            np.asarray(actual), np.asarray(expected), np.asarray(expected).dtype.name, tolerance
        )
    return None if actual == expected else f"{actual!r}, expected {expected!r}"


def _values_differ(
    actual: Any, expected: Any, dtype: str, tolerance: tuple[float, float] | None
) -> str | None:
    if dtype not in TOLERANCES:
        rtol = atol = 0.0
    else:
        rtol, atol = tolerance or TOLERANCES[dtype]
    if dtype in ("bfloat16", "float16"):
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    with np.errstate(all="ignore"):
        close = np.isclose(actual, expected, rtol, atol, equal_nan=True)
    if close.all():
        return None
    bad = np.argwhere(~close)
    at = tuple(bad[0])
    where = f"{len(bad)} of {close.size} values differ, first at {list(map(int, at))}"
    return f"{where}: {actual[at]}, expected {expected[at]}"


# --- the checks ---------------------------------------------------------------------------------------------------


class Case:
    """One operator of the database and how to check it.

    ``functions``: answers for names that ``rushlight`` does not have at that path. ``tolerance``: (rtol, atol)
    instead of the dtype's own; or a mapping from dtype names to such. ``dtypes``: those to try, where the operator
    has them. ``accept(sample) -> bool`` leaves samples out.
    """

    def __init__(
        self,
        name: str,
        *,
        functions: Mapping[str, Callable[..., Any]] = {},
        tolerance: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
        dtypes: tuple[str, ...] = DTYPES,
        accept: Callable[[Any], bool] | None = None,
    ) -> None:
        self.name = name
        self.operators = database()[name]
        self.functions = functions
        self.function = self.late(name)
        self.tolerance = tolerance
        self.dtypes = dtypes
        self.accept = accept
        self.failures: list[str] = []
        # What of a result is compared, given the arguments too: for results that are unique only up to something.
        self.comparable: Callable[[Any, Any, Any], Any] = lambda result, args, kwargs: result

    def late(self, name: str) -> Callable[..., Any]:
        """The function of that name, looked up at the call: a missing one is a failure of the sample."""

        def function(*args: Any, **kwargs: Any) -> Any:
            return resolve(name, self.functions)(*args, **kwargs)

        return function

    def in_place(self) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.function(*args, **kwargs, inplace=True)

    def tolerance_for(self, dtype: str) -> tuple[float, float] | None:
        return self.tolerance.get(dtype) if isinstance(self.tolerance, Mapping) else self.tolerance

    def samples(self, operator: Any, dtype: str, requires_grad: bool = False) -> Iterator[Any]:
        # operator.sample_inputs() does the same after a look through the whole call stack, which takes 0.1 s under pytest.
        samples = operator.sample_inputs_func(operator, "cpu", getattr(oracle(), dtype), requires_grad)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sample in seeded(samples):
                if self.accept is None or self.accept(sample):
                    yield sample

    def supported(self, operator: Any) -> list[str]:
        torch = oracle()
        have = operator.supported_dtypes("cpu")
        return [dtype for dtype in self.dtypes if getattr(torch, dtype) in have]

    def compare(
        self, what: str, sample: Any, expected: Callable[..., Any], actual: Callable[..., Any],
        tolerance: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        """Call both with their own copies of the sample; note a difference in result or in the exception's type."""
        try:
            args, kwargs = converted(sample)
        except NotConvertible:
            return
        seed_both()
        told, error = call(expected, (sample.input, *sample.args), sample.kwargs)
        given, own_error = call(actual, args, kwargs)
        if error is not None:
            if own_error is None:
                self.fail(what, sample, f"no error, expected {type(error).__name__}: {error}"[:300])
            elif not isinstance(own_error, type(error)):
                self.fail(what, sample, f"raised {own_error!r:.200}, expected {error!r:.200}")
            return
        if own_error is not None:
            self.fail(what, sample, f"raised {own_error!r:.300}")
            return
        seen = (
            self.comparable(given, args, kwargs),
            self.comparable(told, (sample.input, *sample.args), sample.kwargs),
        )
        wrong = difference(*seen, tolerance)
        if wrong:
            self.fail(what, sample, wrong)

    def fail(self, what: str, sample: Any, why: str) -> None:
        self.failures.append(f"{self.name} {what} {describe(sample)}: {why}")

    def forward(self) -> None:
        for operator in self.operators:
            for dtype in self.supported(operator):
                for sample in self.samples(operator, dtype):
                    self.compare(dtype, sample, operator.op, self.function, self.tolerance_for(dtype))
            for alias in operator.aliases:
                dtype = self.supported(operator)[0]
                for sample in self.samples(operator, dtype):
                    what = f"{dtype} alias {alias.name}"
                    self.compare(what, sample, operator.op, self.late(alias.name), self.tolerance_for(dtype))

    def gradients(self) -> None:
        torch = oracle()
        for operator in self.operators:
            if not operator.supports_autograd:
                continue
            have = operator.supported_backward_dtypes("cpu")
            for dtype in ("float64", "complex128"):
                if getattr(torch, dtype) in have:
                    for sample in self.samples(operator, dtype, requires_grad=True):
                        self.compare_gradients(dtype, sample, operator)

    def compare_gradients(self, dtype: str, sample: Any, operator: Any) -> None:
        torch = oracle()
        leaves: list[tuple[Any, Any]] = []
        # A leaf that is a view of what was changed since gets no gradient from PyTorch.
        sample = sample.transform(
            lambda t: (
                t.detach().requires_grad_()
                if isinstance(t, torch.Tensor) and t.requires_grad and t._is_view()
                else t
            )
        )
        try:
            args, kwargs = converted(sample, leaves)
        except NotConvertible:
            return
        seed_both()
        theirs, ours = operator.op, self.function
        expected, refused = call(theirs, (sample.input, *sample.args), sample.kwargs)
        if refused is not None:
            return
        actual, error = call(ours, args, kwargs)
        if error is not None:
            self.fail(f"gradient {dtype}", sample, f"raised {error!r:.300}")
            return
        actual = self.comparable(actual, args, kwargs)
        expected = self.comparable(expected, (sample.input, *sample.args), sample.kwargs)
        if len(flat(actual)) != len(flat(expected)) or not all(
            isinstance(a, rushlight.Tensor) for a in flat(actual)
        ):
            self.fail(f"gradient {dtype}", sample, f"the result is {actual!r:.100}")
            return
        pairs = [
            (e, a)
            for e, a in zip(flat(expected), flat(actual), strict=True)
            if isinstance(e, torch.Tensor) and e.requires_grad
        ]
        for _, a in pairs:
            if not a.requires_grad:
                self.fail(f"gradient {dtype}", sample, "the result does not require grad")
                return
        for e, a in zip(flat(expected), flat(actual), strict=True):
            if isinstance(e, torch.Tensor) and not e.requires_grad and a.requires_grad:
                self.fail(f"gradient {dtype}", sample, "the result requires grad, torch's does not")
                return
        if not pairs or not leaves:
            return
        generator = torch.Generator().manual_seed(1)
        cotangents = [random_like(e, generator) for e, _ in pairs]
        wanted = torch.autograd.grad(
            [e for e, _ in pairs], [t for t, _ in leaves], cotangents, allow_unused=True
        )
        try:
            nodes = [a._node for _, a in pairs]
            own_cotangents = [to_rushlight(c) for c in cotangents]
            run_backward(nodes, own_cotangents, retain_graph=False, create_graph=False)
        except Exception as problem:
            self.fail(f"gradient {dtype}", sample, f"backward raised {problem!r:.300}")
            return
        for i, (gradient, (_, leaf)) in enumerate(zip(wanted, leaves, strict=True)):
            own = leaf.grad
            if gradient is None:
                # Not used by torch and a zero gradient come to the same for a program that sums gradients.
                if own is not None and own._array.any():
                    self.fail(f"gradient {dtype}", sample, f"of input {i}: {own}, expected none")
            elif own is None:
                if gradient.any():
                    self.fail(f"gradient {dtype}", sample, f"of input {i}: none, expected {gradient}"[:300])
            else:
                wrong = difference(own, gradient, self.tolerance_for(dtype))
                if wrong:
                    self.fail(f"gradient {dtype}", sample, f"of input {i}: {wrong}")

    def methods(self) -> None:
        for operator in self.operators:
            variants = [(operator.name, operator.method_variant)]
            variants += [(alias.name, alias.method_variant) for alias in operator.aliases]
            for name, variant in variants:
                if variant is None:
                    continue
                method = variant.__name__ if hasattr(variant, "__name__") else name
                dtype = self.supported(operator)[0]
                for sample in self.samples(operator, dtype):
                    own = self.function if method == "<lambda>" else by_name(method)
                    what, tolerance = f"method {method} {dtype}", self.tolerance_for(dtype)
                    self.compare(what, sample, variant, own, tolerance)

    def inplace(self) -> None:
        for operator in self.operators:
            variants = [operator.inplace_variant, *(alias.inplace_variant for alias in operator.aliases)]
            for variant in variants:
                if variant is None or not hasattr(variant, "__name__"):
                    continue
                method = variant.__name__
                # nn.functional's in-place form is the function with a flag.
                own = self.in_place() if method == "<lambda>" else by_name(method)
                for dtype in self.supported(operator):
                    for sample in self.samples(operator, dtype):
                        self.compare(
                            f"inplace {method} {dtype}",
                            sample,
                            on_a_clone(variant),
                            returning_self(own),
                            self.tolerance_for(dtype),
                        )

    def out(self) -> None:
        torch = oracle()
        for operator in self.operators:
            if not operator.supports_out:
                continue
            dtype = self.supported(operator)[0]
            for sample in self.samples(operator, dtype):
                expected, error = call(operator.op, (sample.input, *sample.args), sample.kwargs)
                if error is not None or not all(isinstance(e, torch.Tensor) for e in flat(expected)):
                    continue
                try:
                    args, kwargs = converted(sample)
                except NotConvertible:
                    continue
                returned, refused = self.with_out(operator, sample, expected)
                if refused is not None:  # PyTorch itself has no `out` with these arguments
                    continue
                targets = [
                    rushlight.empty(e.shape, dtype=to_rushlight(e.dtype), layout=to_rushlight(e.layout))
                    for e in flat(expected)
                ]
                if isinstance(expected, torch.Tensor):
                    kwargs["out"] = targets[0]
                else:
                    kwargs["out"] = type(expected)(targets) if isinstance(expected, list) else tuple(targets)
                actual, error = call(self.function, args, kwargs)
                if error is not None:
                    self.fail(f"out= {dtype}", sample, f"raised {error!r:.300}")
                    continue
                if returned is None:
                    actual = type(expected)(targets)
                if any(g is not t for g, t in zip(flat(actual), targets, strict=True)):
                    self.fail(f"out= {dtype}", sample, "returns something else than `out`")
                    continue
                told = self.comparable(expected, (sample.input, *sample.args), sample.kwargs)
                wrong = difference(self.comparable(actual, args, kwargs), told, self.tolerance_for(dtype))
                if wrong:
                    self.fail(f"out= {dtype}", sample, wrong)

    def with_out(self, operator: Any, sample: Any, expected: Any) -> tuple[Any, Exception | None]:
        """What PyTorch's operator does with ``out``."""
        torch = oracle()
        targets: Any = [torch.empty_like(e) for e in flat(expected)]
        if isinstance(expected, torch.Tensor):
            targets = targets[0]
        elif not isinstance(expected, list):
            targets = tuple(targets)
        return call(operator.op, (sample.input, *sample.args), {**sample.kwargs, "out": targets})

    def errors(self) -> None:
        for operator in self.operators:
            if operator.error_inputs_func is None or operator.name.startswith("__"):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wrong_inputs = list(seeded(operator.error_inputs_func(operator, "cpu")))
            for wrong in wrong_inputs:
                sample = wrong.sample_input
                try:
                    args, kwargs = converted(sample)
                except NotConvertible:
                    continue
                _, expected = call(operator.op, (sample.input, *sample.args), sample.kwargs)
                if expected is None:
                    continue  # torch takes it, whatever the database says
                result, error = call(self.function, args, kwargs)
                if error is None:
                    given = f"no error but {result!r:.100}"
                elif not isinstance(
                    error, type(expected) if wrong.error_type is Exception else wrong.error_type
                ):
                    given = f"raised {error!r:.200}"
                else:
                    continue
                self.fail(
                    "error", sample, f"{given}; expected {wrong.error_type}: {wrong.error_regex!r:.200}"
                )


def run(check: str, name: str, *, known: Mapping[tuple[str, str], str] = {}, **options: Any) -> None:
    """Run one check of one operator; what ``known`` lists as ``(name, check)`` must still fail."""
    case = Case(name, **options)
    getattr(case, check)()
    shown = "\n".join(case.failures[:SHOWN])
    if (name, check) in known:
        assert case.failures, f"{name}: {check} passes now; take it out of the table of what falls short"
        return
    assert not case.failures, f"{len(case.failures)} samples fail\n{shown}"


# --- calls --------------------------------------------------------------------------------------------------------


def converted(
    sample: Any, leaves: list[tuple[Any, Any]] | None = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    copies: dict[int, Any] = {}
    args = tuple(to_rushlight((sample.input, *sample.args), leaves, copies))
    return args, to_rushlight(dict(sample.kwargs), leaves, copies)


def call(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
    """The result, or the exception. Programs see the libraries' own warnings; here they are not the matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return function(*args, **kwargs), None
        except Exception as error:
            return None, error


def seed_both() -> None:
    """Random functions start from the same seed."""
    oracle().default_generator.manual_seed(0)
    rushlight.manual_seed(0)


def by_name(method: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: getattr(self, method)(*args, **kwargs)


def on_a_clone(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: method(self.clone(), *args, **kwargs)


def returning_self(method: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        self = self.clone()  # samples may be expanded views, which neither library writes to
        result = method(self, *args, **kwargs)
        assert result is self, "an in-place method must return its tensor"
        return result

    return checked


def flat(value: Any) -> list[Any]:
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in flat(part)]
    return [value]


def describe(value: Any) -> str:
    """A sample in few words: shapes and dtypes for tensors."""
    torch = oracle()
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided:
            kind = str(value.dtype).removeprefix("torch.")
            return f"{kind}{list(value.shape)} {value.layout} of {value._nnz()} elements"
        contiguous = "" if value.is_contiguous() else f" strides {value.stride()}"
        content = f" {value.tolist()}" if value.numel() <= 3 else ""
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{contiguous}{content}"
    if hasattr(value, "sample_input") or hasattr(value, "kwargs"):
        parts = [describe(part) for part in (value.input, *value.args)]
        parts += [f"{key}={describe(part)}" for key, part in value.kwargs.items()]
        return f"({', '.join(parts)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(describe, value))}]"
    return repr(value)
