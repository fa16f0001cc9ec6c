"""Tensors and NumPy together: sharing, ufuncs, mixed operators and DLPack, as PyTorch has them."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

from .expressions import check_all

# fmt: off - tables of program lines
pytestmark = pytest.mark.parity

TENSORS = (
    "torch.arange(3.) + 1",
    "torch.arange(3)",
    "torch.tensor([True, False, True])",
    "torch.tensor(2.5)",
    "torch.arange(6.).view(2, 3).t()",
    "torch.ones(3, dtype=torch.float64)",
    "torch.tensor([1j])",
    "torch.ones(3, dtype=torch.float16)",
    "torch.ones(3, dtype=torch.uint8)",
)


def test_arrays_of_tensors() -> None:
    check_all(f"{t}.numpy()".replace(t, f"({t})") for t in TENSORS)
    check_all(
        f"np.{f}({t})"
        for f in ("asarray", "array", "copy", "atleast_2d", "ascontiguousarray")
        for t in TENSORS
    )
    check_all(
        [
            "t = torch.zeros(3); t.numpy()[0] = 5; t",
            "t = torch.zeros(3); np.asarray(t)[0] = 5; t",
            "t = torch.zeros(3); np.array(t)[0] = 5; t",
            "t = torch.zeros(3); a = t.numpy(); t += 1; a",
            "t = torch.zeros(3); t.__array__()[0] = 1; t",
            "torch.ones(2).__array__(np.float64)",
            "torch.ones(2).__array__(dtype=np.int32)",
            "np.asarray(torch.ones(2), dtype=np.float64)",
            "np.array(torch.ones(2), dtype=int)",
            "np.asarray(torch.ones(2, requires_grad=True))",
            "np.array(torch.ones(2, requires_grad=True).detach())",
            "np.asarray(torch.ones(2).bfloat16())",
            "t = torch.zeros(3); np.shares_memory(t.numpy(), np.asarray(t))",
            "torch.ones(2, 3).t().numpy().strides",
            "torch.ones(0, 2).numpy().shape",
            "np.zeros(2)[torch.tensor(1)]",
            "np.arange(5)[torch.tensor([1, 2])]",
            "np.arange(5)[torch.tensor([1, 2]).numpy()]",
            "a = np.zeros(3); a[torch.tensor(1)] = 5; a",
            "a = np.zeros(3); a[:] = torch.ones(3); a",
            "a = np.zeros(3); a[0] = torch.tensor(2.); a",
            "np.zeros(3)[torch.tensor([True, False, True])].shape",
            "np.float64(torch.tensor(1.5))",
            "np.int64(torch.tensor(3))",
            "np.float32(torch.tensor(1.5))",
            "np.shape(torch.ones(2, 3))",
            "np.ndim(torch.ones(2, 3))",
            "np.isscalar(torch.tensor(1))",
            "np.array([torch.ones(2), torch.zeros(2)])",
            "np.array([torch.tensor(1.5), torch.tensor(2.5)])",
            "np.stack([torch.ones(2), torch.zeros(2)])",
            "np.vstack([torch.ones(2), torch.zeros(2)])",
            "np.linspace(0, torch.tensor(1.), 3)",
            "np.arange(torch.tensor(3))",
            "np.random.RandomState(0).permutation(torch.arange(3)).shape",
            "list(np.nditer(torch.arange(2).numpy())).__len__()",
        ]
    )


def test_ufuncs() -> None:
    unary = (
        "sin",
        "exp",
        "abs",
        "negative",
        "sqrt",
        "isnan",
        "floor",
        "square",
        "sign",
        "logical_not",
        "conjugate",
        "positive",
    )
    check_all(f"np.{f}({t})" for f in unary for t in TENSORS)
    binary = (
        "add",
        "subtract",
        "multiply",
        "true_divide",
        "power",
        "maximum",
        "less",
        "equal",
        "arctan2",
        "floor_divide",
        "remainder",
        "logical_and",
        "not_equal",
    )
    check_all(
        f"np.{f}(torch.arange(3.) + 1, {other})"
        for f in binary
        for other in ("2", "2.5", "np.ones(3)", "torch.ones(3)", "np.float64(2)", "[1, 2, 3]")
    )
    check_all(
        f"np.{f}({other}, torch.arange(3.) + 1)"
        for f in binary
        for other in ("2", "2.5", "np.ones(3)", "np.float64(2)", "[1, 2, 3]", "np.float32(3)", "np.int64(2)")
    )
    check_all(
        [
            "np.add(torch.ones(2), 1, out=np.zeros(2, np.float32))",
            "o = torch.zeros(2); np.add(torch.ones(2), 1, out=o)",
            "o = torch.zeros(2); np.add(torch.ones(2).numpy(), 1, out=o.numpy()); o",
            "np.modf(torch.tensor([1.5]))",
            "np.divmod(torch.tensor([5.]), 2)",
            "np.add.reduce(torch.ones(3))",
            "np.multiply.outer(torch.arange(2.), torch.arange(2.))",
            "np.maximum.accumulate(torch.tensor([1., 3., 2.]))",
            "np.sin(torch.ones(2, requires_grad=True))",
            "np.add(torch.ones(2, requires_grad=True), 1)",
            "np.sin(torch.ones(2).bfloat16())",
            "np.add(torch.ones(2), torch.ones(2, dtype=torch.int64))",
            "np.matmul(torch.ones(2, 2), torch.ones(2, 2))",
            "np.matmul(np.ones((2, 2)), torch.ones(2, 2))",
        ]
    )


def test_mixed_operators() -> None:
    operators = ("+", "-", "*", "/", "**", "//", "%", "<", "<=", ">", "==", "!=")
    numpy_values = ("np.float64(2)", "np.float32(2)", "np.int64(2)", "np.int32(2)", "np.float16(2)")
    tensors = (
        "(torch.arange(3.) + 1)",
        "torch.arange(1, 4)",
        "torch.tensor(3.)",
        "torch.arange(2., dtype=torch.float64)",
    )
    check_all(f"{t} {op} {n}" for t in tensors for op in operators for n in numpy_values)
    check_all(f"{n} {op} {t}" for t in tensors for op in operators for n in numpy_values)
    arrays = ("np.ones(3)", "np.ones(3, np.float32)", "np.arange(3)")
    check_all(f"(torch.arange(3.) + 1) {op} {a}" for op in operators for a in arrays)
    check_all(f"{a} {op} (torch.arange(3.) + 1)" for op in operators for a in arrays)
    check_all(
        [
            "np.ones((2, 2)) @ torch.ones(2, 2)",
            "torch.ones(2, 2) @ np.ones((2, 2))",
            "a = np.ones(2); a += torch.ones(2); a",
            "t = torch.ones(2); t += np.float64(2); t",
            "t = torch.ones(2); t *= np.ones(2, np.float32); t",
            "np.float64(2) * torch.ones(2, requires_grad=True)",
            "(torch.ones(2, requires_grad=True) * np.float64(2)).grad_fn is None",
            "torch.ones(2).mul(np.float64(2))",
            "torch.add(torch.ones(2), np.float32(1))",
            "torch.clamp(torch.arange(3.), np.float64(1), np.int64(2))",
            "torch.ones(3).sum(np.int64(0))",
            "torch.ones(2, 3).view(np.int64(3), np.int32(2)).shape",
            "torch.arange(5)[np.int64(2)]",
            "torch.arange(5)[np.array([1, 2])]",
            "torch.arange(3)[np.array([True, False, True])]",
            "t = torch.zeros(3); t[0] = np.float64(2); t",
            "t = torch.zeros(3); t[:] = np.ones(3); t",
            "t = torch.zeros(3); t[np.array([0, 2])] = 1.; t",
        ]
    )


def test_numpy_functions() -> None:
    functions = (
        "std",
        "sort",
        "argmax",
        "cumsum",
        "median",
        "transpose",
        "ravel",
        "squeeze",
        "unique",
        "flip",
        "clip",
        "allclose",
        "array_equal",
        "dot",
        "concatenate",
        "where",
        "diff",
        "round",
    )
    extra = {
        "clip": ", 0, 1",
        "allclose": ", torch.arange(3.)",
        "array_equal": ", torch.arange(3.)",
        "dot": ", torch.arange(3.)",
        "where": " > 0",
    }
    check_all(f"np.{f}(torch.arange(3.){extra.get(f, '')})" for f in functions if f != "concatenate")
    check_all(
        [
            "np.concatenate([torch.ones(2), torch.zeros(2)])",
            "np.testing.assert_allclose(torch.ones(2), np.ones(2))",
            "np.testing.assert_array_equal(torch.ones(2), torch.ones(2))",
            "np.linalg.norm(torch.ones(4))",
            "np.reshape(torch.ones(4), (2, 2)).shape",
            "np.expand_dims(torch.ones(2), 0).shape",
            "np.histogram(torch.ones(4), bins=2)[0]",
            "np.isclose(torch.ones(2), 1.)",
            "np.nan_to_num(torch.tensor([float('nan')]))",
            "np.interp(1.5, torch.arange(3.), torch.arange(3.))",
        ]
    )


def test_dlpack() -> None:
    torch = pytest.importorskip("torch")
    for dtype in ("float32", "float64", "int64", "uint8", "int8", "bool", "complex64", "float16"):
        theirs = torch.arange(6).reshape(2, 3).t().to(getattr(torch, dtype))
        ours = rushlight.from_dlpack(theirs)
        assert str(ours.dtype) == str(theirs.dtype) and ours.tolist() == theirs.tolist()
        assert ours.stride() == theirs.stride() and ours.data_ptr() == theirs.data_ptr()
        back = torch.from_dlpack(ours)
        assert back.data_ptr() == theirs.data_ptr() and back.tolist() == theirs.tolist()
        array = np.from_dlpack(ours)
        assert array.__array_interface__["data"][0] == theirs.data_ptr()
        assert rushlight.from_dlpack(array).data_ptr() == theirs.data_ptr()
    check_all(
        [
            "torch.from_dlpack(np.arange(3.))",
            "torch.from_dlpack(torch.ones(2))",
            "torch.from_dlpack([1])",
            "np.from_dlpack(torch.ones(2, requires_grad=True))",
            "torch.from_dlpack(torch.ones(2)).requires_grad",
            "t = torch.zeros(2); torch.from_dlpack(t)[0] = 5; t",
            "torch.utils.dlpack.from_dlpack(torch.ones(2)) if False else 1",
            "torch.from_dlpack(torch.ones(1, dtype=torch.bfloat16)).float()",
        ]
    )
