"""The small functions, classes and decorators that PyTorch's test files import beside their ``TestCase``."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import unittest
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...core import dtypes as _dtypes
from ...core.tensor import Tensor

dtype2prec_DONTUSE = {  # noqa: N816 - PyTorch's name
    _dtypes.float32: 1e-5, _dtypes.float64: 1e-5, _dtypes.float16: 1e-2, _dtypes.bfloat16: 1e-1,
}  # fmt: skip


class NoTest:
    """A base of classes that are no tests, whatever they are called."""

    __test__ = False


class BytesIOContext(io.BytesIO):
    """A ``BytesIO`` that stays open at the end of ``with``."""

    def __enter__(self) -> BytesIOContext:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class AlwaysWarnTypedStorageRemoval:
    """Inside, nothing changes: the warning comes whenever a typed storage is used."""

    def __init__(self, always_warn: bool) -> None:
        assert isinstance(always_warn, bool)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class CudaSyncGuard(AlwaysWarnTypedStorageRemoval):
    """Inside, nothing changes: there is no GPU."""

    def __init__(self, sync_debug_mode: Any) -> None:
        pass


class TrackedInput:
    """A value and where it comes from."""

    def __init__(self, index: int, val: Any, type_desc: str) -> None:
        self.index, self.val, self.type_desc = index, val, type_desc


class TrackedInputIter:
    """Goes through values and calls ``callback`` with each, described, for the report of a failure."""

    def __init__(self, child_iter: Iterable[Any], input_type_desc: str, item_callback: Any = None,
                 track_callback: Any = None, set_seed: bool = True, restrict_to_index: Any = None) -> None:  # fmt: skip
        self.child_iter, self.input_type_desc = enumerate(child_iter), input_type_desc
        self.item_callback = item_callback or (lambda x, i: x)
        self.track_callback = track_callback or (lambda x: None)

    def __iter__(self) -> TrackedInputIter:
        return self

    def __next__(self) -> Any:
        index, value = next(self.child_iter)
        self.track_callback(TrackedInput(index, value, self.input_type_desc))
        return self.item_callback(value, index)


class decorateIf:
    """Apply a decorator only to those of the tests made by ``parametrize`` whose arguments satisfy ``predicate_fn``."""

    def __init__(self, decorator: Any, predicate_fn: Callable[[dict[str, Any]], bool]) -> None:
        self.decorator, self.predicate_fn = decorator, predicate_fn

    def __call__(self, test: Any) -> Any:
        test.__dict__.setdefault("conditional_decorators", []).append(self)
        return test


def coalescedonoff(test: Any) -> Any:
    """The test twice: with sparse tensors that are coalesced, and with some that are not."""

    @functools.wraps(test)
    def twice(self: Any, *args: Any, **kwargs: Any) -> None:
        for coalesced in (True, False):
            test(self, *args, coalesced=coalesced, **kwargs)

    import inspect

    signature = inspect.signature(test)
    kept = [parameter for name, parameter in signature.parameters.items() if name != "coalesced"]
    vars(twice)["__signature__"] = signature.replace(parameters=kept)
    return twice


@contextlib.contextmanager
def set_default_tensor_type(tensor_type: Any) -> Iterator[None]:
    """Inside, another default type of tensor."""
    from ...settings import set_default_tensor_type as set_it

    before = _dtypes.get_default_dtype()
    set_it(tensor_type)
    try:
        yield
    finally:
        _dtypes.set_default_dtype(before)


@contextlib.contextmanager
def set_warn_always_context(new_val: bool) -> Iterator[None]:
    """Inside, ``torch.set_warn_always`` is as given."""
    from ...settings import is_warn_always_enabled, set_warn_always

    before = is_warn_always_enabled()
    set_warn_always(new_val)
    try:
        yield
    finally:
        set_warn_always(before)


@contextlib.contextmanager
def enable_profiling_mode_for_profiling_tests() -> Iterator[None]:
    """Inside, nothing changes: there is no TorchScript."""
    yield


def bytes_to_scalar(byte_list: list[int], dtype: Any, device: Any) -> Tensor:
    """The 0-dim tensor that has those bytes."""
    from ...ops.creation import tensor

    return tensor(byte_list, dtype=_dtypes.uint8, device=device).view(dtype).reshape(())  # type: ignore[no-any-return]


def is_iterable_of_tensors(iterable: Any, include_empty: bool = False) -> bool:
    """Whether it is something iterable, no tensor itself, of tensors alone."""
    if isinstance(iterable, Tensor):
        return False
    try:
        elements = list(iterable)
    except TypeError:
        return False
    return all(isinstance(each, Tensor) for each in elements) if elements else include_empty


def is_coalesced_indices(s: Tensor) -> bool:
    """Whether the indices of a sparse tensor are in order, each there once."""
    indices = s._indices()
    places = [tuple(column) for column in indices.t().tolist()]
    return all(a < b for a, b in itertools.pairwise(places))


def first_sample(self: Any, samples: Iterable[Any]) -> Any:
    """The first of the samples; the test is skipped if there is none."""
    for sample in samples:
        return sample
    raise unittest.SkipTest("Skipped! Need at least 1 sample input")


def get_function_arglist(func: Any) -> list[str]:
    """The names of a function's parameters."""
    import inspect

    return inspect.getfullargspec(func).args


