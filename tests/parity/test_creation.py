"""Making tensors from data, filled and as ranges: every line gives under Rushlight what it gives under PyTorch."""

from __future__ import annotations

import itertools

import pytest

from . import opinfo
from .expressions import check_all

# fmt: off - tables of program lines
pytestmark = pytest.mark.parity

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bfloat16",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
)

DATA = (
    "1",
    "True",
    "1.5",
    "1j",
    "-3",
    "2**62",
    "2**63 - 1",
    "2**63",
    "-2**63",
    "-2**63 - 1",
    "10**30",
    "1e300",
    "1e39",
    "float('nan')",
    "float('inf')",
    "[]",
    "[[]]",
    "[[], []]",
    "[[[]]]",
    "()",
    "([], [])",
    "[1, 2]",
    "(1, 2)",
    "[1, 2.0]",
    "[True, 2]",
    "[True, 2.5]",
    "[True, False]",
    "[1, 2j]",
    "[True, 1j]",
    "[1.5, 2j]",
    "[[1, 2], (3, 4)]",
    "[[1], [2]]",
    "[[True], [2]]",
    "[[1, 2], [3]]",
    "[[1, 2], 3]",
    "[1, [2, 3]]",
    "[[1], []]",
    "[[], [1]]",
    "[[[1]], [2]]",
    "[1, []]",
    "range(4)",
    "[range(2), range(2, 4)]",
    "[range(2), range(3)]",
    "range(0)",
    "'abc'",
    "'1'",
    "''",
    "['a', 'b']",
    "[1, 'a']",
    "b'12'",
    "bytearray(b'12')",
    "None",
    "[None]",
    "[1, None]",
    "object()",
    "[object()]",
    "{}",
    "{1: 2}",
    "{1, 2}",
    "iter([1])",
    "(i for i in [1, 2])",
    "[{}]",
    "[{1: 2}]",
    "[2**63]",
    "[1, 2**63]",
    "[1.0, 2**63]",
    "[1.5, 10**400]",
    "[float('nan'), 1]",
    "[-1, 255]",
    "[1e300]",
    "[1e39]",
    "np.float32(1.5)",
    "np.float64(1.5)",
    "np.float16(1.5)",
    "np.int8(3)",
    "np.int32(3)",
    "np.int64(3)",
    "np.uint8(3)",
    "np.bool_(True)",
    "np.complex64(1j)",
    "np.complex128(1j)",
    "np.str_('a')",
    "[np.float32(1.5), np.float32(2)]",
    "[np.float64(1.5), np.float64(2)]",
    "[np.float16(1)]",
    "[np.int32(1), np.int32(2)]",
    "[np.int64(1), 2]",
    "[np.float32(1), 2]",
    "[1, np.float32(2)]",
    "[np.bool_(True), np.bool_(False)]",
    "[np.uint8(1), np.int8(2)]",
    "[np.complex64(1)]",
    "[np.int8(1), np.float32(2)]",
    "[True, np.bool_(False)]",
    "[np.float64(1), 2j]",
    "np.array(3)",
    "np.array(3.5)",
    "np.array([1, 2], dtype=np.int32)",
    "np.array([[1.5]], dtype=np.float16)",
    "np.zeros((0, 3))",
    "np.arange(6).reshape(2, 3).T",
    "np.arange(6)[::-1]",
    "np.arange(6)[::2]",
    "np.array([1, 2], dtype='>i4')",
    "np.array([1, 2], dtype='>f8')",
    "np.array(['a'])",
    "np.array([object()])",
    "np.array([1], dtype='M8[s]')",
    "np.array([(1, 2)], dtype='i4,i4')",
    "np.array([1j], np.complex64)",
    "[np.array([1, 2]), np.array([3, 4])]",
    "[np.array([1.0]), np.array([2.0])]",
    "[np.array(1), np.array(2)]",
    "[np.float32(3), np.array(2.0)]",
    "[np.array([1, 2]), [3, 4]]",
    "[np.array([1, 2]), np.array([3])]",
    "[[1, 2], np.array([3, 4])]",
    "[np.array([1, 2], np.float32), np.array([1, 2], np.float32)]",
    "torch.ones(2)",
    "torch.tensor(3)",
    "[torch.tensor(1), torch.tensor(2)]",
    "[torch.tensor(1.5), torch.tensor(2.5)]",
    "[torch.tensor(1), 2.5]",
    "[torch.tensor([1]), torch.tensor([2])]",
    "[torch.tensor([1, 2])]",
    "[torch.tensor([1, 2]), torch.tensor([3, 4])]",
    "[1, torch.tensor(2)]",
    "[torch.tensor(True)]",
    "[torch.tensor(1.5, dtype=torch.float64)]",
    "[torch.tensor(1.5, dtype=torch.float16)]",
    "[torch.tensor(1j)]",
    "[torch.ones(1, 1)]",
    "[torch.ones(0)]",
    "[torch.ones(2, requires_grad=True)[0]]",
    "torch.Size([2, 3])",
    "[torch.Size([2, 3])]",
    "memoryview(b'12')",
    "complex(1, float('nan'))",
    "[-0.0]",
    "1e-50",
    "__import__('array').array('i', [1, 2])",
    "__import__('fractions').Fraction(1, 2)",
    "__import__('decimal').Decimal('1.5')",
    "__import__('collections').deque([1, 2])",
)


