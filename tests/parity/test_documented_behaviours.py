"""Small behaviours that PyTorch's documentation shows by example, each beside PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity
torch.set_num_threads(1)

NODES = [
    "F.gelu(x)", "F.silu(x)", "F.mish(x)", "F.hardswish(x)", "F.hardsigmoid(x)", "F.softshrink(x)", "F.hardshrink(x)",
    "F.threshold(x, 1, 0)", "F.celu(x)", "F.glu(x)", "F.logsigmoid(x)", "F.prelu(x, x[0, :1])", "x.clamp(0, 1)",
    "x.clamp(x.detach(), None)", "x.squeeze(0)", "x.squeeze((0,))", "x.squeeze()", "x.rsqrt()", "torch.rsqrt(x)",
    "x.index_select(0, torch.tensor([0]))", "x.index_add(0, torch.tensor([0]), x[:1])",
    "x.index_fill(0, torch.tensor([0]), 1.0)", "x.take(torch.tensor([0]))",
    "x.scatter_add(0, torch.zeros(1, 2, dtype=torch.long), x)", "x.repeat(2, 1)", "x.tile(2)", "x.trace()",
    "x.lerp(x * 2, 0.5)", "torch.addcmul(x, x, x)", "torch.addcdiv(x, x, x)", "torch.dist(x, x * 2)",
    "torch.renorm(x, 2, 0, 1.0)", "torch.rot90(x)", "torch.sinc(x)", "torch.rad2deg(x)", "x.log1p()", "x.digamma()",
    "x.aminmax()[0]", "F.huber_loss(x, x * 2)", "F.smooth_l1_loss(x, x * 2)", "F.soft_margin_loss(x, torch.ones(2, 2))",
    "F.binary_cross_entropy(x.sigmoid(), torch.ones(2, 2))", "F.multi_margin_loss(x, torch.tensor([0, 1]))",
    "F.cross_entropy(x, torch.tensor([0, 1]))", "F.nll_loss(x[None], torch.zeros(1, 2, dtype=torch.long))",
    "F.pairwise_distance(x, x * 2)", "F.linear(x, x)", "F.linear(x, x, x[0])", "F.interpolate(x[None, None], scale_factor=2)",
    "F.interpolate(x[None, None], scale_factor=2, mode='bilinear')",
    "F.interpolate(x[None, None], scale_factor=2, mode='bicubic', antialias=True)", "F.interpolate(x[None], size=3)",
    "F.interpolate(x[None], size=3, mode='nearest-exact')", "F.unfold(x[None, None], 2)",
    "F.pixel_shuffle(x[None].repeat(4, 1, 1), 2)", "F.channel_shuffle(x[None, :, :, None].repeat(1, 1, 1, 1), 2)",
    "F.grid_sample(x[None, None], x[None, None].repeat(1, 1, 1, 1), align_corners=False)",
    "F.embedding_bag(torch.tensor([[0, 1]]), x)", "F.embedding_bag(torch.tensor([[0, 1]]), x, mode='max')",
    "F.instance_norm(x[None])", "(x * 1).copy_(x)", "torch.vmap(torch.relu)(x)", "torch.vmap(lambda v: v * 2)(x)",
    "torch.sparse.mm(torch.eye(2).to_sparse_csr(), x, 'sum')", "torch.sparse.mm(torch.eye(2).to_sparse_csr(), x, 'max')",
]  # fmt: skip


def both(expression: str, **given: Any) -> list[Any]:
    found = []
    for library in (rushlight, torch):
        names = {"torch": library, "F": library.nn.functional, "np": np}
        names["x"] = library.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        try:
            found.append(eval(expression, names | given))
        except Exception as error:
            found.append((type(error).__name__, str(error).split(" (Triggered")[0]))
    return found


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("expression", NODES)
def test_the_name_of_the_last_node(expression: str) -> None:
    ours, theirs = both(expression)
    assert ours.grad_fn.name() == theirs.grad_fn.name()
    assert f"<{ours.grad_fn.name().rpartition(':')[2]}>" in repr(ours)


@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize("requires_grad", [None, True, False, "not given"])
@pytest.mark.parametrize("source", ["x", "x * 2", "x.detach()"])
@pytest.mark.filterwarnings("ignore:torch.asarray. unspecified requires_grad")
def test_asarray_keeps_or_leaves_history(source: str, requires_grad: Any, copy: bool | None) -> None:
    option = "" if requires_grad == "not given" else f", requires_grad={requires_grad}"
    ours, theirs = both(f"torch.asarray({source}, copy={copy}{option})")
    assert ours.requires_grad == theirs.requires_grad and ours.is_leaf == theirs.is_leaf
    assert (ours.grad_fn is None) == (theirs.grad_fn is None)


@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (1, 3, 1, 1), (2, 1, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("order", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize(
    "check",
    [
        "False", "True", "[torch.contiguous_format]", "[torch.channels_last]",
        "[torch.contiguous_format, torch.channels_last]", "[]", "'x'", "(torch.channels_last,)", "[1]", "None",
    ],
)  # fmt: skip
def test_dim_order_and_its_ambiguities(shape: tuple[int, ...], order: str, check: str) -> None:
    made = f"torch.ones({shape}).contiguous(memory_format=torch.{order})"
    ours, theirs = both(f"{made}.dim_order(ambiguity_check={check})")
    assert ours == theirs


@pytest.mark.parametrize(
    "expression",
    [
        "torch.hash_tensor(torch.arange(5))", "torch.hash_tensor(torch.arange(6.0).view(2, 3), 1)",
        "torch.arange(6.0).view(2, 3).hash_tensor((0, 1), keepdim=True)", "torch.hash_tensor(torch.tensor([True, False]))",
        "torch.hash_tensor(torch.arange(4, dtype=torch.bfloat16))", "torch.hash_tensor(torch.tensor([-1.5, -0.0]))",
        "torch.hash_tensor(torch.arange(3, dtype=torch.uint8))",
        "torch.special.entr(torch.tensor([-0.5, 0.0, 1.0, -0.0, 2.0]))",
        "torch.sparse.mm(torch.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse_csr(), torch.ones(2, 2), 'min')",
        "torch.Tag.inplace", "torch.cpu.get_capabilities()['architecture']", "torch.random.thread_safe_generator()",
        "torch.masked._ops.sum(torch.ones(2))",
        "torch.nn.functional.native_channel_shuffle(torch.arange(4.0).view(1, 4, 1, 1), 2)",
        "torch.ops.aten.mm.default", "torch.ones(2).untyped_storage()", "torch.TypedStorage([1, 2], dtype=torch.int64)",
        "torch.FloatStorage([1, 2])", "torch.LongStorage(0)", "isinstance(torch.ones(1).storage(), torch.FloatStorage)",
        "isinstance(torch.ones(1).storage(), torch.LongStorage)", "torch.FloatStorage",
        "torch.Generator().manual_seed(1).initial_seed()",
        "torch.nn.functional.grad.conv1d_input((1, 1, 3), torch.ones(1, 1, 2), torch.ones(1, 1, 2))",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated", "ignore:Sparse CSR")
def test_the_same_is_printed(expression: str) -> None:
    ours, theirs = both(expression)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "expression",
    [
        "torch.hash_tensor(torch.tensor(1j))", "torch.hash_tensor(torch.ones(2), mode=1)", "torch.hash_tensor(torch.empty(0))",
        "torch.hub.load('owner/name', 'f', trust_repo=True)", "torch.accelerator.device_index(0).__enter__()",
        "torch.from_file('/nowhere/at/all', size=3)", "torch.from_dlpack(3)",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_the_same_exception(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    if "hub" in expression:  # PyTorch would look for a connection
        ours, _ = both(expression)
        assert ours[0] == "RuntimeError"
        return
    ours, theirs = both(expression)
    if "from_dlpack" in expression:
        assert ours[0] == "RuntimeError" and theirs[0] == "RuntimeError"
    assert ours[0] == theirs[0]


OLD_NAMES = [
    "torch.lu(a)", "a.qr()", "torch.qr(a)", "torch.lu_solve(a, *torch.linalg.lu_factor(a))", "torch.triangular_solve(a, a)",
    "torch.cholesky(a)", "torch.chain_matmul(a, a)", "torch.cross(a, a)",
]  # fmt: skip


@pytest.mark.parametrize("expression", OLD_NAMES)
def test_older_names_say_what_to_use(expression: str) -> None:
    said = []
    for library in (rushlight, torch):
        library.set_warn_always(True)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                eval(expression, {"torch": library, "a": library.eye(3) + 1})
        finally:
            library.set_warn_always(False)
        said.append([(each.category, str(each.message)[:50], each.filename) for each in caught])
    assert len(said[0]) == 1
    assert said[0][0][:2] == said[1][0][:2]
    assert said[0][0][2] == "<string>"  # at the program's line


def test_a_warning_is_given_once() -> None:
    from rushlight.core.once import warn_once

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            warn_once("said in this test")
    assert len(caught) == 1


def test_capsules_both_ways() -> None:
    ours = rushlight.arange(3)
    capsule = rushlight.utils.dlpack.to_dlpack(ours)
    assert type(capsule).__name__ == "PyCapsule"
    theirs = torch.from_dlpack(capsule)
    theirs[0] = 7
    assert ours.tolist() == [7, 1, 2]
    back = rushlight.from_dlpack(torch.utils.dlpack.to_dlpack(theirs))
    back[1] = 8
    assert ours.tolist() == [7, 8, 2]
    used = rushlight.to_dlpack(ours)
    rushlight.from_dlpack(used)
    with pytest.raises(RuntimeError, match="consumed only once"):
        rushlight.from_dlpack(used)


def test_from_file(tmp_path: Any) -> None:
    path = tmp_path / "numbers"
    np.arange(10, dtype=np.float32).tofile(path)
    for library in (rushlight, torch):
        private = library.from_file(str(path), size=5)
        private[0] = 9.0
        assert np.fromfile(path, np.float32)[0] == 0
        assert library.from_file(str(path), size=2, dtype=library.int64).dtype == library.int64
        assert library.from_file(str(path)).shape == (0,)
        with pytest.raises(RuntimeError, match="smaller than the required mapping size"):
            library.from_file(str(path), size=1000)
    shared = rushlight.from_file(str(path), shared=True, size=12)
    shared[11] = 5.0
    assert torch.from_file(str(path), size=12)[11] == 5
    fresh = rushlight.from_file(str(tmp_path / "new"), shared=True, size=3)
    assert fresh.tolist() == [0, 0, 0]


@pytest.mark.parametrize("returned", ["p", "p.add_(1)", "None", "p + 1", "3"])
def test_what_a_post_accumulate_hook_may_return(returned: str) -> None:
    outcomes = []
    for library in (rushlight, torch):
        x = library.zeros(2, requires_grad=True)
        x.register_post_accumulate_grad_hook(lambda p: eval(returned, {"p": p}))
        try:
            x.sum().backward()
            outcomes.append(x.tolist())
        except Exception as error:
            outcomes.append((type(error), str(error)))
    assert outcomes[0] == outcomes[1]


def test_custom_operators_inside_of_vmap() -> None:
    for library in (rushlight, torch):
        asked: list[Any] = []

        def cube(x):  # type: ignore[no-untyped-def]
            return library.tensor(x.numpy() ** 3)

        cube.__annotations__ = {"x": library.Tensor, "return": library.Tensor}
        operator = library.library.custom_op("documented::cube", cube, mutates_args=())

        def of_batches(info: Any, in_dims: Any, x: Any) -> Any:
            asked.append((info.batch_size, in_dims))
            return operator(x), in_dims[0]

        assert operator.register_vmap(of_batches) is None
        x = library.arange(6.0).view(3, 2)
        assert library.equal(library.vmap(operator)(x), x**3)
        assert library.equal(library.vmap(operator, in_dims=1, out_dims=1)(x), x**3)
        assert [size for size, _ in asked] == [3, 2]


def test_an_operator_in_place_returns_its_argument() -> None:
    for library in (rushlight, torch):

        def sine_(x):  # type: ignore[no-untyped-def]
            array = x.numpy()
            np.sin(array, out=array)
            return x

        sine_.__annotations__ = {"x": library.Tensor, "return": library.Tensor}
        tags = library.Tag.inplace
        operator = library.library.custom_op("documented::sine_", sine_, mutates_args={"x"}, tags=tags)
        x = library.ones(2)
        assert operator(x) is x
        np.testing.assert_allclose(x.numpy(), np.sin(np.ones(2)), rtol=1e-6)


def test_dataclasses_as_trees() -> None:
    from dataclasses import dataclass

    @dataclass
    class Point:
        x: int
        y: int
        label: Any = None

    for library in (rushlight, torch):
        tree = __import__(f"{library.__name__}.utils._pytree", fromlist=["tree_map"])
        tree.register_dataclass(Point)
        assert tree.tree_map(lambda n: n + 1, [Point(1, 2)]) == [Point(2, 3)]
        leaves, spec = tree.tree_flatten(Point(1, 2, 3))
        assert leaves == [1, 2, 3] and tree.tree_unflatten([4, 5, 6], spec) == Point(4, 5, 6)
        with pytest.raises(ValueError, match=r"dataclass|field_names"):
            tree.register_dataclass(object)
        with pytest.warns(UserWarning, match="already registered"):
            tree.register_dataclass(Point)


def test_the_older_functorch_says_so() -> None:
    from rushlight.compat import functorch

    with pytest.warns(FutureWarning, match=r"`functorch.make_functional` is deprecated"):
        function, parameters = functorch.make_functional(rushlight.nn.Linear(2, 1))
    assert repr(function) == (
        "FunctionalModule(\n  (stateless_model): Linear(in_features=2, out_features=1, bias=True)\n)"
    )
    assert function(parameters, rushlight.ones(3, 2)).shape == (3, 1)
    with pytest.warns(FutureWarning, match=r"Please use `torch.vmap` instead"):
        assert functorch.vmap(rushlight.sin)(rushlight.zeros(2)).tolist() == [0, 0]


def test_fractional_pooling_of_volumes_needs_little_memory() -> None:
    x = rushlight.randn(
        4, 4, 25, 16, 16, requires_grad=True
    )  # a copy of each volume for each window would be 0.7 GB
    y = rushlight.nn.functional.fractional_max_pool3d(x, 3, output_size=(12, 8, 8))
    y.sum().backward()
    assert y.shape == (4, 4, 12, 8, 8)
    assert x.grad is not None and x.grad.sum().item() == y.numel()


def test_stores_count_and_wait() -> None:
    distributed = rushlight.distributed
    store = distributed.HashStore()
    store.set("a", "1")
    assert store.num_keys() == 1
    store.barrier("all", 1)
    store.barrier("all", 1)
    with pytest.raises(distributed.DistStoreError, match="barrier timeout"):
        from datetime import timedelta

        store.barrier("two", 2, timedelta(milliseconds=5))


def test_more_workers_than_cores() -> None:
    with pytest.warns(UserWarning, match=r"will create 1000 worker processes"):
        rushlight.utils.data.DataLoader([1, 2], num_workers=1000)


def test_generators_say_who_they_are() -> None:
    generator = rushlight.Generator()
    assert generator.set_state(rushlight.Generator().manual_seed(5).get_state()) is generator
    assert repr(generator).startswith("<torch._C.Generator object at 0x")
