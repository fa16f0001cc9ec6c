"""Between tensors and Python values, dtypes, pickles and copies: every line gives under both libraries the same."""

# ruff: noqa: E501 - each string is one line of a program

from __future__ import annotations

import pytest

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
FLOATS = ("bfloat16", "float16", "float32", "float64")


def test_to() -> None:
    forms = (
        "torch.float64",
        "'cpu'",
        "torch.device('cpu')",
        "'cpu', torch.float64",
        "device='cpu'",
        "dtype=torch.float64",
        "device='cpu', dtype=torch.int8",
        "torch.ones(1, dtype=torch.int8)",
        "torch.float64, True",
        "torch.float32, copy=True",
        "copy=True",
        "",
        "None",
        "'cuda'",
        "'nowhere'",
        "'meta'",
        "torch.float64, non_blocking=True",
        "'cpu', torch.float64, True, True",
        "float",
        "int",
        "'float64'",
        "foo=1",
        "dtype='float64'",
        "dtype=float",
        "torch.float64, torch.int8",
        "memory_format=torch.contiguous_format",
        "torch.float64, memory_format=torch.preserve_format",
        "[1]",
        "dtype=None",
        "device=None",
        "torch.ones(1), copy=True",
        "torch.strided",
    )
    check_all(f"torch.ones(2).to({form})" for form in forms if form != "'meta'")
    check_all(f"t = torch.ones(2); t.to({form}) is t" for form in forms if form != "'meta'")
    check_all(
        [
            "t = torch.ones(2, requires_grad=True); t.to(torch.float64).sum().backward(); t.grad",
            "t = torch.ones(2, requires_grad=True); t.to(torch.float32, copy=True).is_leaf",
            "torch.ones(2, 3).t().to(torch.float64).stride()",
            "torch.ones(2, 3).t().double().stride()",
            "torch.ones(2, 3).expand(4, 2, 3).double().stride()",
            "torch.ones(4, 4)[::2, ::2].double().stride()",
            "torch.ones(1, 2, 2, 2).to(memory_format=torch.channels_last).stride()",
            "torch.ones(1, 2, 2, 2).contiguous(memory_format=torch.channels_last).stride()",
            "torch.ones(1, 2, 2, 2).to(memory_format=torch.channels_last).is_contiguous(memory_format=torch.channels_last)",
            "torch.ones(1, 2, 3, 2).is_contiguous(memory_format=torch.channels_last)",
        ]
    )


def test_types() -> None:
    check_all(f"torch.ones(1, dtype=torch.{d}).type()" for d in DTYPES)
    check_all(
        f"torch.ones(2).type({t})"
        for t in (
            *(f"torch.{d}" for d in DTYPES),
            "'torch.LongTensor'",
            "torch.LongTensor",
            "torch.FloatTensor",
            "'nothing'",
            "float",
            "int",
            "1",
            "None",
            "torch.Tensor",
            "dtype=torch.int8",
        )
    )
    check_all(
        f"torch.ones(2).type_as({t})" for t in ("torch.ones(1).long()", "torch.ones(1)", "3", "np.ones(2)")
    )
    check_all(
        f"torch.ones(2).{m}()"
        for m in (
            "float",
            "double",
            "half",
            "bfloat16",
            "int",
            "long",
            "short",
            "char",
            "byte",
            "bool",
            "cfloat",
            "cdouble",
            "cpu",
            "cuda",
            "is_floating_point",
            "is_complex",
            "is_signed",
            "element_size",
            "get_device",
            "is_pinned",
            "is_inference",
        )
    )
    names = (
        "is_cuda",
        "is_cpu",
        "is_sparse",
        "is_quantized",
        "is_mkldnn",
        "is_nested",
        "is_meta",
        "is_mps",
        "itemsize",
        "nbytes",
        "device",
        "dtype",
        "ndim",
        "is_leaf",
        "requires_grad",
        "grad_fn",
        "output_nr",
        "grad",
        "retains_grad",
        "_version",
    )
    check_all(f"torch.ones(2, 3).{name}" for name in names)
    check_all(
        f"torch.{f}(torch.ones(2, dtype=torch.{d}))"
        for f in ("is_floating_point", "is_complex", "numel")
        for d in ("bool", "int8", "float16", "complex64")
    )
    check_all(f"torch.ones(2, dtype=torch.{d}).is_signed()" for d in DTYPES)
    check_all(
        [
            "str(torch.ones(1).layout)",
            "str(torch.strided)",
            "torch.ones(1).is_shared()",
            "torch.is_nonzero(torch.ones(1))",
            "torch.is_nonzero(torch.ones(2))",
            "torch.is_nonzero(torch.zeros(1))",
            "torch.is_nonzero(torch.ones(0))",
            "torch.numel(3)",
            "torch.is_floating_point(3)",
        ]
    )


