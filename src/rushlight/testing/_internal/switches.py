"""Decorators and flags of PyTorch's test files that say where a test runs: here that is the CPU."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any


class Accepting:
    """A decorator, or what makes one: whatever it is called with besides a function or a class, it is still a decorator."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and callable(args[0]) and hasattr(args[0], "__name__"):
            return args[0]
        return self


class Skipping:
    """As ``Accepting``, but the test is skipped."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and callable(args[0]) and hasattr(args[0], "__name__"):
            return unittest.skip(self.reason)(args[0])
        return self


_ELSEWHERE = ("onlyCUDA", "onlyMPS", "onlyXPU", "onlyHPU", "onlyPRIVATEUSE1", "onlyAccelerator", "onlyCuda")
_DECORATORS = (
    "skip", "only", "xfail", "expectedFailure", "dtypesIf", "precisionOverride", "unMark", "mark", "serial", "slow", "runWith",
    "runOn", "deviceCount", "disable", "wrap", "unittest_", "largeTensor", "compiled", "with_", "tf32", "recover", "dynamo",
    "make_dynamo", "force", "setLinalg", "setBlas", "scoped", "patch", "reduced_f32", "bf32", "override_",
    "requires_", "parametrize_pytree",
)  # fmt: skip
_FLAGS = (
    "IS_", "TEST_", "HAS_", "RUN_", "NO_", "SM", "CUDA_", "PLATFORM_", "USE_", "_TEST", "_IS", "MI200", "GRAPH_EXECUTOR",
    "PYTORCH_", "ALLOW_", "TestEnv", "cuda_python",
)  # fmt: skip


def named(module: str) -> Callable[[str], Any]:
    """A module's ``__getattr__``: for a flag's name False, for a decorator's name one that does nothing or skips."""

    def attribute(name: str) -> Any:
        if name.startswith(_ELSEWHERE) or name == "largeTensorTest":
            return Skipping("for devices or amounts of memory that are not there")
        if name.startswith(_FLAGS):
            return False
        if name.startswith(_DECORATORS):
            return Accepting()
        raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name)

    return attribute