def test_tensor_from_data() -> None:
    check_all(f"torch.tensor({data})" for data in DATA)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensor_from_shared_ruleswith_a_dtype(dtype: str) -> None:
    check_all(
        f"torch.tensor({data}, dtype=torch.{dtype})"
        for data in DATA
        if "1e39" not in data or "float" in dtype
    )


@pytest.mark.parametrize("function", ["as_tensor", "asarray"])
def test_as_tensor(function: str) -> None:
    shared_rules = [
        d
        for d in DATA
        if function == "as_tensor" or not d.startswith(("b'", "bytearray", "memoryview", "__import__('array"))
    ]
    check_all(f"torch.{function}({data})" for data in shared_rules)
    for dtype in ("uint8", "int64", "float32", "complex64"):
        check_all(f"torch.{function}({data}, dtype=torch.{dtype})" for data in shared_rules)


@pytest.mark.parametrize("default", ["float64", "float16", "bfloat16"])
def test_under_another_default_dtype(default: str) -> None:
    lines = [
        "torch.tensor(1.5)",
        "torch.tensor([])",
        "torch.ones(2)",
        "torch.arange(0, 1, 0.5)",
        "torch.full((2,), 1.5)",
        "torch.linspace(0, 1, 3)",
        "torch.eye(2)",
        "torch.Tensor([1, 2])",
        "torch.empty(0)",
        "torch.tensor(1) / 2",
        "torch.tensor(3).sqrt()",
        "torch.tensor([1]) * 1.5",
        "torch.tensor(np.float32(1.5))",
        "torch.tensor([1]).mean(dtype=None) if False else 1",
        "torch.nn.Linear(1, 1).weight.dtype",
        "torch.get_default_dtype()",
        "torch.tensor([1], dtype=float)",
        "torch.rand(0)",
        "torch.logspace(0, 1, 2)",
        "torch.result_type(torch.tensor(1), 1.5)",
        "torch.tensor([1]).new_tensor([1.5])",
        "torch.zeros(1, dtype=complex)",
        "torch.finfo().bits",
    ]
    check_all(
        f"torch.set_default_dtype(torch.{default})\ntry: r = {line}\nfinally: torch.set_default_dtype(torch.float32)\nr"
        for line in lines
    )