# Casts to an integer type of a float outside of its range (and of nan) are undefined: PyTorch's answer depends on the
# processor and on the number of elements. They are left out here; see tests/ops/test_conversion.py for what is certain.
SPECIAL = {
    "bool": "[True, False]",
    "uint8": "[0, 1, 127, 128, 255]",
    "int8": "[0, 1, -1, -128, 127]",
    "int16": "[0, -1, 255, 256, -32768, 32767]",
    "int32": "[0, -1, 65535, 65536, -2**31, 2**31 - 1, 16777217]",
    "int64": "[0, -1, 2**32 - 1, 2**32, -2**63, 2**63 - 1, 2**53 + 1, 2**24 + 1, 65520]",
    "bfloat16": "[0.0, -0.0, 1.5, -2.75, 126.0]",
    "float16": "[0.0, -0.0, 1.5, -2.75, 126.0, 1e-7]",
    "float32": "[0.0, -0.0, 1.5, -2.75, 126.0, 1e-45, 1.00048828125, 1.0009765625]",
    "float64": "[0.0, -0.0, 1.5, -2.75, 126.0, 5e-324, 1 + 2**-11 + 2**-30, 1 + 2**-8 + 2**-30, 1 + 2**-24 + 2**-50]",
    "complex64": "[0j, 1.5 - 2j, -0.0 + 3j, 126 + 1j]",
    "complex128": "[0j, 1.5 - 2j, -0.0 + 3j, 126 + 1j]",
}


@pytest.mark.parametrize("source", DTYPES)
def test_casts(source: str) -> None:
    check_all(
        f"torch.tensor({SPECIAL[source]}, dtype=torch.{source}).to(torch.{target})"
        for target in DTYPES
        if not (target == "uint8" and source in (*FLOATS, "complex64", "complex128"))
    )
    if source in FLOATS:
        extremes = (
            "[float('nan'), float('inf'), -float('inf'), 3e38, -3e38, 65504.0, 65519.0, 65520.0, 1e5, 6e-8]"
        )
        check_all(
            f"torch.tensor({extremes}, dtype=torch.{source}).to(torch.{target})"
            for target in ("bool", *FLOATS, "complex64", "complex128")
        )


@pytest.mark.parametrize("target", ["uint8", "int8", "int16", "int32", "int64"])
def test_casts_of_floats_in_the_range_of_int32(target: str) -> None:
    """Within int32 the narrower types take the low bits, on the processors that PyTorch runs on."""
    for source in ("float32", "float64"):
        check_all(
            [
                f"torch.tensor([-1.0, -1.5, 300.0, 255.9, 1e5, -70000.0, 2147483520.0] * {n}, dtype=torch.{source}).to(torch.{target})"
                for n in (1, 9)
            ]
        )


VALUES = (
    "torch.tensor(3)",
    "torch.tensor(3.7)",
    "torch.tensor(-3.7)",
    "torch.tensor(True)",
    "torch.tensor(1 + 2j)",
    "torch.tensor([3])",
    "torch.tensor([[2.5]])",
    "torch.tensor([1, 2])",
    "torch.tensor([])",
    "torch.tensor(float('nan'))",
    "torch.tensor(float('inf'))",
    "torch.tensor(1.5, dtype=torch.bfloat16)",
    "torch.tensor(0.1, dtype=torch.float16)",
    "torch.tensor(7, dtype=torch.uint8)",
    "torch.tensor(0.0)",
    "torch.tensor([0])",
    "torch.tensor(1.5, requires_grad=True)",
    "torch.ones(0, 2)",
    "torch.ones(1, 1, 1)",
    "torch.tensor(3 + 0j)",
    "torch.tensor([True])",
    "torch.tensor(2**62)",
)


