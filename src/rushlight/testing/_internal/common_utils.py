"""``TestCase``, ``run_tests`` and what else PyTorch's test files import from here."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import tempfile
import unittest
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

from ... import settings
from ...autograd import gradcheck as _gradcheck, gradgradcheck as _gradgradcheck
from ...core import dtypes as _dtypes
from ...core.generator import default_generator
from ...core.tensor import Tensor
from ...ops.creation import as_tensor
from ..comparison import assert_close
from ..creation import make_tensor as make_tensor
from .matrices import (
    make_fullrank_matrices_with_distinct_singular_values as make_fullrank_matrices_with_distinct_singular_values,
    random_fullrank_matrix_distinct_singular_value as random_fullrank_matrix_distinct_singular_value,
    random_hermitian_matrix as random_hermitian_matrix,
    random_hermitian_pd_matrix as random_hermitian_pd_matrix,
    random_hermitian_psd_matrix as random_hermitian_psd_matrix,
    random_lowrank_matrix as random_lowrank_matrix,
    random_matrix as random_matrix,
    random_sparse_matrix as random_sparse_matrix,
    random_sparse_pd_matrix as random_sparse_pd_matrix,
    random_square_matrix_of_rank as random_square_matrix_of_rank,
    random_symmetric_matrix as random_symmetric_matrix,
    random_symmetric_pd_matrix as random_symmetric_pd_matrix,
    random_symmetric_psd_matrix as random_symmetric_psd_matrix,
    random_well_conditioned_matrix as random_well_conditioned_matrix,
)
from .parametrized import (
    instantiate_parametrized_tests as instantiate_parametrized_tests,
    parametrize as parametrize,
    subtest as subtest,
)
from .small_parts import (
    AlwaysWarnTypedStorageRemoval as AlwaysWarnTypedStorageRemoval,
    BytesIOContext as BytesIOContext,
    CudaSyncGuard as CudaSyncGuard,
    NoTest as NoTest,
    TrackedInputIter as TrackedInputIter,
    bytes_to_scalar as bytes_to_scalar,
    clone_input_helper as clone_input_helper,
    coalescedonoff as coalescedonoff,
    compare_equal_outs_and_grads as compare_equal_outs_and_grads,
    decorateIf as decorateIf,
    download_file as download_file,
    dtype2prec_DONTUSE as dtype2prec_DONTUSE,
    dtype_name as dtype_name,
    enable_profiling_mode_for_profiling_tests as enable_profiling_mode_for_profiling_tests,
    find_library_location as find_library_location,
    first_sample as first_sample,
    get_function_arglist as get_function_arglist,
    is_coalesced_indices as is_coalesced_indices,
    is_iterable_of_tensors as is_iterable_of_tensors,
    outs_and_grads as outs_and_grads,
    retry as retry,
    retry_on_connect_failures as retry_on_connect_failures,
    set_default_tensor_type as set_default_tensor_type,
    set_warn_always_context as set_warn_always_context,
    shell as shell,
)
from .switches import named

SEED = 1234
IS_LINUX, IS_WINDOWS, IS_MACOS = (sys.platform.startswith(name) for name in ("linux", "win", "darwin"))
TEST_NUMPY = True
GRADCHECK_NONDET_TOL = 0.0
load_tests = None
numpy_to_torch_dtype_dict = {
    kind.numpy.type: kind
    for kind in (
        _dtypes.bool_, _dtypes.uint8, _dtypes.int8, _dtypes.int16, _dtypes.int32, _dtypes.int64, _dtypes.float16,
        _dtypes.float32, _dtypes.float64, _dtypes.complex64, _dtypes.complex128,
    )
}  # fmt: skip
torch_to_numpy_dtype_dict: dict[Any, Any] = {kind: numpy for numpy, kind in numpy_to_torch_dtype_dict.items()}
torch_to_numpy_dtype_dict[_dtypes.bfloat16] = np.float32


def numpy_to_torch_dtype(numpy_dtype: Any) -> Any:
    """The dtype that a NumPy dtype is here."""
    return numpy_to_torch_dtype_dict[np.dtype(numpy_dtype).type]


def set_rng_seed(seed: int = SEED) -> None:
    """Seed the generators of this package, of NumPy and of Python."""
    import random

    default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


class TestCase(unittest.TestCase):
    """``unittest.TestCase`` whose ``assertEqual`` compares tensors, numbers and collections of them, nearly."""

    __test__ = False
    precision: float = 0
    rel_tol: float = 0
    maxDiff = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__test__ = True

    def setUp(self) -> None:
        set_rng_seed(SEED)

    def assertEqual(
        self,
        first: Any,
        second: Any,
        msg: Any = None,
        *,
        atol: float | None = None,
        rtol: float | None = None,
        equal_nan: bool = True,
        exact_dtype: bool = True,
        exact_device: bool = False,
        exact_layout: bool = False,
        exact_stride: bool = False,
        exact_is_coalesced: bool = False,
    ) -> None:
        """Fail unless both are equal, numbers to within the tolerances of their dtype, or those given.

        A tensor may be compared with a number, an array or a list; a list with a tuple.
        """
        __tracebackhide__ = True
        options = {"atol": atol, "rtol": rtol, "equal_nan": equal_nan}
        exact = {"check_dtype": exact_dtype, "check_device": exact_device, "check_layout": exact_layout,
                 "check_stride": exact_stride}  # fmt: skip
        try:
            self._compare(first, second, options, exact)
        except AssertionError as error:
            if msg is None:
                raise
            text = msg(str(error)) if callable(msg) else f"{error}\n{msg}"
            raise AssertionError(text) from None

    def _compare(self, x: Any, y: Any, options: Mapping[str, Any], exact: Mapping[str, bool]) -> None:
        if isinstance(x, Mapping) and isinstance(y, Mapping):
            super().assertEqual(set(x), set(y))
            for key in x:
                self._compare(x[key], y[key], options, exact)
        elif _is_array(x) or _is_array(y):
            self._compare_tensors(x, y, options, exact)
        elif _is_sequence(x) and _is_sequence(y):
            if len(x) != len(y):
                raise AssertionError(f"The length of the sequences mismatch: {len(x)} != {len(y)}")
            for a, b in zip(x, y, strict=True):
                self._compare(a, b, options, exact)
        elif _is_number(x) and _is_number(y):
            assert_close(x, y, check_dtype=False, **self._tolerances(x, y, options))
        else:
            super().assertEqual(x, y)

    def _compare_tensors(self, x: Any, y: Any, options: Mapping[str, Any], exact: Mapping[str, bool]) -> None:
        for a, b in ((x, y), (y, x)):
            if not _is_array(a):
                if not isinstance(a, Number | Sequence) or isinstance(a, str):
                    raise AssertionError(f"{type(x)} and {type(y)} can't be compared")
                made = as_tensor(a)
                kind = b.dtype if isinstance(b, Tensor) else numpy_to_torch_dtype(b.dtype)
                a = (
                    made.to(kind)
                    if isinstance(a, Sequence) or kind.is_floating_point or kind.is_complex
                    else made
                )
                exact = {**exact, "check_dtype": False}
            if a is not x and a is not y:
                x, y = (a, y) if not _is_array(x) else (x, a)
        first, second = (_as_tensor(v) for v in (x, y))
        if first.ndim != second.ndim and first.numel() == second.numel() == 1:
            first, second = first.reshape(()), second.reshape(())  # a number and a tensor of one element
        assert_close(first, second, **self._tolerances(first, second, options), **exact)

    def _tolerances(self, x: Any, y: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        if options["atol"] is not None or options["rtol"] is not None or not (self.precision or self.rel_tol):
            if (options["atol"] is None) != (options["rtol"] is None):
                return {**options, "atol": options["atol"] or 0.0, "rtol": options["rtol"] or 0.0}
            return dict(options)
        from ..comparison import _TOLERANCES

        kinds = [v.dtype.name if isinstance(v, Tensor) else "float64" for v in (x, y)]
        pairs = [_TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
        return {
            **options,
            "rtol": max(self.rel_tol, *[pair[0] for pair in pairs]),
            "atol": max(self.precision, *[pair[1] for pair in pairs]),
        }

    def assertNotEqual(self, first: Any, second: Any, msg: Any = None, **options: Any) -> None:
        """Fail if ``assertEqual`` passes."""
        with self.assertRaises(AssertionError, msg=msg):
            self.assertEqual(first, second, **options)

    def assertEqualIgnoreType(self, *args: Any, **kwargs: Any) -> None:
        """``assertEqual`` whatever the dtypes are."""
        self.assertEqual(*args, exact_dtype=False, **kwargs)

    def assertExpected(self, s: str, subname: str | None = None) -> None:
        """Skip: the files that the text is compared with are PyTorch's."""
        self.skipTest("no file of expected texts")

    def assertExpectedInline(self, actual: Any, expect: str, skip: int = 0) -> None:
        """Fail unless the text is as expected."""
        super().assertEqual(actual if isinstance(actual, str) else str(actual), expect)

    def assertExpectedRaisesInline(
        self, kind: Any, call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Fail unless the call raises the exception; its text, ``expect``, is PyTorch's own."""
        kwargs.pop("expect", None)
        with self.assertRaises(kind):
            call()

    @contextlib.contextmanager
    def assertWarnsOnceRegex(self, category: Any, regex: str = "") -> Iterator[None]:
        """Fail unless a warning of ``category`` comes that ``regex`` is found in."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        texts = [str(w.message) for w in caught if issubclass(w.category, category)]
        if not any(re.search(regex, text) for text in texts):
            raise AssertionError(f"no warning {category.__name__} with {regex!r}; there were {texts}")

    @contextlib.contextmanager
    def maybeWarnsRegex(self, category: Any, regex: str = "") -> Iterator[None]:
        """Let such warnings pass."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category)
            yield

    def assertNotWarn(self, call: Callable[..., Any], msg: str = "") -> None:
        """Fail if the call warns."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        super().assertEqual([], [str(w.message) for w in caught], msg)

    def assertObjectIn(self, obj: Any, iterable: Any) -> None:
        """Fail unless the very object is among those."""
        if not any(element is obj for element in iterable):
            raise AssertionError("object not found in iterable")

    def compare_with_numpy(
        self,
        torch_fn: Any,
        np_fn: Any,
        tensor_like: Any,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        """Fail unless both functions give the same for a tensor, and for the array of its elements."""
        given = tensor_like if isinstance(tensor_like, Tensor) else as_tensor(tensor_like, dtype=dtype)
        array = (given.float() if given.dtype == _dtypes.bfloat16 else given).numpy()
        result, expected = torch_fn(given), np_fn(array)
        if isinstance(expected, np.ndarray | np.generic):
            expected = _as_tensor(np.asarray(expected))
            expected = expected.to(result.dtype) if given.dtype == _dtypes.bfloat16 else expected
        self.assertEqual(result, expected, exact_device=False, **options)

    compareWithNumpy = compare_with_numpy  # noqa: N815 - PyTorch's name


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex | np.number) and not isinstance(value, bool)


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray)


def _as_tensor(value: Any) -> Any:
    return (
        value
        if isinstance(value, Tensor)
        else as_tensor(np.ascontiguousarray(value).reshape(np.shape(value)))
    )


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def run_tests(argv: list[str] | None = None) -> None:
    """Run the tests of the program, as ``unittest.main`` does."""
    unittest.main(argv=argv)


# --- contexts and decorators ------------------------------------------------------------------------------------------


def suppress_warnings(test: Any) -> Any:
    """The function without its warnings."""

    @functools.wraps(test)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return test(*args, **kwargs)

    return quiet


@contextlib.contextmanager
def freeze_rng_state() -> Iterator[None]:
    """Afterwards the generator goes on where it was."""
    state = default_generator.get_state()
    try:
        yield
    finally:
        default_generator.set_state(state)


@contextlib.contextmanager
def set_default_dtype(dtype: Any) -> Iterator[None]:
    """Inside, another default dtype."""
    before = _dtypes.get_default_dtype()
    _dtypes.set_default_dtype(dtype)
    try:
        yield
    finally:
        _dtypes.set_default_dtype(before)


class DeterministicGuard:
    """Inside, ``use_deterministic_algorithms`` is as given."""

    def __init__(
        self, deterministic: bool, *, warn_only: bool = False, fill_uninitialized_memory: bool = True
    ) -> None:
        self.wanted, self.warn_only = deterministic, warn_only

    def __enter__(self) -> None:
        self.before = settings.are_deterministic_algorithms_enabled()
        settings.use_deterministic_algorithms(self.wanted, warn_only=self.warn_only)

    def __exit__(self, *error: object) -> None:
        settings.use_deterministic_algorithms(self.before)


@contextlib.contextmanager
def TemporaryFileName(*args: Any, **kwargs: Any) -> Iterator[str]:
    """The name of a file that is gone afterwards."""
    handle, name = tempfile.mkstemp(*args, **kwargs)
    os.close(handle)
    try:
        yield name
    finally:
        os.unlink(name)


@contextlib.contextmanager
def TemporaryDirectoryName(suffix: str | None = None) -> Iterator[str]:
    """The name of a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(suffix=suffix) as name:
        yield name


def gradcheck(fn: Any, inputs: Any, **options: Any) -> bool:
    """``autograd.gradcheck``."""
    return bool(_gradcheck(fn, inputs, **_known(options)))


def gradgradcheck(fn: Any, inputs: Any, grad_outputs: Any = None, **options: Any) -> bool:
    """``autograd.gradgradcheck``."""
    return bool(_gradgradcheck(fn, inputs, grad_outputs, **_known(options)))


def _known(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ("fast_mode", "check_batched_grad")}


def iter_indices(tensor: Tensor) -> Any:
    """The indices of all elements: numbers for a vector, tuples otherwise."""
    import itertools

    if tensor.ndim == 0:
        return range(0)
    return range(tensor.shape[0]) if tensor.ndim == 1 else itertools.product(*map(range, tensor.shape))


def is_iterable(obj: Any) -> bool:
    """Whether ``iter(obj)`` works."""
    try:
        iter(obj)
    except TypeError:
        return False
    return True


def noncontiguous_like(t: Tensor) -> Tensor:
    """A tensor with the same values whose elements have others between them."""
    if not t.is_contiguous():
        return t
    from ...ops.joining import stack

    return stack([t, t], -1)[..., 0].detach().requires_grad_(t.requires_grad)  # type: ignore[no-any-return]


def slowTest(test: Any) -> Any:
    """A test that takes long: run like any other."""
    return test


__getattr__ = named(__name__)