def test_from_numpy_and_arrays_share_memory() -> None:
    check_all(
        [
            "a = np.zeros(3); t = torch.from_numpy(a); t[0] = 5; a",
            "a = np.zeros(3); t = torch.from_numpy(a); a[1] = 5; t",
            "a = np.zeros(3); t = torch.as_tensor(a); t[0] = 5; a",
            "a = np.zeros(3); t = torch.asarray(a); t[0] = 5; a",
            "a = np.zeros(3); t = torch.tensor(a); t[0] = 5; a",
            "a = np.zeros(3); t = torch.as_tensor(a, dtype=torch.float32); t[0] = 5; a",
            "a = np.zeros(3, np.int64); t = torch.as_tensor(a, dtype=int); t[0] = 5; a",
            "a = np.zeros(3); t = torch.asarray(a, copy=True); t[0] = 5; a",
            "a = np.zeros(3); t = torch.asarray(a, copy=False); t[0] = 5; a",
            "torch.asarray([1], copy=False)",
            "torch.asarray(np.zeros(3), dtype=torch.float32, copy=False)",
            "a = torch.zeros(3); t = torch.as_tensor(a); t is a",
            "a = torch.zeros(3); t = torch.as_tensor(a, dtype=torch.float32); t is a",
            "a = torch.zeros(3); torch.asarray(a) is a",
            "a = torch.zeros(3, requires_grad=True); torch.asarray(a).requires_grad",
            "a = torch.zeros(3, requires_grad=True); torch.as_tensor(a).requires_grad",
            "a = torch.zeros(3, requires_grad=True); torch.as_tensor(a, dtype=torch.float64).requires_grad",
            "a = torch.zeros(3, requires_grad=True); torch.asarray(a, dtype=torch.float64).requires_grad",
            "torch.asarray([1.0], requires_grad=True)",
            "torch.asarray([1], requires_grad=True)",
            "a = torch.zeros(3); torch.asarray(a, requires_grad=True).requires_grad, a.requires_grad",
            "torch.from_numpy([1])",
            "torch.from_numpy(np.float64(1))",
            "torch.from_numpy(np.array(1.0))",
            "torch.from_numpy(np.array(['a']))",
            "torch.from_numpy(np.zeros(3)[::-1])",
            "torch.from_numpy(np.zeros((2, 3)).T).stride()",
            "torch.from_numpy(np.zeros(4)[::2]).stride()",
            "torch.from_numpy(np.zeros(2, dtype='>f4'))",
            "torch.as_tensor(np.zeros(3)[::-1])",
            "torch.from_numpy(np.broadcast_to(np.ones(1), (3,)))",
            "a = np.zeros(3); a.flags.writeable = False; torch.from_numpy(a)",
            "torch.from_numpy(np.zeros(3, dtype='i4,f4'))",
            "torch.from_numpy(np.zeros((0, 3)))",
            "torch.from_numpy(np.zeros(2, dtype=np.longdouble))",
            "torch.from_numpy(None)",
            "torch.frombuffer(bytearray(8), dtype=torch.float32)",
            "torch.from_numpy(np.frombuffer(bytearray(8), np.int32))",
            "torch.from_numpy(np.ma.masked_array([1.0, 2.0], [0, 1]))",
            "torch.from_numpy(np.matrix([[1.0]]))",
        ]
    )


FILLERS = ("zeros", "ones", "empty")


def test_sizes() -> None:
    sizes = (
        "2, 3",
        "(2, 3)",
        "[2, 3]",
        "torch.Size([2, 3])",
        "size=(2, 3)",
        "size=[2]",
        "",
        "()",
        "[]",
        "0",
        "2, 0",
        "-1",
        "(2, -1)",
        "2.0",
        "2, 3.0",
        "(2.5,)",
        "'a'",
        "None",
        "(2, None)",
        "True",
        "np.int64(2)",
        "(np.int32(2), 3)",
        "np.float64(2)",
        "torch.tensor(2)",
        "(torch.tensor(2), 1)",
        "torch.tensor([2, 3])",
        "torch.tensor(2.0)",
        "(2,), 3",
        "[[2]]",
        "10**20",
        "(2**40, 2**40)",
        "2**62",
        "(2**31, 2**31, 4)",
        "range(2)",
        "np.array([2, 3])",
        "2, foo=1",
        "(2,), size=(2,)",
        "{2: 3}",
    )
    check_all(f"torch.{name}({size}).shape" for name in FILLERS for size in sizes)
    check_all(
        f"torch.full(({size},), 1).shape"
        for size in ("2", "2, 3", "0", "-1", "2.0", "None", "10**20", "2**62")
    )
    check_all(f"torch.{name}({size}).shape" for name in ("rand", "randn") for size in sizes)


def test_filled() -> None:
    dtypes = (
        *(f"torch.{d}" for d in DTYPES),
        "float",
        "int",
        "bool",
        "complex",
        "None",
        "'float32'",
        "np.float32",
        "1",
    )
    check_all(f"torch.{name}(2, 1, dtype={dtype})" for name in ("zeros", "ones") for dtype in dtypes)
    check_all(f"torch.empty(2, 0, dtype={dtype})" for dtype in dtypes)
    values = (
        "1",
        "1.5",
        "True",
        "1j",
        "-1",
        "300",
        "float('nan')",
        "float('inf')",
        "2**40",
        "2**63",
        "10**30",
        "1e300",
        "torch.tensor(2)",
        "torch.tensor([2])",
        "np.float64(2)",
        "np.int8(2)",
        "'a'",
        "None",
        "[1]",
        "np.array(1.5)",
        "1e39",
    )
    check_all(f"torch.full((2,), {value})" for value in values)
    check_all(f"torch.full((2,), {value}, dtype={dtype})" for value in values for dtype in dtypes)
    check_all(
        f"torch.full_like(torch.ones(2, dtype=torch.{dtype}), {value})"
        for value in values
        for dtype in DTYPES
    )
    check_all(
        f"torch.ones(2, dtype=torch.{dtype}).new_full((1, 2), {value})"
        for value in values
        for dtype in DTYPES
    )