def test_python_values() -> None:
    uses = (
        "{}.item()",
        "{}.tolist()",
        "int({})",
        "float({})",
        "complex({})",
        "bool({})",
        "operator.index({})",
        "[10, 20, 30, 40, 50, 60, 70, 80][{}]",
        "len({})",
        "list({})",
        "math.floor({})",
        "math.ceil({})",
        "math.trunc({})",
        "round({})",
        "1 in {}",
        "3.5 in {}",
        "f'{{{}}}'",
        "f'{{{}:.2f}}'",
        "f'{{{}:5d}}'",
        "'%d' % {}",
        "'%.1f' % {}",
        "'%s' % {}",
        "format({})",
        "format({}, '>10')",
        "range({})",
        "[0] * {}",
        "not {}",
        "{} and 1",
        "abs({})",
        "hex({})",
        "math.sqrt({})",
        "isinstance(hash({}), int)",
        "max({})",
        "sum({})",
        "sorted({})",
        "reversed({})[0] if False else 1",
        "str({})",
        "repr({})",
        "tuple({})",
        "divmod({}, 2)",
        "dict(a={})['a']",
        "pow({}, 2)",
        "iter({}).__next__()",
        "torch.zeros(({}, 2)).shape if {}.numel() == 1 and {}.item() == 3 else 1",
    )
    check_all(
        use.replace("{}", "v").replace("{{", "{").replace("}}", "}").join((f"v = {value}; ", ""))
        for use in uses
        for value in VALUES
        if not ("range" in use and "2**62" in value)
        and not (("[0] *" in use or "np.zeros" in use) and "2**62" in value)
    )


