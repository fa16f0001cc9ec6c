"""What programs of PyTorch's tutorials and examples ask of names, nodes of the graph, and modes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")

OTHER_DEVICES = ("ipu", "maia", "mps", "mtia", "vulkan", "xla", "xpu")


def test_tensors_are_on_no_other_device() -> None:
    for name in OTHER_DEVICES:
        assert getattr(rushlight.ones(1), f"is_{name}") is False is getattr(torch.ones(1), f"is_{name}")
    assert rushlight.ones(1).is_distributed() is False is torch.ones(1).is_distributed()


def test_hub_has_a_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm")
    assert rushlight.hub.tqdm is tqdm.tqdm
    monkeypatch.setitem(sys.modules, "tqdm", None)
    bar = rushlight.hub.tqdm([1, 2], desc="epoch")
    with bar as shown:
        assert list(shown) == [1, 2] and len(shown) == 2 and shown.n == 2
        shown.set_postfix(loss=1)
        shown.update(3)
        shown.close()
    assert bar.n == 5


def test_batches_are_scattered_and_gathered() -> None:
    parallel = rushlight.nn.parallel
    parts = parallel.scatter(rushlight.arange(3), ["cpu", "cpu"])
    assert [part.tolist() for part in parts] == [[0, 1], [2]]
    assert parallel.gather(parts, "cpu").tolist() == [0, 1, 2]


def graph(node: Any, depth: int = 2) -> Any:
    """The names of the nodes that are reached through ``next_functions``."""
    if node is None:
        return None
    name = node.name().rpartition("::")[2]
    return [name, *[graph(each, depth - 1) for each, _ in node.next_functions]] if depth else name


MASK, INDEX = [True, False, True], [0, 1]
EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "number times tensor": lambda t, x: 2 * x,
    "number plus tensor": lambda t, x: 2 + x,
    "number minus tensor": lambda t, x: 2 - x,
    "number by tensor": lambda t, x: 2 / x,
    "number to the power of a tensor": lambda t, x: 2**x,
    "power of a number, called": lambda t, x: t.pow(2, x),
    "tensor to the power of a tensor": lambda t, x: x ** t.ones(3),
    "square": lambda t, x: x**2,
    "times a constant tensor": lambda t, x: t.ones(3) * x,
    "rsub": lambda t, x: t.rsub(x, 1),
    "remainder": lambda t, x: x % 2,
    "where": lambda t, x: t.where(x > 0, x, 0.0),
    "where, other": lambda t, x: t.where(x > 0, 0.0, x),
    "gather": lambda t, x: x.gather(0, t.tensor(INDEX)),
    "index": lambda t, x: x[t.tensor(INDEX)],
    "index_select": lambda t, x: x.index_select(0, t.tensor(INDEX)),
    "index_add": lambda t, x: t.zeros(3).index_add(0, t.arange(3), x),
    "scatter": lambda t, x: t.zeros(3).scatter(0, t.tensor(INDEX), x),
    "masked_fill": lambda t, x: x.masked_fill(t.tensor(MASK), 1.0),
    "clamp": lambda t, x: x.clamp(0, 1),
    "embedding": lambda t, x: t.nn.functional.embedding(t.tensor([0]), x[None]),
    "nll_loss": lambda t, x: t.nn.functional.nll_loss(x[None], t.tensor([0])),
    "binary cross entropy": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x, t.ones(3)),
    "product of matrices": lambda t, x: x[None].mm(t.ones(3, 2)),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_nodes_have_pytorchs_names_and_neighbours(name: str) -> None:
    found = []
    for library in (rushlight, torch):
        x = library.tensor([0.5, 1.5, 2.5], requires_grad=True) * 1
        found.append(graph(EXPRESSIONS[name](library, x).grad_fn))
    assert found[0] == found[1]


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 3, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_node_of_a_linear_layer(shape: tuple[int, ...], bias: bool) -> None:
    names = [
        library.nn.Linear(4, 2, bias=bias)(library.ones(shape)).grad_fn.name()
        for library in (rushlight, torch)
    ]
    assert names[0] == names[1]


def test_gradients_of_reflected_operators() -> None:
    found = []
    for library in (rushlight, torch):
        x = library.tensor([0.5, 1.5, 2.5], requires_grad=True)
        y = (2 * x + (3 - x) + 2**x + 2 / x + (1 + x) - library.rsub(x, 1)).sum()
        (first,) = library.autograd.grad(y, x, create_graph=True)
        (second,) = library.autograd.grad(first.sum(), x)
        found.append((first.tolist(), second.tolist()))
    assert found[0][0] == pytest.approx(found[1][0]) and found[0][1] == pytest.approx(found[1][1])


LAYERS: dict[str, Callable[[Any], tuple[Any, tuple[int, ...]]]] = {
    "Conv1d": lambda nn: (nn.Conv1d(4, 2, 3), (1, 4, 8)),
    "Conv2d": lambda nn: (nn.Conv2d(4, 2, 3), (1, 4, 8, 8)),
    "Conv2d, padded by reflection": lambda nn: (
        nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect"),
        (1, 4, 8, 8),
    ),
    "Conv3d": lambda nn: (nn.Conv3d(4, 2, 3), (1, 4, 4, 4, 4)),
    "ConvTranspose1d": lambda nn: (nn.ConvTranspose1d(4, 2, 3), (1, 4, 8)),
    "ConvTranspose2d": lambda nn: (nn.ConvTranspose2d(4, 2, 3), (1, 4, 8, 8)),
    "ConvTranspose3d": lambda nn: (nn.ConvTranspose3d(4, 2, 3), (1, 4, 4, 4, 4)),
}


def functions_seen(library: Any, run: Callable[[], Any]) -> list[str]:
    names: list[str] = []

    class Watch(library.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            names.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Watch():
        run()
    return names


@pytest.mark.parametrize("name", LAYERS)
def test_modes_see_the_convolutions_of_layers(name: str) -> None:
    found = []
    for library in (rushlight, torch):
        layer, shape = LAYERS[name](library.nn)
        x = library.ones(shape)
        found.append(functions_seen(library, lambda layer=layer, x=x: layer(x)))
    assert found[0] == found[1] and "conv" in found[0][-1]


def test_modes_see_the_cosine_layer() -> None:
    found = []
    for library in (rushlight, torch):
        layer, x = library.nn.CosineSimilarity(), library.ones(2, 3)
        found.append(functions_seen(library, lambda layer=layer, x=x: layer(x, x)))
    assert found[0] == found[1] == ["cosine_similarity"]


def attention_operands(library: Any, name: str) -> tuple[tuple[Any, Any, Any], dict[str, Any]]:
    library.manual_seed(0)
    heads = library.rand(2, 5, 4, 8)
    options: dict[str, Any] = {}
    if name == "halves of a projection":
        parts = library.rand(2, 5, 96).chunk(3, -1)
        return tuple([part.view(2, 5, 4, 8).transpose(1, 2) for part in parts]), options  # type: ignore[return-value]
    query = heads.transpose(1, 2)
    if name == "masked":
        options["attn_mask"] = library.ones(5, 5).tril().bool()
    elif name == "causal":
        options["is_causal"] = True
    elif name == "mask of three dimensions":
        options["attn_mask"] = library.zeros(4, 5, 5)
    elif name == "contiguous":
        query = query.contiguous()
    elif name == "other width of values":
        return (query, query, library.rand(2, 4, 5, 6)), options
    elif name == "three dimensions":
        query = heads[0].transpose(0, 1)
    return (query, query, query), options


@pytest.mark.parametrize(
    "name",
    [
        "transposed", "halves of a projection", "masked", "causal", "mask of three dimensions", "contiguous",
        "other width of values", "three dimensions",
    ],
)  # fmt: skip
@pytest.mark.parametrize("compiled", [False, True])
def test_attention_lies_in_memory_as_its_query(name: str, compiled: bool) -> None:
    """So that ``transpose(1, 2).view(...)`` afterwards works where it works in PyTorch, and nowhere else."""
    found = []
    for library in (rushlight, torch):
        operands, options = attention_operands(library, name)
        attend = library.nn.functional.scaled_dot_product_attention
        if compiled and library is rushlight:
            attend = rushlight.compile(attend)
        result = attend(*operands, **options)
        found.append((result.stride(), result.is_contiguous(), result))
    assert found[0][:2] == found[1][:2]
    torch.testing.assert_close(torch.from_numpy(found[0][2].numpy()), found[1][2])


def test_attention_of_many_elements_keeps_the_layout_and_its_gradient() -> None:
    found = []
    for library in (rushlight, torch):
        library.manual_seed(0)
        x = library.rand(2, 40, 3 * 64, requires_grad=True)
        query, key, value = [part.view(2, 40, 4, 16).transpose(1, 2) for part in x.chunk(3, -1)]
        y = library.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        assert y.grad_fn.name() == "ScaledDotProductFlashAttentionForCpuBackward0"
        joined = y.transpose(1, 2).view(2, 40, 64)
        (joined**2).sum().backward()
        found.append((y.stride(), joined.detach().numpy(), x.grad.numpy()))
    assert found[0][0] == found[1][0]
    for ours, theirs in zip(found[0][1:], found[1][1:], strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), torch.from_numpy(theirs))


@pytest.mark.parametrize("value", [0.0, "tensor"])
def test_a_filled_copy_lies_row_by_row(value: Any) -> None:
    found = []
    for library in (rushlight, torch):
        content = library.tensor(0.5) if value == "tensor" else value
        x, mask = library.rand(3, 4).t(), library.rand(3, 4).t() > 0.5
        channels = library.rand(2, 3, 4, 4).to(memory_format=library.channels_last)
        results = [
            x.masked_fill(mask, content),
            x.masked_fill(mask.contiguous(), content),
            x.contiguous().masked_fill(mask, content),
            library.rand(4, 1).expand(4, 3).masked_fill(mask, content),
            channels.masked_fill(channels > 0.5, content),
        ]
        leaf = library.ones(3, 4, requires_grad=True)
        filled = leaf.t().masked_fill(mask, content)
        filled.sum().backward()
        assert leaf.grad.tolist() == (~mask).t().float().tolist()
        found.append([result.stride() for result in (*results, filled)])
    assert found[0] == found[1]
