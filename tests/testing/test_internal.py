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


def test_modules_of_flags_and_lists_can_be_imported() -> None:
    from rushlight.testing import _internal

    assert _internal.common_cuda.TEST_CUDA is False and _internal.common_cuda.SM80OrLater is False
    assert _internal.common_modules.module_db == [] and _internal.common_optimizers.optim_db == []
    assert _internal.opinfo.core.SampleInput(1, args=(2,)).args == (1,)
    assert _internal.common_cuda is _internal.common_cuda
    with pytest.raises(NotImplementedError, match="TwoTensor"):
        _internal.two_tensor.TwoTensor(torch.ones(1), torch.ones(1))
    with pytest.raises(AttributeError):
        _internal.no_such_module  # noqa: B018

    class TestDatabases(TestCase):
        @_internal.common_modules.modules(_internal.common_modules.module_db)
        def test_modules(self, device: str, module_info: Any) -> None:
            raise AssertionError

        @_internal.common_cuda.tf32_on_and_off(0.005)
        def test_decorated(self, device: str) -> None:
            self.assertEqual(device, "cpu")

    scope: dict[str, Any] = {"TestDatabases": TestDatabases}
    instantiate_device_type_tests(TestDatabases, scope)
    result = run(scope["TestDatabasesCPU"])
    assert result.wasSuccessful() and len(result.skipped) == 1 and result.testsRun == 2


def test_decorators_for_some_of_the_values() -> None:
    class TestSome(TestCase):
        @common_utils.decorateIf(unittest.expectedFailure, lambda values: values["x"] == 2)
        @parametrize("x", [1, 2])
        def test_one(self, x: int) -> None:
            self.assertEqual(x, 1)

        @common_utils.coalescedonoff
        @dtypes(torch.float32)
        def test_both(self, device: str, dtype: Any, coalesced: bool) -> None:
            self.assertIn(coalesced, (True, False))

    scope: dict[str, Any] = {"TestSome": TestSome}
    instantiate_device_type_tests(TestSome, scope)
    result = run(scope["TestSomeCPU"])
    assert result.wasSuccessful() and len(result.expectedFailures) == 1 and result.testsRun == 3


def test_random_matrices_are_what_they_say() -> None:
    case = _Case()
    given: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
    a = common_utils.random_hermitian_pd_matrix(3, 2, **{**given, "dtype": torch.complex128})
    case.assertEqual(a, a.mH)
    assert (torch.linalg.eigvalsh(a) > 0).all()
    assert torch.linalg.matrix_rank(common_utils.random_square_matrix_of_rank(4, 2, **given)).item() == 2
    assert torch.linalg.matrix_rank(common_utils.random_lowrank_matrix(2, 5, 4, **given)).item() == 2
    values = torch.linalg.svdvals(
        common_utils.make_fullrank_matrices_with_distinct_singular_values(4, 3, **given)
    )
    case.assertEqual(values, torch.tensor([2.0, 1.5, 1.0], dtype=torch.float64))
    assert torch.linalg.cond(common_utils.random_well_conditioned_matrix(3, 3, **given)) < 1.1
    sparse = common_utils.random_sparse_pd_matrix(5, dtype=torch.float64)
    assert sparse.is_sparse and (torch.linalg.eigvalsh(sparse.to_dense()) > 0).all()


def test_small_parts() -> None:
    assert common_utils.is_iterable_of_tensors([torch.ones(1)]) and not common_utils.is_iterable_of_tensors(
        [1]
    )
    assert common_utils.bytes_to_scalar([1, 0, 0, 0], torch.int32, "cpu").item() == 1
    assert common_utils.first_sample(None, iter([3, 4])) == 3
    with pytest.raises(unittest.SkipTest):
        common_utils.first_sample(None, [])
    with common_utils.BytesIOContext() as file:
        file.write(b"a")
    assert file.getvalue() == b"a"
    with warnings.catch_warnings(action="ignore"), common_utils.set_default_tensor_type(torch.DoubleTensor):
        assert torch.ones(1).dtype == torch.float64
    assert torch.ones(1).dtype == torch.float32
    calls: list[int] = []

    @common_utils.retry(ValueError, tries=2, delay=0)
    def failing() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):
        failing()
    assert len(calls) == 2


def test_file_check() -> None:
    text = "a = mul(x)\nb = add(a)\nc = mul(b)\n"
    check = torch.testing.FileCheck
    check().check("mul").check_next("add").check_not("add").check("mul").run(text)
    check().check_count("mul", 2, exactly=True).run(text)
    check().check("a = ").check_same("mul").run(text)
    check().check_dag("add").check_dag("mul(x)").run(text)
    check().check_regex(r"c = \w+").run(text)
    # Where on the next line does not matter, and what comes too often may come behind what the next rule finds.
    check().check_next("b").run("bb ac\naab")
    check().check_count("mul", 1, exactly=True).check("add").run(text)
    for wrong in (
        check().check("div"),
        check().check_not("add"),
        check().check_count("mul", 1, exactly=True),
        check().check("mul").check_next("mul(b)"),
        check().check("a = ").check_same("add"),
        check().check("add").check("mul(x)"),
    ):
        with pytest.raises(RuntimeError, match="Expected to"):
            wrong.run(text)