def test_containers() -> None:
    check_all(
        [
            "t = torch.ones(2); {t: 1}[t]",
            "t = torch.ones(2); t in [t]",
            "torch.ones(2) in [torch.ones(2)]",
            "'a' in torch.ones(2)",
            "None in torch.ones(2)",
            "[1] in torch.ones(2)",
            "torch.tensor(1.) in torch.ones(2)",
            "torch.ones(3) in torch.ones(2)",
            "a, b = torch.tensor([1, 2]); a, b",
            "[x.tolist() for x in torch.arange(4).view(2, 2)]",
            "next(iter(torch.tensor([1.], requires_grad=True))).requires_grad",
            "for_ = [i for i, x in enumerate(torch.ones(3))]; for_",
            "dict(enumerate(torch.arange(2)))",
            "list(zip(torch.arange(2), torch.ones(2)))",
            "list(reversed(torch.arange(3)))",
            "torch.ones(2) == None",
            "torch.ones(2) != None",
            "torch.ones(2) == 'a'",
            "torch.ones(2) == [1, 1]",
            "torch.tensor([1, 2]).__contains__(2)",
            "t = torch.ones(2); hash(t) == hash(t)",
            "set([torch.ones(1), torch.ones(1)]).__len__()",
            "np.array([torch.tensor(1), torch.tensor(2)]).tolist()",
            "np.array(torch.ones(2)).dtype.str",
            "'{:>8}|'.format(torch.tensor(1.5))",
            "'{:.3e}'.format(torch.tensor(1.5))",
            "f'{torch.ones(2):.2f}'",
            "f'{torch.ones(1):.2f}'",
            "f'{torch.ones(2)}'",
            "f'{torch.ones(2)!r}'",
            "torch.ones(2).size()",
            "torch.ones(2, 3).size(1)",
            "torch.ones(2, 3).size(-1)",
            "torch.ones(2, 3).size(2)",
            "torch.ones(2, 3).size(dim=0)",
            "torch.tensor(1).size(0)",
            "torch.ones(2, 3).stride()",
            "torch.ones(2, 3).stride(0)",
            "torch.ones(2, 3).stride(-3)",
            "torch.ones(2, 3).t().stride()",
            "torch.ones(0, 3).stride()",
            "torch.ones(3, 0).stride()",
            "torch.ones(2, 0, 3).stride()",
            "torch.tensor(1).stride()",
            "torch.ones(1).expand(3).stride()",
            "torch.ones(1, 1).stride()",
            "torch.zeros(2, 3)[:, :1].stride()",
            "torch.arange(6)[::2].stride()",
            "torch.arange(6)[::2].storage_offset()",
            "torch.arange(6)[2:].storage_offset()",
            "torch.arange(6)[2:4][1:].storage_offset()",
            "torch.arange(6).view(2, 3)[1].storage_offset()",
            "torch.arange(6).view(2, 3)[1, 2].storage_offset()",
            "t = torch.arange(6); t[2:].data_ptr() - t.data_ptr()",
            "torch.ones(0).data_ptr()",
            "torch.ones(2, 3).dim(), torch.ones(2, 3).ndimension(), torch.ones(2).nelement()",
            "torch.ones(2, 3).is_contiguous()",
            "torch.ones(2, 3).t().is_contiguous()",
            "torch.ones(1, 3).t().is_contiguous()",
            "torch.ones(0, 3).t().is_contiguous()",
            "torch.ones(4)[::2].is_contiguous()",
            "t = torch.ones(2); t.is_set_to(t), t.is_set_to(t.clone()), t.is_set_to(t.view(2))",
            "t = torch.arange(6.).view(2, 3); t[1].untyped_storage().data_ptr() == t.untyped_storage().data_ptr()",
            "torch.arange(6.)[2:4].untyped_storage().nbytes()",
            "torch.arange(6.)[2:4].untyped_storage().size()",
            "len(torch.arange(6.)[2:4].untyped_storage())",
            "torch.arange(6.)[2:4].storage().size()",
            "len(torch.arange(6.)[2:4].storage())",
            "t = torch.ones(3); t.storage().data_ptr() == t.data_ptr()",
            "torch.ones(3).untyped_storage().data_ptr() != 0",
            "torch.ones(2).storage().tolist()",
            "torch.ones(2, dtype=torch.int8).untyped_storage().tolist()",
            "torch.ones(2).nbytes",
        ]
    )


