"""What third-party libraries import by PyTorch's private names, or only mention."""

import collections
import copy
import importlib
import pickle

import pytest

import rushlight as torch


@pytest.mark.parametrize(
    "tree",
    [
        (1, 2),
        [1],
        {"a": 1},
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=1),
        collections.deque([1, 2], 3),
        collections.namedtuple("Pair", "a b")(1, 2),
    ],
    ids=lambda tree: type(tree).__name__,
)
def test_functions_that_flatten_and_unflatten_one_kind(tree):
    trees = importlib.import_module("rushlight.utils._pytree")
    kind = {"Pair": "namedtuple"}.get(type(tree).__name__, type(tree).__name__.lower())
    leaves, context = getattr(trees, f"_{kind}_flatten")(tree)
    with_keys, again = getattr(trees, f"_{kind}_flatten_with_keys")(tree)
    assert [value for _, value in with_keys] == leaves and again == context
    found = getattr(trees, f"_{kind}_unflatten")(leaves, context)
    assert type(found) is type(tree) and list(found) == list(tree)
    assert getattr(found, "maxlen", None) == getattr(tree, "maxlen", None)


def test_private_functions_compute():
    transforms = importlib.import_module("rushlight.distributions.transforms")
    assert (
        0
        < transforms._clipped_sigmoid(torch.tensor(-1e4))
        < transforms._clipped_sigmoid(torch.tensor(1e4))
        < 1
    )
    normal = importlib.import_module("rushlight.distributions.multivariate_normal")
    factor = normal._precision_to_scale_tril(torch.tensor([[4.0, 0.0], [0.0, 0.25]]))
    torch.testing.assert_close(factor, torch.tensor([[0.5, 0.0], [0.0, 2.0]]))
    module = importlib.import_module("rushlight.nn.modules.module")
    assert module._addindent("a\nb\nc", 2) == "a\n  b\n  c"
    rnn = importlib.import_module("rushlight.nn.modules.rnn")
    assert rnn.apply_permutation(torch.tensor([[1, 2]]), torch.tensor([1, 0])).tolist() == [[2, 1]]
    transformer = importlib.import_module("rushlight.nn.modules.transformer")
    assert transformer._get_activation_fn("relu")(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert torch.nn.functional._get_softmax_dim("softmax", 2, 3) == 1
    dropout = importlib.import_module("rushlight.nn.modules.dropout")
    assert issubclass(torch.nn.Dropout, dropout._DropoutNd)


@pytest.mark.parametrize(
    ("name", "args"),
    [("uniform_", (0.0, 2.0)), ("normal_", (1.0, 2.0)), ("trunc_normal_", (0.0, 1.0, -1.0, 1.0))],
)
def test_random_values_without_recording(name, args):
    torch.manual_seed(3)
    expected = getattr(torch.nn.init, name)(torch.empty(4), *args)
    torch.manual_seed(3)
    weight = torch.empty(4, requires_grad=True)
    assert torch.equal(getattr(torch.nn.init, "_no_grad_" + name)(weight, *args), expected)
    assert torch.nn.init._no_grad_fill_(weight, 2.0).tolist() == [2.0] * 4
    assert torch.nn.init._no_grad_zero_(weight).tolist() == [0.0] * 4


def test_batches_are_pinned_under_the_private_path():
    pin_memory = importlib.import_module("rushlight.utils.data._utils.pin_memory").pin_memory

    class Batch:
        def pin_memory(self):
            return "pinned"

    assert pin_memory({"a": [Batch(), 1], "b": (Batch(), "text")}) == {
        "a": ["pinned", 1],
        "b": ("pinned", "text"),
    }


def test_dtypes_that_no_tensor_has():
    names = ["qint8", "qint32", "quint8", "quint4x2", "quint2x4", "int1", "int7", "uint1", "uint7"]
    for name in names:
        dtype = getattr(torch, name)
        assert (
            repr(dtype) == f"torch.{name}" and isinstance(dtype, torch.dtype) and not dtype.is_floating_point
        )
        assert pickle.loads(pickle.dumps(dtype)) is dtype and dtype != torch.int8
        with pytest.raises(NotImplementedError, match=f"torch.{name}: there are no tensors of this dtype"):
            torch.zeros(2, dtype=dtype)


def test_itemsizes_of_dtypes_that_no_tensor_has():
    oracle = pytest.importorskip("torch")
    for name in ("qint8", "qint32", "quint8", "quint4x2", "quint2x4", "int3", "uint4"):
        expected, dtype = getattr(oracle, name), getattr(torch, name)
        assert (dtype.itemsize, dtype.is_floating_point, dtype.is_complex) == (
            expected.itemsize, expected.is_floating_point, expected.is_complex,
        )  # fmt: skip


def test_types_of_torchscript_serve_isinstance():
    for name in ("TensorType", "IntType", "ListType", "DeviceObjType", "Type"):
        kind = getattr(torch, name)
        assert kind is getattr(torch, name) and not isinstance(torch.ones(1), kind)
        with pytest.raises(NotImplementedError, match=f"torch.{name}: Rushlight does not have it"):
            kind()
    native = importlib.import_module("rushlight._C")
    assert not isinstance(1, (native.Value, native.Graph)) and native._is_tracing() is False
    assert (
        native._jit_set_profiling_executor(False) is True
        and native._jit_set_texpr_fuser_enabled(True) is None
    )
    with pytest.raises(NotImplementedError, match=r"torch\.fx"):
        torch.jit._get_trace_graph(torch.nn.ReLU(), torch.ones(1))


def test_operators_of_a_namespace_that_begins_with_an_underscore():
    @torch.library.custom_op("_rushlight_tests::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    assert torch.ops._rushlight_tests.twice(torch.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(AttributeError, match="_rushlight_nothing"):
        _ = torch.ops._rushlight_nothing.twice
    with pytest.raises(AttributeError):
        _ = torch.ops.__wrapped__


def test_copies_of_operators_are_the_operators():
    packet = torch.ops.aten.relu
    assert copy.deepcopy(packet) is packet and copy.copy(packet.default) is packet.default
    assert pickle.loads(pickle.dumps([packet, packet.default])) == [packet, packet.default]
    assert copy.deepcopy({packet.default: 1}) == {packet.default: 1}
    with pytest.raises(NotImplementedError, match=r"torch\.conv1d"):
        torch.ops.aten._convolution(torch.ones(1))


def test_static_graphs_may_ask_whether_transforms_are_active():
    native = importlib.import_module("rushlight._C")

    @torch.compile(fullgraph=True)
    def times(x):
        return x * 2 if native._are_functorch_transforms_active() else x * 3

    for _ in range(2):  # recorded outside of vmap, and never used inside
        assert times(torch.ones(2)).tolist() == [3.0, 3.0]
        assert torch.vmap(times)(torch.ones(2, 1)).tolist() == [[2.0], [2.0]]