def test_keywords() -> None:
    check_all(
        [
            "torch.zeros(2, requires_grad=True)",
            "torch.ones(2, dtype=torch.int64, requires_grad=True)",
            "torch.zeros(2, device='cpu')",
            "torch.zeros(2, device='nowhere')",
            "torch.zeros(2, device='cuda')",
            "torch.zeros(2, device=torch.device('cpu'))",
            "torch.zeros(2, device='cpu:0').device",
            "torch.zeros(2, layout=torch.strided)",
            "torch.zeros(2, names=None)",
            "torch.zeros(2, pin_memory=False)",
            "o = torch.empty(2); torch.zeros(2, out=o) is o",
            "o = torch.empty(0); torch.zeros(2, 3, out=o).shape, o.shape",
            "o = torch.empty(2, dtype=torch.int64); torch.ones(2, out=o)",
            "o = torch.empty(2); torch.ones(2, out=o, dtype=torch.int64)",
            "o = torch.empty(2); torch.ones(2, out=o, dtype=torch.float32)",
            "o = torch.empty(2); torch.full((2,), 3, out=o)",
            "o = torch.empty(3, dtype=torch.int32); torch.arange(3, out=o)",
            "o = torch.empty(0); torch.linspace(0, 1, 3, out=o)",
            "o = torch.empty(0); torch.eye(2, out=o)",
            "o = torch.empty(2); torch.eye(2, out=o, dtype=torch.float64)",
            "torch.zeros(2, out=3)",
            "torch.zeros_like(torch.ones(2, 3, dtype=torch.int8))",
            "torch.zeros_like(torch.ones(2), dtype=torch.int8)",
            "torch.zeros_like(3)",
            "torch.zeros_like([1])",
            "torch.ones_like(torch.zeros(2), requires_grad=True)",
            "torch.ones_like(input=torch.zeros(2))",
            "torch.empty_like(torch.zeros(0, 2))",
            "torch.ones_like(np.zeros(2))",
            "torch.zeros_like(torch.ones(2, 3).t()).stride()",
            "torch.zeros_like(torch.ones(2, 3, 4).permute(2, 0, 1)).stride()",
            "torch.zeros_like(torch.ones(3, 4)[:, ::2]).stride()",
            "torch.ones_like(torch.ones(1, 3).expand(2, 3)).stride()",
            "torch.ones_like(torch.ones(3, 1).expand(3, 2)).stride()",
            "torch.full_like(torch.ones(3, 2).t(), 2).stride()",
            "torch.zeros_like(torch.ones(2, 3).t(), memory_format=torch.contiguous_format).stride()",
            "torch.zeros_like(torch.ones(1, 2, 2, 2), memory_format=torch.channels_last).stride()",
            "torch.empty(1, 2, 3, 4, memory_format=torch.channels_last).stride()",
            "torch.zeros(2, 3).new_zeros(2).dtype",
            "torch.zeros(2, dtype=torch.int8).new_ones((2, 2))",
            "torch.zeros(1).new_ones(2, 2)",
            "torch.zeros(1).new_zeros([2, 2])",
            "torch.zeros(1).new_zeros(size=(2,))",
            "torch.zeros(1).new_empty(2, 0)",
            "torch.zeros(1).new_empty((0,), dtype=torch.bool)",
            "torch.zeros(1).new_zeros(())",
            "torch.zeros(1).new_zeros()",
            "torch.zeros(1).new_full((2,), 3)",
            "torch.zeros(1, dtype=torch.int64).new_full((2,), 3.7)",
            "torch.zeros(1).new_full((2,), 3, dtype=torch.int8)",
            "torch.zeros(1).new_full(size=(2,), fill_value=3)",
            "torch.zeros(1).new_tensor([1, 2])",
            "torch.zeros(1, dtype=torch.int64).new_tensor([1.5])",
            "torch.zeros(1).new_tensor(1)",
            "torch.zeros(1).new_tensor([1], dtype=torch.int8)",
            "torch.zeros(1).new_tensor([1], requires_grad=True)",
            "torch.zeros(1).new_tensor(torch.tensor([2]))",
            "torch.zeros(1).new_tensor('a')",
            "torch.zeros(1).new_ones(2, requires_grad=True)",
            "torch.zeros(1).new_zeros(2, device='cpu')",
            "torch.zeros(1).new_empty_strided((2, 2), (1, 2)).stride()",
            "torch.empty_strided((2, 3), (1, 2)).stride()",
            "torch.zeros(1).new([1, 2])",
            "torch.zeros(1).new(2, 0)",
            "torch.zeros(1, dtype=torch.int64).new([1, 2])",
            "torch.scalar_tensor(3)",
            "torch.scalar_tensor(3, dtype=torch.int64)",
            "torch.tensor([1.0], requires_grad=True)",
            "torch.tensor([1], requires_grad=True)",
            "torch.tensor([1.0], device='cuda')",
            "torch.tensor([1.0], device='cpu', pin_memory=False)",
            "torch.tensor(data=[1])",
            "torch.tensor()",
            "torch.tensor([1], torch.float32)",
            "torch.tensor([1], foo=1)",
            "torch.as_tensor([1], dtype=torch.int8, device='cpu')",
            "torch.as_tensor([1], device='cuda')",
            "torch.full((2,), fill_value=1)",
            "torch.full(size=(2,), fill_value=1)",
            "torch.full(2, 1)",
            "torch.full([2], 1, requires_grad=True)",
            "torch.full([2], 1., requires_grad=True)",
            "torch.range(0, 3)",
            "torch.range(1, 2, 0.5)",
            "torch.zeros(2, dtype=torch.float32).is_leaf",
            "torch.ones(2, layout=None)",
            "torch.ones(2, device=None)",
            "torch.is_tensor(1), torch.is_tensor(torch.ones(1))",
            "torch.full((), 2)",
            "torch.full((2,), torch.tensor(2.0, requires_grad=True))",
            "torch.full_like(torch.ones(2), torch.tensor(3))",
        ]
    )