def test_history_and_memory() -> None:
    check_all(
        [
            "t = torch.ones(2, requires_grad=True); d = t.detach(); d[0] = 5; t",
            "t = torch.ones(2, requires_grad=True); d = t.data; d[0] = 5; t, t._version",
            "t = torch.ones(2); d = t.detach(); d.add_(1); t._version",
            "t = torch.ones(2, requires_grad=True); (t * 2).detach_().requires_grad",
            "t = torch.ones(2, requires_grad=True); t.detach_().requires_grad",
            "t = torch.ones(4, requires_grad=True); (t * 2)[:2].detach_()",
            "t = torch.ones(4); t[:2].detach_()",
            "t = torch.ones(2); t.data = torch.zeros(3); t",
            "t = torch.ones(2); t.data = torch.ones(2, dtype=torch.int64); t",
            "t = torch.ones(2, requires_grad=True); t.data = torch.ones(2, dtype=torch.float64); (t * 2).sum().backward(); t.grad",
            "t = torch.ones(2, requires_grad=True); t.data = torch.ones(3); (t * 2).sum().backward(); t.grad",
            "t = torch.ones(2, requires_grad=True); t.data.mul_(3); t",
            "t = torch.ones(2); v = t.data; v.requires_grad_(); t.requires_grad",
            "t = torch.ones(2); t.set_(torch.zeros(3)); t",
            "t = torch.ones(2); o = torch.zeros(3); t.set_(o); t[0] = 7; o",
            "t = torch.ones(2); t.set_(torch.zeros(3, dtype=torch.int64))",
            "t = torch.ones(2); t.set_(); t",
            "t = torch.ones(2); t.set_(torch.arange(6.), 1, (2, 2), (2, 1)); t",
            "t = torch.ones(2); t.set_(torch.arange(6.).untyped_storage(), 1, (2, 2), (2, 1)); t",
            "t = torch.arange(6.); t.resize_(2, 3); t",
            "t = torch.arange(6.); t.resize_(2); t",
            "t = torch.arange(6.); t.resize_((2, 2)); t",
            "t = torch.arange(6.); t.resize_(2); t.resize_(6); t",
            "t = torch.arange(6.); v = t.resize_(3); v is t",
            "t = torch.ones(2, requires_grad=True); t.resize_(3)",
            "t = torch.arange(6.); t.resize_(-1)",
            "t = torch.ones(2); t.resize_(4).shape",
            "t = torch.arange(6.).view(2, 3).t(); t.resize_(2, 3); t",
            "t = torch.arange(6.); v = t[2:]; v.resize_(2); v[0] = 9; t",
            "t = torch.ones(2); t.resize_as_(torch.ones(3, 1)).shape",
            "torch.ones(3).copy_(torch.tensor([1, 2, 3]))",
            "torch.ones(3).copy_(5)",
            "torch.ones(3).copy_(torch.ones(2))",
            "torch.ones(2, 3).copy_(torch.arange(3))",
            "torch.ones(3, dtype=torch.int8).copy_(torch.tensor([1.7, -1.7, 100.]))",
            "torch.ones(3).copy_(np.ones(3))",
            "torch.ones(3).copy_('a')",
            "torch.ones(3).copy_(torch.tensor(2.0))",
            "torch.ones(3).copy_(torch.ones(3, dtype=torch.complex64))",
            "torch.ones(3).fill_(2)",
            "torch.ones(3).fill_(torch.tensor(2))",
            "torch.ones(3).fill_(torch.tensor([2]))",
            "torch.ones(3).fill_('a')",
            "torch.ones(3).fill_(None)",
            "torch.ones(3, dtype=torch.int8).fill_(2.7)",
            "torch.ones(3, dtype=torch.int8).fill_(300)",
            "torch.ones(3, dtype=torch.uint8).fill_(-1)",
            "torch.ones(3, dtype=torch.bool).fill_(2)",
            "torch.ones(3).fill_(1j)",
            "torch.ones(3).fill_(True)",
            "torch.ones(3, dtype=torch.int64).fill_(float('nan'))",
            "torch.ones(3).fill_(1e300)",
            "torch.ones(3, dtype=torch.float16).fill_(1e10)",
            "torch.ones(3, requires_grad=True).fill_(1)",
            "torch.ones(3).fill_(np.float32(2.5))",
            "torch.ones(3).fill_([1])",
            "torch.ones(3).zero_()",
            "torch.ones(3, requires_grad=True).zero_()",
            "t = torch.ones(3, requires_grad=True) * 2; t.zero_(); t.requires_grad",
            "torch.ones(2).requires_grad_().requires_grad",
            "torch.ones(2).long().requires_grad_()",
            "torch.ones(2, requires_grad=True).clone().is_leaf",
            "torch.ones(2, 3).t().clone().stride()",
            "torch.ones(2, 3).t().contiguous().stride()",
            "t = torch.ones(2, 3); t.contiguous() is t",
            "torch.ones(1).expand(3).clone().stride()",
            "torch.ones(2, 3).t().clone(memory_format=torch.contiguous_format).stride()",
            "torch.clone(torch.ones(2))",
            "torch.ones(2).new_tensor([3]).dtype",
            "torch.ones(2, requires_grad=True).numpy()",
            "torch.ones(2, requires_grad=True).detach().numpy()",
            "torch.ones(2, requires_grad=True).numpy(force=True)",
            "torch.ones(2).bfloat16().numpy()",
            "torch.ones(2, requires_grad=True).tolist()",
            "torch.ones(2).cpu().numpy()",
            "torch.ones(2).share_memory_().tolist()",
            "torch.ones(2).pin_memory if False else 1",
        ]
    )


