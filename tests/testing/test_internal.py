"""Tests in the style of PyTorch's own: their TestCase, and the decorators that make one test for each dtype and device."""

from __future__ import annotations

import unittest
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.testing._internal import (
    common_device_type,
    common_dtype,
    common_methods_invocations,
    common_utils,
)
from rushlight.testing._internal.common_device_type import (
    dtypes,
    instantiate_device_type_tests,
    precisionOverride,
)
from rushlight.testing._internal.common_utils import (
    TestCase,
    instantiate_parametrized_tests,
    parametrize,
    subtest,
)


def names_of(cls: Any) -> list[str]:
    return sorted(unittest.defaultTestLoader.getTestCaseNames(cls))


def run(cls: Any) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)
    return result


def test_one_test_for_each_dtype_and_value() -> None:
    seen: list[Any] = []

    class TestThings(TestCase):
        @dtypes(*common_dtype.floating_types())
        def test_kinds(self, device: str, dtype: Any) -> None:
            seen.append((device, dtype))

        @dtypes((torch.float32, torch.int64))
        def test_pairs(self, device: str, dtypes: Any) -> None:
            seen.append(dtypes)

        @common_device_type.dtypesIfCUDA(torch.half)
        @common_device_type.dtypesIfCPU(torch.int8)
        @dtypes(torch.int16)
        def test_on_cpu(self, device: str, dtype: Any) -> None:
            seen.append(dtype)

        @parametrize("a,b", [(1, 2), subtest((3, 4), name="named")])
        @parametrize("flag", [True, False])
        def test_values(self, device: str, a: int, b: int, flag: bool) -> None:
            self.assertEqual(a + 1, b)

        @common_device_type.onlyCUDA
        def test_elsewhere(self, device: str) -> None:
            raise AssertionError

        @common_device_type.ops(common_methods_invocations.op_db, allowed_dtypes=(torch.float,))
        def test_operators(self, device: str, dtype: Any, op: Any) -> None:
            raise AssertionError

        @common_device_type.skipCPUIf(False, "no")
        @common_utils.skipIfTorchDynamo("no")
        def test_plain(self, device: str) -> None:
            self.assertEqual(device, self.device_type)

    scope: dict[str, Any] = {"TestThings": TestThings}
    instantiate_device_type_tests(TestThings, scope, only_for="cpu")
    assert list(scope) == ["TestThingsCPU"]
    names = names_of(scope["TestThingsCPU"])
    assert "test_kinds_cpu_float64" in names and "test_kinds" not in names
    assert "test_values_a_1_b_2_flag_True_cpu" in names or "test_values_flag_True_a_1_b_2_cpu" in names
    result = run(scope["TestThingsCPU"])
    assert result.wasSuccessful(), result.failures + result.errors
    assert len(result.skipped) == 2
    assert ("cpu", torch.float32) in seen and (torch.float32, torch.int64) in seen
    assert torch.int8 in seen and torch.int16 not in seen


def test_parametrized_without_devices() -> None:
    class TestNumbers(TestCase):
        @parametrize("x", [1, 2], name_fn=lambda x: f"number{x}")
        def test_number(self, x: int) -> None:
            self.assertIn(x, (1, 2))

        def test_plain(self) -> None:
            self.assertEqual(1, 1)

    instantiate_parametrized_tests(TestNumbers)
    assert names_of(TestNumbers) == ["test_number_number1", "test_number_number2", "test_plain"]
    assert run(TestNumbers).wasSuccessful()


class _Case(TestCase):
    __test__ = False

    def runTest(self) -> None: ...


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (torch.tensor([1.0, 2]), [1, 2]),
        ([1, (2,)], (1, [2])),
        (torch.tensor([1.0, 2]), np.array([1, 2], np.float32)),
        (torch.tensor(3), 3),
        (3.0, torch.tensor(3.0)),
        (torch.tensor([1.0]), 1),
        ({"a": torch.tensor(1)}, {"a": 1}),
        (float("nan"), float("nan")),
        (torch.float32, torch.float32),
        (torch.Size([1]), (1,)),
        ({1, 2}, {2, 1}),
        (1, 1.0),
        (None, None),
        ("a", "a"),
    ],
)
def test_equal(first: Any, second: Any) -> None:
    _Case().assertEqual(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "b"),
        (1, 2),
        (torch.tensor([1.0]), torch.tensor([2.0])),
        (torch.tensor([1.0]), torch.tensor([1])),
        ([1], [1, 2]),
        (None, 1),
        (torch.tensor([1.0, 2]), torch.tensor([1.0])),
        (torch.tensor([1.0]), "a"),
        ({"a": 1}, {"b": 1}),
    ],
)
def test_not_equal(first: Any, second: Any) -> None:
    with pytest.raises(AssertionError):
        _Case().assertEqual(first, second)
    _Case().assertNotEqual(first, second)


def test_tolerances() -> None:
    case = _Case()
    case.assertEqual(torch.tensor(1.0), torch.tensor(1.5), atol=0.5, rtol=0)
    case.assertEqual(torch.tensor(1.0), torch.tensor(1), exact_dtype=False)
    case.precision = 0.5
    case.assertEqual(torch.tensor(1.0), torch.tensor(1.4))

    class TestOverride(TestCase):
        @precisionOverride({torch.float32: 1})
        @dtypes(torch.float32, torch.float64)
        def test_it(self, device: str, dtype: Any) -> None:
            self.assertEqual(torch.tensor(1.0, dtype=dtype), torch.tensor(1.5, dtype=dtype))

    scope: dict[str, Any] = {}
    instantiate_device_type_tests(TestOverride, scope)
    result = run(scope["TestOverrideCPU"])
    assert [test.id().rpartition("_")[2] for test, _ in result.failures] == ["float64"]


def test_warnings_and_the_rest() -> None:
    case = _Case()
    with case.assertWarnsOnceRegex(UserWarning, "foo"):
        warnings.warn("foo bar", UserWarning, stacklevel=1)
    with pytest.raises(AssertionError, match="no warning"), case.assertWarnsOnceRegex(UserWarning, "foo"):
        pass
    case.compare_with_numpy(torch.sin, np.sin, [0.5, 1.0], dtype=torch.float64)
    with common_utils.set_default_dtype(torch.float64):
        assert torch.tensor(1.0).dtype is torch.float64
    with common_utils.freeze_rng_state():
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), first)
    assert common_utils.TEST_CUDA is False and common_utils.numpy_to_torch_dtype(np.float32) is torch.float32
    with pytest.raises(AttributeError):
        common_utils.no_such_name  # noqa: B018
    assert common_utils.noncontiguous_like(torch.ones(3, 3)).is_contiguous() is False