def clone_input_helper(input: Any) -> Any:
    """Clones of the tensors in a tensor, list or tuple."""
    if isinstance(input, Tensor):
        return input.detach().clone().requires_grad_(input.requires_grad)
    if isinstance(input, list | tuple):
        return type(input)(map(clone_input_helper, input))
    return input


def outs_and_grads(fn: Any, graph_inps: Any, inps: Any) -> tuple[Any, list[Any]]:
    """What ``fn`` gives, and the gradients of its inputs after a backward pass from the sum."""
    from ...utils._pytree import tree_leaves

    outs = fn(*graph_inps)
    for out in tree_leaves(outs):
        if isinstance(out, Tensor) and out.requires_grad:
            out.sum().backward(retain_graph=True)
    grads = [inp.grad for inp in tree_leaves(inps) if isinstance(inp, Tensor)]
    for inp in tree_leaves(inps):
        if isinstance(inp, Tensor):
            inp.grad = None
    return outs, grads


def compare_equal_outs_and_grads(test: Any, m1: Any, m2: Any, inps: Any) -> None:
    """Check that two functions give the same, and the same gradients."""
    first, second = clone_input_helper(inps), clone_input_helper(inps)
    test.assertEqual(outs_and_grads(m1, first, first), outs_and_grads(m2, second, second))


def dtype_name(dtype: Any) -> str:
    """The last part of a dtype's name."""
    return str(dtype).rpartition(".")[2]


def retry(ExceptionToCheck: Any, tries: int = 3, delay: float = 3, skip_after_retries: bool = False) -> Any:
    """Call the function again while it raises that exception, at most ``tries`` times in all."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def again(*args: Any, **kwargs: Any) -> Any:
            import time

            for left in range(tries, 0, -1):
                try:
                    return function(*args, **kwargs)
                except ExceptionToCheck as error:
                    if left == 1:
                        if skip_after_retries:
                            raise unittest.SkipTest(
                                f"Skipping after {tries} consecutive {error!r}"
                            ) from error
                        raise
                    time.sleep(delay)
            return None

        return again

    return decorate


def retry_on_connect_failures(func: Any = None, connect_errors: Any = ()) -> Any:
    """The function as it is: nothing here connects to anything."""
    return func if func is not None else lambda function: function


def download_file(url: str, binary: bool = True) -> str:
    """Skip the test: tests here download nothing."""
    raise unittest.SkipTest(f"would download {url}")


def shell(command: list[str], cwd: str | None = None, env: Any = None, stdout: Any = None, stderr: Any = None,
          timeout: Any = None) -> int:  # fmt: skip
    """The exit status of a command."""
    import subprocess

    return subprocess.run(
        command, cwd=cwd, env=env, stdout=stdout, stderr=stderr, timeout=timeout, check=False
    ).returncode


def find_library_location(lib_name: str) -> Any:
    """Where a shared library of PyTorch's would be: there is none, so the path does not exist."""
    import pathlib

    return pathlib.Path(os.path.dirname(__file__)) / lib_name