OBJECTS = (
    "torch.arange(4.)",
    "torch.arange(6).view(2, 3).t()",
    "torch.arange(6.)[::2]",
    "torch.arange(6.)[2:4]",
    "torch.tensor(1.5)",
    "torch.ones(0, 2)",
    "torch.ones(2, requires_grad=True)",
    "torch.ones(2, dtype=torch.bfloat16)",
    "torch.tensor([1j])",
    "torch.ones(1).expand(3)",
    "torch.nn.Parameter(torch.ones(2))",
    "torch.nn.Parameter(torch.ones(2), requires_grad=False)",
    "torch.float32",
    "torch.bool",
    "torch.Size([2, 3])",
    "torch.device('cpu')",
    "torch.device('cuda:1')",
    "torch.ones(2, requires_grad=True).detach()",
    "[torch.ones(1), {'a': torch.zeros(2)}]",
    "torch.nn.Linear(1, 1).state_dict().keys().__len__()",
    "torch.ones(1) if True else 0",
    "torch.strided.__class__.__name__",
    "torch.tensor([True])",
)


def test_pickles_and_copies() -> None:
    for protocol in range(6):
        check_all(f"pickle.loads(pickle.dumps({value}, protocol={protocol}))" for value in OBJECTS)
    check_all(f"copy.copy({value})" for value in OBJECTS)
    check_all(f"copy.deepcopy({value})" for value in OBJECTS)
    check_all(
        f"{f}({value}).stride()"
        for value in OBJECTS[:6]
        for f in ("copy.copy", "copy.deepcopy", "(lambda x: pickle.loads(pickle.dumps(x)))")
    )
    check_all(
        [
            "t = torch.arange(4.); t.label = 'x'; pickle.loads(pickle.dumps(t)).label",
            "t = torch.arange(4.); t.label = ['x']; copy.deepcopy(t).label",
            "t = torch.arange(4.); t.label = ['x']; copy.copy(t).label is t.label",
            "p = torch.nn.Parameter(torch.ones(2)); p.label = 'x'; pickle.loads(pickle.dumps(p)).label",
            "t = torch.arange(4.); a, b = pickle.loads(pickle.dumps([t, t])); a is b",
            "t = torch.arange(4.); a, b = pickle.loads(pickle.dumps([t, t[1:]])); a[1] = 9; b",
            "t = torch.arange(4.); a, b = copy.deepcopy([t, t[1:]]); a[1] = 9; b",
            "t = torch.arange(4.); a, b = copy.deepcopy([t[::2], t.view(2, 2)]); b[1, 0] = 9; a",
            "t = torch.arange(6.).view(2, 3); a, b = copy.deepcopy((t, t.t())); a[0, 1] = 9; b, b.stride()",
            "t = torch.arange(4.); c = copy.copy(t); c[0] = 9; t",
            "t = torch.arange(4.); c = copy.deepcopy(t); c[0] = 9; t",
            "t = torch.arange(4.); c = pickle.loads(pickle.dumps(t)); c[0] = 9; t",
            "t = torch.ones(2, requires_grad=True); (t * 2).sum().backward(); copy.deepcopy(t).grad",
            "t = torch.ones(2, requires_grad=True); (t * 2).sum().backward(); pickle.loads(pickle.dumps(t)).grad",
            "t = torch.ones(2, requires_grad=True); (t * 2).sum().backward(); copy.copy(t).grad",
            "t = torch.ones(2, requires_grad=True); h = t.register_hook(lambda g: g * 100); c = copy.deepcopy(t); (c * 2).sum().backward(); c.grad",
            "t = torch.ones(2, requires_grad=True); h = t.register_hook(lambda g: g * 100); c = copy.copy(t); (c * 2).sum().backward(); c.grad, t.grad",
            "m = torch.nn.Linear(2, 2); n = copy.deepcopy(m); (n.weight == m.weight).all(), n.weight is m.weight, type(n.weight).__name__",
            "m = torch.nn.Linear(2, 2); n = copy.copy(m); n.weight is m.weight",
            "m = torch.nn.Linear(2, 2); n = pickle.loads(pickle.dumps(m)); (n.weight == m.weight).all(), n.weight.requires_grad",
            "m = torch.nn.Sequential(torch.nn.Linear(2, 2)); m.append(m[0]); n = copy.deepcopy(m); n[0] is n[1], n[0].weight is n[1].weight",
            "copy.deepcopy(torch.float32) is torch.float32, copy.copy(torch.float32) is torch.float32, pickle.loads(pickle.dumps(torch.float32)) is torch.float32",
            "m = {}; t = torch.ones(2); a = copy.deepcopy(t, m); b = copy.deepcopy(t, m); a is b",
            "g = torch.Generator(); g.manual_seed(3); h = pickle.loads(pickle.dumps(g)); torch.rand(2, generator=g) == torch.rand(2, generator=h)",
            "copy.deepcopy(torch.ones(2, requires_grad=True)[0])",
            "a = np.arange(6.)[::2]; copy.deepcopy(torch.from_numpy(a))",
            "a = np.arange(6.).reshape(2, 3); copy.deepcopy(torch.from_numpy(a[:, 1:]))",
            "t = torch.ones(2); l = [t] * 2; c = copy.deepcopy(l); c[0] is c[1]",
        ]
    )


