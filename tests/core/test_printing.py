"""Tensors as text. The expected texts were observed from PyTorch 2.13; tests/parity compares at random."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from rushlight.core import printing
from rushlight.core.printing import PrintOptions, format_tensor


def text(values, dtype="float32", **given):
    numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    return format_tensor(np.array(values, dtype=numpy_dtype), dtype_name=dtype, **given)


nan, inf = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (3.5, "float32", "tensor(3.5000)"),
        (2.0, "float32", "tensor(2.)"),
        (-0.0, "float32", "tensor(-0.)"),
        (nan, "float32", "tensor(nan)"),
        (True, "bool", "tensor(True)"),
        (2**62, "int64", "tensor(4611686018427387904)"),
        ([1.0, 2.0, -3.0], "float32", "tensor([ 1.,  2., -3.])"),
        ([0.0, -0.0], "float32", "tensor([0., -0.])"),
        ([nan, 0.0], "float32", "tensor([nan, 0.])"),
        ([1.0, inf, -inf], "float32", "tensor([1., inf, -inf])"),
        ([1.5, inf, -inf], "float32", "tensor([1.5000,    inf,   -inf])"),
        # Just inside and just outside of the thresholds of scientific notation: 1e8, a ratio of 1000, 1e-4.
        ([1e8, 1e6], "float32", "tensor([100000000.,   1000000.])"),
        ([1.5e8, 1e6], "float32", "tensor([1.5000e+08, 1.0000e+06])"),
        ([1000.0, 1.0], "float32", "tensor([1000.,    1.])"),
        ([1001.0, 1.0], "float32", "tensor([1.0010e+03, 1.0000e+00])"),
        ([0.1, 100.0], "float32", "tensor([  0.1000, 100.0000])"),
        ([0.1, 100.001], "float32", "tensor([1.0000e-01, 1.0000e+02])"),
        ([1e-4], "float32", "tensor([1.0000e-04])"),  # the nearest float32 is below 1e-4
        ([1e-4], "float64", "tensor([0.0001], dtype=torch.float64)"),
        ([9.99999, 1.5], "float32", "tensor([10.0000,  1.5000])"),
        ([-0.0, 1e20], "float32", "tensor([-0.0000e+00, 1.0000e+20])"),
        ([5e-324, 1.0], "float64", "tensor([4.9407e-324,  1.0000e+00], dtype=torch.float64)"),
        ([1 / 3], "float16", "tensor([0.3333], dtype=torch.float16)"),
        ([1 / 3], "bfloat16", "tensor([0.3340], dtype=torch.bfloat16)"),
        ([70000.0, 1.0], "bfloat16", "tensor([7.0144e+04, 1.0000e+00], dtype=torch.bfloat16)"),
        ([True, False], "bool", "tensor([ True, False])"),
        ([-1, 10], "int64", "tensor([-1, 10])"),
        ([255, 1], "uint8", "tensor([255,   1], dtype=torch.uint8)"),
        ([[1, 2], [3, 400]], "int64", "tensor([[  1,   2],\n        [  3, 400]])"),
        ([[[[[1.0]]]]], "float32", "tensor([[[[[1.]]]]])"),
        ([1 + 2j, -0.5 - 1j], "complex64", "tensor([ 1.0000+2.j, -0.5000-1.j])"),
        (
            [complex(1, -0.0), complex(0, nan), complex(0, -inf)],
            "complex64",
            "tensor([1.-0.j, 0.+nanj, 0.-infj])",
        ),
        (1 + 1j, "complex64", "tensor(1.+1.j)"),
        ([1j], "complex128", "tensor([0.+1.j], dtype=torch.complex128)"),
    ],
)
def test_values(values, dtype, expected):
    assert text(values, dtype) == expected


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((0,), "float32", "tensor([])"),
        ((0, 3), "float32", "tensor([], size=(0, 3))"),
        ((0,), "int64", "tensor([], dtype=torch.int64)"),  # not default among empty ones, unlike elsewhere
        ((1, 1, 0), "bool", "tensor([], size=(1, 1, 0), dtype=torch.bool)"),
    ],
)
def test_empty(shape, dtype, expected):
    assert text(np.zeros(shape), dtype) == expected


def test_suffixes_in_order():
    given = {"device_suffix": "cuda:0", "requires_grad": True}
    assert (
        text([1.0], "float64", **given)
        == "tensor([1.], device='cuda:0', dtype=torch.float64, requires_grad=True)"
    )
    assert (
        text([1.0], grad_fn_name="AddBackward0", requires_grad=True) == "tensor([1.], grad_fn=<AddBackward0>)"
    )
    assert text(np.zeros((3, 0)), "float64", requires_grad=True) == (
        "tensor([], size=(3, 0), dtype=torch.float64, requires_grad=True)"
    )


def test_default_dtype_decides_what_goes_without_saying():
    assert text([1.0], "float64", default_dtype_name="float64") == "tensor([1.])"
    assert text([1.0], "float32", default_dtype_name="float64") == "tensor([1.], dtype=torch.float32)"
    assert text([1j], "complex128", default_dtype_name="float64") == "tensor([0.+1.j])"
    assert text([1j], "complex64", default_dtype_name="float64") == "tensor([0.+1.j], dtype=torch.complex64)"
    assert text([1j], "complex64", default_dtype_name="float16") == "tensor([0.+1.j])"


def test_suffix_that_does_not_fit_goes_to_a_line_of_its_own():
    values = [2.2165, 0.4159, 0.5030, 0.2566, 0.7283, 1.1476, 0.7579, 0.7790, 0.9483]
    assert text(values, "float64", grad_fn_name="AddBackward0") == (
        "tensor([2.2165, 0.4159, 0.5030, 0.2566, 0.7283, 1.1476, 0.7579, 0.7790, 0.9483],\n"
        "       dtype=torch.float64, grad_fn=<AddBackward0>)"
    )


def test_parameters_and_subclasses():
    assert text([1.0, 1.0], requires_grad=True, is_parameter=True) == (
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    )
    assert text([[1.0], [1.0]], class_name="Mine") == "Mine([[1.],\n      [1.]])"
    assert text([[1.0], [1.0]], class_name="SP", requires_grad=True, is_parameter=True) == (
        "Parameter containing:\nParameter(SP([[1.],\n    [1.]], requires_grad=True))"
    )


def test_lines_wrap_at_the_line_width():
    assert text(np.arange(40.0)) == (
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
        "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n"
        "        28., 29., 30., 31., 32., 33., 34., 35., 36., 37., 38., 39.])"
    )
    assert text(np.arange(4.0), options=PrintOptions(linewidth=-100)) == (
        "tensor([0.,\n        1.,\n        2.,\n        3.])"
    )
    wide = text(np.arange(900), "int64", options=PrintOptions(linewidth=inf))
    assert "\n" not in wide
    assert wide.endswith("898, 899])")


def test_summary_of_a_vector_and_a_matrix():
    assert text(np.arange(1001), "int64") == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    assert "..." not in text(np.arange(1000), "int64")
    assert text(np.arange(1200).reshape(30, 40), "int64") == (
        "tensor([[   0,    1,    2,  ...,   37,   38,   39],\n"
        "        [  40,   41,   42,  ...,   77,   78,   79],\n"
        "        [  80,   81,   82,  ...,  117,  118,  119],\n"
        "        ...,\n"
        "        [1080, 1081, 1082,  ..., 1117, 1118, 1119],\n"
        "        [1120, 1121, 1122,  ..., 1157, 1158, 1159],\n"
        "        [1160, 1161, 1162,  ..., 1197, 1198, 1199]])"
    )


def test_summary_decides_the_notation_by_what_is_shown():
    values = np.ones(2000)
    values[1000] = 1e30
    assert text(values) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_summary_of_blocks():
    options = PrintOptions(edgeitems=1, threshold=3)
    assert text(np.arange(24).reshape(4, 3, 2), "int64", options=options) == (
        "tensor([[[ 0,  1],\n"
        "         ...,\n"
        "         [ 4,  5]],\n"
        "\n"
        "        ...,\n"
        "\n"
        "        [[18, 19],\n"
        "         ...,\n"
        "         [22, 23]]])"
    )


def test_no_edge_items():
    options = PrintOptions(edgeitems=0, threshold=3)
    assert text(np.ones((2, 3)), options=options) == "tensor([...], size=(2, 3))"
    assert text(np.ones(2), options=options) == "tensor([1., 1.], size=(2,))"
    assert text(3, "int64", options=options) == "tensor(3, size=())"


def test_precision_and_forced_notation():
    assert text([1.5, 2.25], options=PrintOptions(precision=0)) == "tensor([2, 2])"
    assert text([1.5e-7, 2.25], options=PrintOptions(precision=0)) == "tensor([2e-07, 2e+00])"
    assert text([1.0, -2.0, inf], options=PrintOptions(sci_mode=True)) == (
        "tensor([ 1.0000e+00, -2.0000e+00,         inf])"
    )
    assert text([0.0, 0.0], options=PrintOptions(sci_mode=True)) == "tensor([0., 0.])"
    assert text([1.0, 20000.0, -3.0, inf], options=PrintOptions(sci_mode=False)) == (
        "tensor([    1., 20000.,    -3.,    inf])"
    )


def test_indent_moves_later_lines():
    assert text([[1.0], [2.0]], indent=4) == "tensor([[1.],\n            [2.]])"


def test_the_array_is_neither_changed_nor_copied_whole():
    huge = np.broadcast_to(np.float32(1.0), (10**6, 10**6))  # 4 TB if anything made it contiguous
    shown = format_tensor(huge, dtype_name="float32")
    assert shown.startswith("tensor([[1., 1., 1.,  ..., 1., 1., 1.],\n")
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    assert format_tensor(frozen[::-1], dtype_name="float64") == "tensor([2., 1., 0.], dtype=torch.float64)"


def test_many_dimensions():
    assert text(np.ones((1,) * 60)) == "tensor(" + "[" * 60 + "1." + "]" * 60 + ")"


class TestOptions:
    @pytest.fixture(autouse=True)
    def restore(self):
        yield
        printing.set_printoptions(profile="default")

    def test_profiles_and_refinement(self):
        default = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
        assert printing.get_printoptions() == default
        printing.set_printoptions(profile="SHORT", linewidth=100)
        assert printing.get_printoptions() == {**default, "precision": 2, "edgeitems": 2, "linewidth": 100}
        printing.set_printoptions(profile="full")
        assert printing.get_printoptions() == {**default, "threshold": inf}

    def test_options_stay_but_sci_mode_does_not(self):
        printing.set_printoptions(precision=2, sci_mode=True)
        assert text([1.5]) == "tensor([1.50e+00])"
        printing.set_printoptions(edgeitems=5)
        assert text([1.5]) == "tensor([1.50])"

    def test_context_manager_restores_after_an_error(self):
        with pytest.raises(KeyError), printing.printoptions(precision=1):
            assert text([1.25]) == "tensor([1.2])"
            raise KeyError
        assert text([1.25]) == "tensor([1.2500])"

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ({"precision": "a"}, TypeError),
            ({"edgeitems": 2.5}, TypeError),
            ({"profile": 5}, TypeError),
            ({"profile": "long"}, ValueError),
            ({"precision": -1}, ValueError),
            ({"edgeitems": -1}, ValueError),
        ],
    )
    def test_bad_options_are_refused_and_change_nothing(self, given, error):
        before = printing.get_printoptions()
        with pytest.raises(error, match=f"set_printoptions: {next(iter(given))}"):
            printing.set_printoptions(**given)
        assert printing.get_printoptions() == before
