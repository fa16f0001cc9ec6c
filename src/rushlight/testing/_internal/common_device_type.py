"""Tests for each device: here classes for the CPU are made of PyTorch's generic ones."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from .parametrized import dtypes as dtypes, expand
from .switches import Accepting, Skipping, named
from .switches_of_modules import OpDTypes as OpDTypes

tol = namedtuple("tol", ["atol", "rtol"])
TEST_WITH_ROCM = False
PYTORCH_TESTING_DEVICE_ONLY_FOR_KEY, PYTORCH_TESTING_DEVICE_EXCEPT_FOR_KEY = (
    "PYTORCH_TESTING_DEVICE_ONLY_FOR",
    "PYTORCH_TESTING_DEVICE_EXCEPT_FOR",
)


def instantiate_device_type_tests(
    generic_test_class: Any,
    scope: dict[str, Any],
    except_for: Any = None,
    only_for: Any = None,
    include_lazy: bool = False,
    allow_mps: bool = False,
    allow_xpu: bool = False,
) -> None:
    """Put a class for the CPU into ``scope`` in place of ``generic_test_class``: each test gets its device (and dtypes)."""
    scope.pop(generic_test_class.__name__, None)
    only = (only_for,) if isinstance(only_for, str) else only_for
    excepted = (except_for,) if isinstance(except_for, str) else except_for or ()
    if (only is not None and "cpu" not in only) or "cpu" in excepted:
        return
    name = f"{generic_test_class.__name__}CPU"
    members: dict[str, Any] = {
        "device_type": "cpu",
        "__module__": generic_test_class.__module__,
        "__qualname__": name,
        "get_primary_device": classmethod(lambda cls: "cpu"),
        "get_all_devices": classmethod(lambda cls: ["cpu"]),
        **expand(generic_test_class, "cpu"),
    }
    scope[name] = type(name, (generic_test_class,), members)


def get_all_device_types() -> list[str]:
    """The kinds of devices that tests run on."""
    return ["cpu"]


get_device_type_test_bases: Any = Accepting()
get_desired_device_type_test_bases: Any = Accepting()


def dtypesIfCPU(*given: Any) -> Any:
    """The dtypes of the test on a CPU."""
    return dtypes(*given, device_type="cpu")


def toleranceOverride(overrides: dict[Any, Any]) -> Any:
    """The tolerances ``tol(atol, rtol)`` that a test asks for, by dtype."""

    def decorate(test: Any) -> Any:
        test.precision_overrides = {kind: (t.atol, t.rtol) for kind, t in overrides.items()}
        return test

    return decorate


def precisionOverride(overrides: dict[Any, float]) -> Any:
    """The absolute tolerances that a test asks for, by dtype."""

    def decorate(test: Any) -> Any:
        test.precision_overrides = {kind: (atol, 0.0) for kind, atol in overrides.items()}
        return test

    return decorate


def deviceCountAtLeast(least: int) -> Any:
    """Skip where there are fewer devices of a kind."""
    return Accepting() if least <= 1 else Skipping(f"fewer than {least} devices detected")


def skipCPUIf(condition: Any, reason: str) -> Any:
    """Skip on a CPU if ``condition`` holds."""
    return Skipping(reason) if condition and not isinstance(condition, str) else Accepting()


def skipIf(condition: Any, reason: str = "", device_type: Any = None) -> Any:
    """Skip if ``condition`` holds and the device is the given one, or any."""
    return Skipping(reason) if condition and device_type in (None, "cpu") else Accepting()


def has_cusolver() -> bool:
    """False: there is no GPU."""
    return False


has_hipsolver = has_cusolver
PYTORCH_CUDA_MEMCHECK = False


class ops:
    """The test once for each operator of a list: there is no list of operators here, so no test."""

    def __init__(self, op_list: Any = (), **options: Any) -> None:
        pass

    def __call__(self, test: Any) -> Any:
        return Skipping("there is no database of operators here")(test)


__getattr__ = named(__name__)