def test_dtypes_devices_and_shapes() -> None:
    check_all(
        f"torch.finfo(torch.{d}).{n}"
        for d in (*FLOATS, "complex64", "complex128", "int8")
        for n in ("eps", "max", "min", "tiny", "smallest_normal", "resolution", "bits", "dtype", "__repr__()")
    )
    check_all(
        f"torch.iinfo(torch.{d}).{n}"
        for d in ("uint8", "int8", "int16", "int32", "int64", "bool", "float32", "complex64")
        for n in ("max", "min", "bits", "dtype", "__repr__()")
    )
    check_all(
        [
            "torch.finfo().eps",
            "torch.finfo('float32')",
            "torch.iinfo()",
            "torch.iinfo(3)",
            "torch.finfo(float)",
            "torch.finfo(None)",
            "str(torch.finfo(torch.float32))",
        ]
    )
    check_all(
        f"torch.{d}.{n}"
        for d in DTYPES
        for n in ("is_floating_point", "is_complex", "is_signed", "itemsize", "to_real()", "__repr__()")
    )
    check_all(f"torch.{d}.to_complex()" for d in ("float32", "float64", "complex64", "complex128"))
    check_all(f"torch.promote_types(torch.{a}, torch.{b})" for a in DTYPES for b in DTYPES)
    check_all(f"torch.can_cast(torch.{a}, torch.{b})" for a in DTYPES for b in DTYPES)
    check_all(
        [
            "torch.float",
            "torch.double",
            "torch.half",
            "torch.long",
            "torch.int",
            "torch.short",
            "torch.cfloat",
            "torch.cdouble",
            "torch.float32 == torch.float",
            "torch.float32 == 'float32'",
            "{torch.float32: 1}[torch.float]",
            "torch.dtype('float32')",
            "isinstance(torch.float32, torch.dtype)",
            "torch.float32.foo",
            "torch.promote_types(torch.float32, 1)",
            "torch.can_cast(1, torch.int8)",
            "torch.set_default_dtype(torch.int64)",
            "torch.set_default_dtype('float64')",
            "torch.set_default_dtype(None)",
            "torch.get_default_dtype()",
            "torch.set_default_dtype(torch.complex64)",
            "str(torch.bool), repr(torch.uint8)",
        ]
    )
    check_all(
        f"torch.device({d})"
        for d in (
            "'cpu'",
            "'cuda'",
            "'cuda:0'",
            "'cuda:1'",
            "'cuda', 1",
            "'cpu', 0",
            "'cpu:0'",
            "0",
            "1",
            "'cuda:'",
            "'cuda:a'",
            "'cuda:-1'",
            "'nowhere'",
            "''",
            "'CPU'",
            "'cuda:0', 1",
            "None",
            "torch.device('cpu')",
            "'mps'",
            "'meta'",
            "type='cuda', index=2",
            "'cuda:01'",
            "'cpu:1'",
            "['cpu']",
            "-1",
            "'cuda', -1",
            "'cuda', 'a'",
            "'cuda:1:2'",
            "' cuda'",
            "True",
            "index=1",
            "torch.device('cuda'), 1",
            "'cuda', None",
        )
    )
    check_all(
        [
            "torch.device('cuda:1').index",
            "torch.device('cuda:1').type",
            "torch.device('cpu').index",
            "str(torch.device('cuda', 0))",
            "repr(torch.device('cuda', 0))",
            "torch.device('cpu') == 'cpu'",
            "torch.device('cpu') == torch.device('cpu', 0)",
            "torch.device('cuda') == torch.device('cuda')",
            "hash(torch.device('cpu')) == hash(torch.device('cpu'))",
            "torch.device('cpu').index_",
            "torch.ones(1).device == torch.device('cpu')",
            "torch.get_default_device()",
            "torch.set_default_device('cpu'); torch.ones(1).device",
            "torch.set_default_device(None); torch.get_default_device()",
            "torch.set_default_device('nowhere')",
        ]
    )
    check_all(
        [
            "torch.Size([2, 3])",
            "torch.Size((2, 3))",
            "torch.Size()",
            "torch.Size([])",
            "torch.Size(2)",
            "torch.Size([torch.tensor(2)])",
            "torch.Size([np.int64(2)])",
            "torch.Size([2, 3]).numel()",
            "torch.Size([]).numel()",
            "torch.Size([2, 3]) + (4,)",
            "torch.Size([2, 3]) + [4]",
            "(4,) + torch.Size([2])",
            "torch.Size([2]) * 2",
            "2 * torch.Size([2])",
            "torch.Size([2, 3, 4])[1:]",
            "torch.Size([2, 3, 4])[0]",
            "torch.Size([2, 3, 4])[-1]",
            "torch.Size([2])[3]",
            "torch.Size([2, 3]) == (2, 3)",
            "torch.Size([2, 3]) == [2, 3]",
            "hash(torch.Size([2])) == hash((2,))",
            "str(torch.Size([2]))",
            "repr(torch.Size([]))",
            "a, b = torch.Size([2, 3]); a, b",
            "list(torch.Size([2, 3]))",
            "len(torch.Size([2]))",
            "torch.Size([2, 3]).index(3)",
            "torch.Size([2, 2]).count(2)",
            "3 in torch.Size([2, 3])",
            "max(torch.Size([2, 3]))",
            "isinstance(torch.Size([1]), tuple)",
            "torch.Size(x for x in [1, 2])",
            "torch.Size([-1])",
            "torch.Size([2, 3]) < (2, 4)",
            "torch.zeros(torch.Size([2, 3])[1:]).shape",
            "torch.Size([2, 3]) + torch.Size([4])",
            "torch.Size([True])",
            "torch.Size(range(3))",
            "torch.Size([10**30])",
            "(1, 2) + torch.Size([3])",
            "torch.Size(None)",
        ]
    )


