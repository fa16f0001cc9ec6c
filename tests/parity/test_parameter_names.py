"""Arguments by name, under PyTorch's names."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

A = [[4.0, 1.0], [1.0, 3.0]]


def called(library: Any, path: str, arguments: dict[str, Any]) -> Any:
    """The result as lists, or the type of the error."""
    values = {
        name: library.tensor(value) if isinstance(value, list) else value for name, value in arguments.items()
    }
    method = path.removeprefix("Tensor.")
    function: Any = library if method == path else library.tensor(A)
    for part in method.split("."):
        function = getattr(function, part)
    try:
        result = function(**values)
    except TypeError:
        return TypeError
    parts = result if isinstance(result, tuple) else (result,)
    return [part.tolist() if isinstance(part, library.Tensor) else part for part in parts]


SQUARE = (
    "linalg.cholesky", "linalg.cholesky_ex", "linalg.cond", "linalg.eigvals", "linalg.eigvalsh", "linalg.matrix_exp",
    "linalg.matrix_norm", "linalg.matrix_rank", "linalg.norm", "linalg.pinv", "linalg.vector_norm", "linalg.inv", "linalg.det",
    "linalg.ldl_factor", "linalg.svdvals", "det", "inverse", "matrix_exp", "cholesky_inverse",
)  # fmt: skip


@pytest.mark.parametrize("name", ["A", "input", "x"])
@pytest.mark.parametrize("path", SQUARE)
def test_the_first_parameter_of_functions_of_matrices(path: str, name: str) -> None:
    expected, result = called(torch, path, {name: A}), called(rushlight, path, {name: A})
    if name == "x" and path not in ("linalg.vector_norm", "linalg.matrix_norm", "linalg.norm"):
        return  # NumPy's names are taken by few functions
    assert (result is TypeError) == (expected is TypeError)
    if result is not TypeError:
        torch.testing.assert_close(torch.tensor(result[0]), torch.tensor(expected[0]))


OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cholesky_solve", {"input": A, "input2": A}), ("linalg.tensorsolve", {"input": A, "other": [1.0, 2.0]}),
    ("linalg.solve_triangular", {"input": A, "B": A, "upper": True}), ("linalg.matrix_power", {"input": A, "n": 2}),
    ("orgqr", {"input": A, "input2": [0.5, 0.5]}), ("ormqr", {"input": A, "input2": [0.5, 0.5], "input3": A}),
    ("nn.functional.one_hot", {"input": [1, 0]}), ("nn.functional.one_hot", {"tensor": [1, 0]}),
    ("Tensor.copy_", {"other": A}), ("Tensor.copy_", {"src": A}), ("Tensor.resize_", {"size": (1, 2)}),
    ("Tensor.swapaxes_", {"axis0": 0, "axis1": 1}), ("Tensor.sum_to_size", {"size": (1, 2)}),
    ("linspace", {"start": 0, "end": 1, "steps": 3, "pin_memory": False}), ("eye", {"n": 2, "pin_memory": False}),
    ("logspace", {"start": 0, "end": 1, "steps": 3, "pin_memory": False}), ("fft.fftfreq", {"n": 4, "pin_memory": False}),
    ("embedding", {"weight": A, "indices": [1], "sparse": False}),
    ("layer_norm", {"input": A, "normalized_shape": (2,), "cudnn_enable": False}),
    ("group_norm", {"input": A, "num_groups": 2, "cudnn_enabled": False}),
    ("is_signed", {"input": A}), ("is_same_size", {"input": A, "other": [1.0]}), ("get_device", {"input": A}),
    ("diff", {"a": A, "axis": 0}),
)  # fmt: skip


@pytest.mark.parametrize(("path", "arguments"), OTHERS)
def test_others(path: str, arguments: dict[str, Any]) -> None:
    expected, result = called(torch, path, arguments), called(rushlight, path, arguments)
    if expected is TypeError or not isinstance(expected[0], list):
        assert result == expected
    else:
        torch.testing.assert_close(torch.tensor(result[0]), torch.tensor(expected[0]))


METHODS = (
    "compile", "set_default_device", "save", "nn.RMSNorm.forward", "nn.Sequential.extend", "nn.Sequential.pop",
    "distributions.HalfNormal.icdf", "distributions.HalfCauchy.icdf", "distributions.MixtureSameFamily.cdf",
    "distributions.MixtureSameFamily.log_prob", "distributions.CorrCholeskyTransform.log_abs_det_jacobian",
    "profiler.profile.export_chrome_trace", "utils._pytree.tree_map_only", "utils._pytree.keystr", "utils._pytree.key_get",
    "nn.parallel.DistributedDataParallel", "distributed.barrier", "serialization.default_restore_location",
    "serialization.location_tag", "serialization.register_package", "accelerator.memory_allocated",
)  # fmt: skip


@pytest.mark.parametrize("path", METHODS)
def test_signatures(path: str) -> None:
    ours, theirs = rushlight, torch
    for part in path.split("."):
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_lengths_are_taken_from_a_padded_tensor_that_is_turned() -> None:
    results = []
    for library in (torch, rushlight):
        padded = library.arange(24.0).reshape(4, 2, 3)
        parts = library.nn.utils.rnn.unpad_sequence(padded, library.tensor([2, 4]))
        results.append((list(padded.shape), [part.tolist() for part in parts]))
    assert results[0] == results[1]


def test_storages_are_put_where_a_location_says() -> None:
    results = []
    for library in (torch, rushlight):
        storage = library.ones(2).untyped_storage()
        places = library.serialization
        found: list[Any] = [
            places.location_tag(storage),
            places.default_restore_location(storage, "cpu") is storage,
        ]
        for location in ("cuda:0", "nowhere"):
            with pytest.raises(RuntimeError) as error:
                places.default_restore_location(storage, location)
            found.append(str(error.value)[:60])
        results.append(found)
    assert results[0] == results[1]


def test_the_default_backend() -> None:
    from rushlight.jit import compile as compiling

    assert compiling.get_default_backend() == torch.compiler.get_default_backend() == "inductor"

    def double(x: Any) -> Any:
        return x * 2

    compiling.set_default_backend("eager")
    try:
        assert compiling.get_default_backend() == "eager"
        assert rushlight.compile(double) is double
    finally:
        compiling.set_default_backend(None)
    assert rushlight.compile(double) is not double


def test_autocast_as_a_switch() -> None:
    for library in (torch, rushlight):
        matrix = library.ones(2, 2)
        library.set_autocast_enabled("cpu", True)
        try:
            assert library.is_autocast_enabled("cpu") and (matrix @ matrix).dtype is library.bfloat16
            assert library.layer_norm(matrix.bfloat16(), (2,)).dtype is library.bfloat16
        finally:
            library.set_autocast_enabled("cpu", False)
        assert not library.is_autocast_enabled("cpu") and (matrix @ matrix).dtype is library.float32
        assert (library.autocast_increment_nesting(), library.autocast_decrement_nesting()) == (1, 0)


def test_attributes_of_script_modules() -> None:
    for library in (torch, rushlight):

        class Scaled(library.jit.ScriptModule):
            def __init__(self) -> None:
                super().__init__()
                self.scale = library.jit.Attribute(0.1, float)
                assert self.scale > 0

        assert Scaled().scale == 0.1


def test_kernels_of_operators_can_be_left_out_for_a_while() -> None:
    results = []
    for library in (torch, rushlight):

        def one(x: Any) -> Any:
            return x + 1

        one.__annotations__ = {"x": library.Tensor, "return": library.Tensor}
        operator = library.library.custom_op("parameter_names::one", one, mutates_args=())
        operator.register_kernel("cpu", lambda x: x + 2)
        found = [operator(library.ones(1)).item()]
        with operator.set_kernel_enabled("cpu", enabled=False):
            found.append(operator(library.ones(1)).item())
        with operator.set_kernel_enabled("cuda", enabled=False):
            found.append(operator(library.ones(1)).item())
        results.append(found)
    assert results[0] == results[1] == [3, 2, 3]


def test_an_unknown_way_to_meet() -> None:
    for library in (torch, rushlight):
        with pytest.raises(RuntimeError, match="No rendezvous handler for nowhere://"):
            library.distributed.init_process_group("gloo", init_method="nowhere://here", rank=0, world_size=2)


def test_what_scripts_have_and_modules_lack_is_said() -> None:
    traced = rushlight.jit.trace(rushlight.nn.ReLU(), rushlight.ones(1))
    with pytest.raises(
        AttributeError, match=r"no attribute 'save': torch.jit.script and torch.jit.trace give back"
    ):
        traced.save("model.pt")
    with pytest.raises(AttributeError, match=r"no attribute 'weight'$"):
        _ = traced.weight


def test_sums_of_sizes_and_histograms_by_position() -> None:
    results = []
    for library in (torch, rushlight):
        points = library.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
        counts = library.histogramdd(
            points, [2, 2], [0.0, 2.0, 0.0, 2.0], library.tensor([1.0, 2.0, 3.0]), True
        )
        results.append((library.sym_sum((1, 2)), library.sym_sum(1, 2), counts.hist.tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "arguments",
    [
        None, {}, {"device": "cpu"}, {"factory_kwargs": {"dtype": 1}, "device": 2}, {"x": 1},
        {"factory_kwargs": {"dtype": 1}, "dtype": 2},
    ],
)  # fmt: skip
def test_factory_kwargs(arguments: dict[str, Any] | None) -> None:
    results = []
    for library in (torch, rushlight):
        try:
            results.append(library.nn.factory_kwargs(arguments))
        except TypeError as error:
            results.append(str(error))
    assert results[0] == results[1]


@pytest.mark.parametrize("arguments", [(1,), ("cpu", 1), ([1], True), ("nowhere", True), (2.0,)])
def test_switches_refuse_what_is_no_switch(arguments: tuple[Any, ...]) -> None:
    errors = []
    for library in (torch, rushlight):
        with pytest.raises((TypeError, RuntimeError)) as error:
            library.set_autocast_enabled(*arguments)
        errors.append(error.type)
        with pytest.raises(TypeError):
            library.set_autocast_cpu_dtype(arguments)
        with pytest.raises(TypeError):
            library.set_anomaly_enabled(arguments)
        assert not library.is_autocast_enabled("cpu")
    assert errors[0] is errors[1]