def test_arange() -> None:
    bounds = (
        "5",
        "0",
        "5.5",
        "-1",
        "2, 5",
        "5, 2",
        "5, 2, -1",
        "2, 2",
        "0, 1, 0.1",
        "0, 5, 2",
        "0, 6, 2",
        "0, 5, 0",
        "5, 0, 1",
        "1, 0, -0.25",
        "0.0, 3",
        "0, 3.0",
        "0, 1, 0.3",
        "1e-3, 1, 0.1",
        "0, 10, 3.5",
        "-3, 3, 1.5",
        "start=1, end=4",
        "end=3",
        "start=0, end=4, step=2",
        "0, end=3",
        "0, 3, step=2",
        "1, step=2",
        "0, 4, -1",
        "float('nan')",
        "float('inf')",
        "0, float('inf')",
        "True",
        "2**62, 2**62 + 3",
        "2**53, 2**53 + 3",
        "-2**63, -2**63 + 2",
        "torch.tensor(3)",
        "torch.tensor(3.0)",
        "torch.tensor([3])",
        "np.int64(3)",
        "np.float32(3)",
        "'a'",
        "None",
        "1j",
        "0, 3, 1, 4",
        "2.5, 4.5",
        "0.5, 5",
        "0, 2, 0.5",
        "10, 0, -3",
        "3, -3, -2",
        "10**20",
        "0, 10**14",
        "0, 1e15, 1.0",
        "1, 2, 1e-20",
    )
    check_all(f"torch.arange({bound})" for bound in bounds)
    for dtype in DTYPES:
        check_all(
            f"torch.arange({bound}, dtype=torch.{dtype})"
            for bound in bounds
            if "2**" not in bound and "10**14" not in bound and "1e15" not in bound and "10**20" not in bound
        )
    check_all(
        [
            "torch.arange(3., requires_grad=True)",
            "torch.arange(3, requires_grad=True)",
            "torch.arange(3, dtype=float)",
        ]
    )