def test_printed() -> None:
    check_all(
        [
            "repr(torch.nn.Parameter(torch.ones(2)))",
            "str(torch.nn.Parameter(torch.ones(2)))",
            "repr(torch.nn.Parameter(torch.ones(2), requires_grad=False))",
            "repr(torch.ones(2, requires_grad=True))",
            "repr(torch.ones(2, requires_grad=True) * 2)",
            "repr(torch.ones(2, dtype=torch.float64))",
            "repr(torch.nn.Buffer(torch.ones(2)))",
            "Sub = type('Sub', (torch.Tensor,), {}); repr(torch.ones(2).as_subclass(Sub))",
            "Sub = type('Sub', (torch.nn.Parameter,), {}); repr(Sub(torch.ones(2)))",
            "repr([torch.ones(1), torch.zeros(2)])",
            "repr({'a': torch.ones(1)})",
            "repr(torch.ones(0, 2))",
            "repr(torch.tensor(1j))",
            "str(torch.tensor(1.5))",
            "repr(torch.nn.ParameterList([torch.ones(1)])[0])",
            "torch.nn.Parameter(torch.ones(2)).__repr__()",
            "f'{torch.nn.Parameter(torch.ones(1))}'",
            "Sub = type('Sub', (torch.Tensor,), {}); Sub([1., 2.])",
            "Sub = type('Sub', (torch.Tensor,), {}); repr(Sub([1., 2.]))",
        ]
    )