def test_linspace_and_logspace() -> None:
    bounds = (
        "0, 1, 5",
        "0, 1, 0",
        "0, 1, 1",
        "0, 1, 2",
        "1, 0, 4",
        "-3, 3, 7",
        "0, 10, 4",
        "0.5, 7.7, 6",
        "0, 1, -1",
        "0, 1",
        "0, 1, 2.5",
        "start=0, end=1, steps=3",
        "2, 2, 3",
        "-1, 10, 11",
        "float('nan'), 1, 3",
        "0, float('inf'), 3",
        "torch.tensor(0), 1, 3",
        "0, torch.tensor(1.0), 3",
        "torch.tensor([0]), 1, 3",
        "0, 1, torch.tensor(3)",
        "0, 100, 101",
        "1, 3, 10",
        "'a', 1, 3",
        "0, 1, None",
        "0, 1, 1000",
        "3, -7, 13",
        "0, 1, True",
    )
    check_all(f"torch.linspace({bound})" for bound in (*bounds, "0, 1j, 3", "1+1j, 2, 4"))
    for dtype in DTYPES:
        check_all(
            f"torch.linspace({bound}, dtype=torch.{dtype})"
            for bound in bounds
            if "nan" not in bound and "inf" not in bound
        )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex64", "float16", "bfloat16"])
def test_logspace(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    import rushlight

    cases = ((0, 1, 5), (0, 2, 3), (-2, 2, 9), (1, 0, 4), (0, 1, 0), (0, 1, 1), (2, 2, 3))
    for (start, end, steps), base in itertools.product(cases, (10.0, 2.0, 0.5, 1)):
        options = {"base": base}
        if dtype == "int64" and base == 0.5:
            continue
        ours = rushlight.logspace(start, end, steps, dtype=getattr(rushlight, dtype), **options)
        theirs = torch.logspace(start, end, steps, dtype=getattr(torch, dtype), **options)
        assert opinfo.difference(ours, theirs) is None, (start, end, steps, base)


def test_eye() -> None:
    sizes = (
        "3",
        "0",
        "2, 3",
        "3, 2",
        "-1",
        "2, -1",
        "2, 0",
        "n=2",
        "n=2, m=3",
        "2.5",
        "'a'",
        "True",
        "np.int64(2)",
        "torch.tensor(2)",
        "2**40, 2**40",
        "None",
        "(2, 2)",
    )
    check_all(f"torch.eye({size})" for size in sizes)
    check_all(f"torch.eye(2, 3, dtype=torch.{dtype})" for dtype in DTYPES)
    check_all(["torch.eye(2, requires_grad=True)", "torch.eye(2, dtype=torch.int8, requires_grad=True)"])


def test_constructors_by_type() -> None:
    names = (
        "Tensor",
        "FloatTensor",
        "LongTensor",
        "BoolTensor",
        "ByteTensor",
        "DoubleTensor",
        "HalfTensor",
        "IntTensor",
    )
    arguments = (
        "",
        "[1, 2]",
        "(1, 2)",
        "0",
        "2, 0",
        "torch.Size([0, 2])",
        "[[1.5]]",
        "[]",
        "'a'",
        "-1",
        "None",
        "np.zeros(2)",
        "[1, [2]]",
        "2.5",
        "(2.5,)",
        "range(3)",
        "True",
        "np.array([1, 2])",
    )
    check_all(f"torch.{name}({argument})" for name in names for argument in arguments)
    check_all(
        [
            "torch.Tensor(torch.ones(2))",
            "torch.Tensor(torch.ones(2, dtype=torch.int64))",
            "torch.FloatTensor(torch.ones(2))",
            "torch.LongTensor(torch.ones(2))",
            "torch.LongTensor([1.7, -1.7])",
            "isinstance(torch.ones(2), torch.FloatTensor)",
            "isinstance(torch.ones(2), torch.LongTensor)",
            "isinstance(torch.ones(2).long(), torch.LongTensor)",
            "isinstance(1, torch.FloatTensor)",
            "torch.ones(2).type(torch.LongTensor)",
            "torch.ones(2).type('torch.LongTensor')",
            "torch.FloatTensor.dtype if False else 1",
            "torch.Tensor(2, 3).shape",
            "torch.Tensor(2, 3).dtype",
            "torch.LongTensor(2).shape",
            "a = torch.ones(2); b = torch.Tensor(a); b[0] = 5; a",
        ]
    )


OPINFO = (
    "arange",
    "linspace",
    "logspace",
    "eye",
    "full",
    "zeros",
    "ones",
    "zeros_like",
    "ones_like",
    "full_like",
    "new_full",
    "new_zeros",
    "new_ones",
    "scalar_tensor",
)
METHODS = {
    name: lambda x, *args, _name=name, **options: getattr(x, _name)(*args, **options)
    for name in OPINFO
    if "new_" in name
}


@pytest.mark.parametrize("name", OPINFO)
@pytest.mark.parametrize("check", [c for c in opinfo.CHECKS if c != "gradients"])
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, functions=METHODS)
