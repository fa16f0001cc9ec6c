"""Corners of modules, hooks and ``nn.functional`` that PyTorch's programs rely on: one program for both libraries."""

from __future__ import annotations

import copy
import gc
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import pytest

import rushlight

from .stories import Story, compare, message, raised

pytestmark = pytest.mark.parity
PROGRAMS: dict[str, Callable[[Any], Story]] = {}
Pair = namedtuple("Pair", ["first", "second"])


def program(function: Callable[[Any], Story]) -> Callable[[Any], Story]:
    PROGRAMS[function.__name__] = function
    return function


def forwarding(torch: Any, function: Callable[..., Any]) -> Any:
    class Forwards(torch.nn.Module):
        def forward(self, *args: Any) -> Any:
            return function(*args)

    return Forwards()


# --- backward hooks ---------------------------------------------------------------------------------------------------


def older_hooks(torch: Any, module: Any, *args: Any) -> Story:
    story: Story = []
    module.register_backward_hook(
        lambda m, gi, go: story.append(
            [[None if g is None else list(g.shape) for g in part] for part in (gi, go)]
        )
    )
    result = module(*args)
    while not isinstance(result, torch.Tensor):
        result = next(iter(result.values())) if isinstance(result, dict) else result[0]
    result.sum().backward()
    return story


@program
def older_backward_hooks_of_one_operation(torch: Any) -> Story:
    return older_hooks(torch, torch.nn.Sigmoid(), torch.ones(2, requires_grad=True) * 1)


@program
def older_backward_hooks_of_a_list(torch: Any) -> Story:
    return older_hooks(torch, forwarding(torch, lambda x: [x * x]), torch.ones(2, requires_grad=True))


@program
def older_backward_hooks_of_several_operations(torch: Any) -> Story:
    return older_hooks(torch, forwarding(torch, lambda x: (x * x, x + x)), torch.ones(2, requires_grad=True))


@program
def older_backward_hooks_of_a_list_argument(torch: Any) -> Story:
    return older_hooks(torch, forwarding(torch, lambda x: x[0] * x[0]), [torch.ones(2, requires_grad=True)])


@program
def older_backward_hooks_write(torch: Any) -> Story:
    module = torch.nn.Sigmoid()
    module.register_backward_hook(lambda m, gi, go: tuple(2 * g for g in gi))
    x = torch.zeros(2, requires_grad=True)
    module(x).sum().backward()
    return [x.grad]


@program
def full_backward_hooks_see_zeros_for_what_is_not_reached(torch: Any) -> Story:
    story: Story = []
    module = forwarding(torch, lambda a, b, c: (a * 2, c.sum()))
    module.register_full_backward_hook(lambda m, gi, go: story.append([gi, go]))
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    module(a, 3, torch.ones(2))[0].sum().backward()
    module(a, b, torch.ones(2, dtype=torch.int64))[0].sum().backward()
    return [*story, a.grad, b.grad]


@program
def full_backward_hooks_keep_named_tuples(torch: Any) -> Story:
    module = forwarding(torch, lambda x: Pair(x * 2, x * 3))
    module.register_full_backward_hook(lambda m, gi, go: None)
    result = module(torch.ones(1, requires_grad=True))
    return [type(result) is Pair, result.second]


@program
def wrong_numbers_of_gradients(torch: Any) -> Story:
    story: Story = []
    for register, change in (
        ("register_full_backward_hook", lambda m, gi, go: ()),
        ("register_full_backward_hook", lambda m, gi, go: (gi[0], gi[0])),
        ("register_full_backward_pre_hook", lambda m, go: (go[0], go[0])),
    ):
        module = torch.nn.Sigmoid()
        getattr(module, register)(change)
        x = torch.ones(2, requires_grad=True)
        story.append(message(lambda module=module, x=x: module(x).sum().backward()))
    return story


@program
def changes_in_place_around_backward_hooks(torch: Any) -> Story:
    module = torch.nn.Identity()
    module.register_full_backward_hook(lambda m, gi, go: None)
    x = torch.ones(2, requires_grad=True) * 1
    inside = torch.nn.ReLU(inplace=True)
    inside.register_full_backward_hook(lambda m, gi, go: None)
    return [message(lambda: module(x).mul_(2))[:50], message(lambda: inside(x))[:50]]


@program
def global_backward_hooks_of_both_kinds(torch: Any) -> Story:
    hooks = torch.nn.modules.module
    handle = hooks.register_module_full_backward_hook(lambda m, gi, go: None)
    handle.remove()
    return [message(lambda: hooks.register_module_backward_hook(lambda m, gi, go: None))]


# --- state ------------------------------------------------------------------------------------------------------------


@program
def state_dict_hooks(torch: Any) -> Story:
    def wrong(module: Any, state: Any, prefix: str, metadata: Any) -> Any:
        return 5

    module = torch.nn.Linear(1, 1)
    module.register_state_dict_post_hook(wrong)
    story: Story = [message(module.state_dict), message(lambda: module._register_state_dict_hook(wrong))]
    other = torch.nn.Linear(1, 1)
    other._register_state_dict_hook(lambda module, state, prefix, metadata: {"mine": 1})
    story.append(other.state_dict())
    loads = torch.nn.Linear(1, 1)
    loads.register_load_state_dict_post_hook(lambda module, keys: story.append(type(keys).__name__))
    loads.load_state_dict(torch.nn.Linear(1, 1).state_dict())
    loads.register_load_state_dict_post_hook(lambda module, keys: 1)
    return [*story, message(lambda: loads.load_state_dict(loads.state_dict()))]


@program
def states_with_wrong_values(torch: Any) -> Story:
    module = torch.nn.Linear(2, 1)
    return [
        message(lambda v=value: module.load_state_dict({"weight": v}, strict=False))
        for value in (5, [1.0], None)
    ]


@program
def states_by_assignment(torch: Any) -> Story:
    module = torch.nn.Linear(1, 1)
    module.weight.requires_grad_(False)
    state = torch.nn.Linear(1, 1).state_dict(keep_vars=True)
    module.load_state_dict(state, assign=True)
    with torch.device("meta"):
        meta = torch.nn.Linear(1, 1)
    meta.load_state_dict({k: v.detach() for k, v in state.items()})  # warns: nothing to copy into
    norm = torch.nn.BatchNorm1d(1, device="meta")
    norm.load_state_dict(OrderedDict(), strict=False, assign=True)
    return [
        module.weight.requires_grad,
        module.weight is state["weight"],
        str(norm.num_batches_tracked.device),
    ]


@program
def spectral_norm_without_its_second_vector(torch: Any) -> Story:
    torch.manual_seed(0)
    module = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 5))
    x = torch.rand(2, 3)
    for _ in range(5):
        module(x)
    state = copy.deepcopy(module.state_dict())
    expected = module.eval()(x)
    old = copy.deepcopy(state)
    del old._metadata[""]["spectral_norm"], old["weight_v"]
    old["weight"] = module.weight.detach().clone()
    again = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 5))
    again.load_state_dict(old)
    close = bool(torch.allclose(again.eval()(x), expected, atol=1e-5))
    del old["weight_orig"], old["bias"]
    return [close, repr(again.load_state_dict(old, strict=False))]


# --- attributes -------------------------------------------------------------------------------------------------------


@program
def buffers(torch: Any) -> Story:
    story: Story = [type(torch.nn.Buffer(torch.ones(1))).__name__, isinstance(torch.ones(1), torch.nn.Buffer)]
    module = torch.nn.Module()
    module.kept = torch.nn.Buffer(torch.ones(1))
    module.other = torch.nn.Buffer(torch.ones(1), persistent=False)
    module.number = 5
    story.append([list(module.state_dict()), isinstance(module.kept, torch.nn.Buffer)])
    story.append(message(lambda: setattr(module, "number", torch.nn.Buffer(torch.ones(1)))))
    story.append(message(lambda: setattr(module, "kept", 5)))
    story.append(message(lambda: module.add_module("number", 5)))

    class Narrow(torch.nn.Module):
        def register_buffer(self, name: str, value: Any) -> None:
            super().register_buffer(name, value, True)

    narrow = Narrow()
    narrow.part = torch.nn.Buffer(torch.ones(1))
    return [*story, list(narrow.state_dict())]


@program
def submodules_by_path(torch: Any) -> Story:
    module = torch.nn.Module()
    module.inner, module.number = torch.nn.Module(), 5
    return [
        message(lambda: module.set_submodule("inner", "text")),
        message(lambda: module.set_submodule("number", torch.nn.ReLU())),
        message(lambda: module.set_submodule("absent", torch.nn.ReLU(), strict=True)),
        message(lambda: module.set_submodule("", torch.nn.ReLU())),
    ]


@program
def several_bases(torch: Any) -> Story:
    class Marks:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.marked = True

    class After(torch.nn.Module, Marks):
        pass

    story: Story = [hasattr(After(), "marked")]
    After.call_super_init = True
    return [*story, hasattr(After(), "marked")]


@program
def arguments_of_to(torch: Any) -> Story:
    cpu = torch.device("cpu")
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((cpu, True), {}), ((None, True), {}), (("cpu", None, True), {}), ((torch.double, True), {}), (([],), {}),
        ((cpu, torch.tensor(3)), {}), (("cpu",), {"copy": True}), ((torch.long,), {}),
    ]  # fmt: skip
    return [
        raised(lambda a=args, k=kwargs: str(torch.nn.Linear(1, 1).to(*a, **k).weight.dtype))
        for args, kwargs in calls
    ]


@program
def sequential_arithmetic(torch: Any) -> Story:
    net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())
    same = net
    net *= 2
    return [
        net is same, [type(m).__name__ for m in net], raised(lambda: net * 0), raised(lambda: net * 1.5),
        raised(lambda: net.__imul__(0)),
    ]  # fmt: skip


@program
def updates_of_dictionaries(torch: Any) -> Story:
    def parameter() -> Any:
        return torch.nn.Parameter(torch.ones(1))

    parameters = torch.nn.ParameterDict()
    parameters.update({"z": parameter(), "a": parameter()})
    story: Story = [list(parameters)]
    for wrong in (1, [1], [["a"]]):
        story.append(raised(lambda w=wrong: parameters.update(w)))
    for given in (torch.nn.ReLU(), [torch.nn.ReLU()], [[torch.nn.ReLU()]]):
        story.append(raised(lambda g=given: torch.nn.ModuleDict().update(g)))
    return story


@program
def replicas(torch: Any) -> Story:
    values = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(2))])
    replica = values._replicate_for_data_parallel()
    before = len(list(replica.parameters()))
    for name, value in values.named_parameters():
        setattr(replica, name, value.view_as(value))
    return [before, replica[0]._base is values[0], len(list(values.parameters()))]


# --- converting parameters --------------------------------------------------------------------------------------------


@program
def swapped_tensors(torch: Any) -> Story:
    a, b = torch.nn.Parameter(torch.ones(2)), torch.zeros(3)
    a.mark = "a"
    torch.utils.swap_tensors(a, b)
    (b * b).sum().backward()
    return [type(a).__name__, a, type(b).__name__, b, b.mark, b.grad]


@program
def conversion_by_swapping(torch: Any) -> Story:
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        module = torch.nn.Linear(2, 1)
        weight = module.weight
        result = module(torch.ones(1, 2))
        module.double()
        story: Story = [
            module.weight is weight,
            str(weight.dtype),
            message(lambda: result.sum().backward())[:80],
        ]
        module(torch.ones(1, 2).double()).sum().backward()
        module.float()
        return [*story, str(weight.grad.dtype)]
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


@program
def conversion_by_overwriting(torch: Any) -> Story:
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        module = torch.nn.Linear(2, 1)
        weight = module.weight
        weight.grad = torch.ones(1, 2)
        module.double()
        return [
            str(weight.dtype),
            str(module.weight.dtype),
            str(module.weight.grad.dtype),
            str(weight.grad.dtype),
        ]
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


@program
def conversion_to_another_layout(torch: Any) -> Story:
    module = torch.nn.Linear(2, 1, bias=False)
    weight = module.weight
    module._apply(lambda t: t.to_sparse())
    return [str(weight.layout), str(module.weight.layout)]


# --- functions --------------------------------------------------------------------------------------------------------


@program
def calls_with_other_tensors(torch: Any) -> Story:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.number = torch.nn.Linear(1, 1), 5.0

        def forward(self, x: Any) -> Any:
            return self.layer(x)

    x, w = torch.ones(1, 1), torch.ones(1, 1)
    return [
        message(lambda n=name: torch.func.functional_call(Net(), {n: w}, x))
        for name in ("number", "number.x", "layer.absent.x", "layer", "")
    ]


@program
def bags_with_wrong_arguments(torch: Any) -> Story:
    bag = torch.nn.EmbeddingBag(4, 3, mode="sum")
    rows = torch.tensor([[0, 1]])
    return [
        message(lambda: bag(torch.tensor([[9]]))),
        message(lambda: bag(torch.tensor([[1.0]]))),
        message(lambda: bag(rows, per_sample_weights=torch.ones(1))),
        message(lambda: bag(rows, per_sample_weights=torch.ones(1, 2).double())),
        torch.nn.EmbeddingBag(4, 3, mode="max")(
            torch.empty(0, dtype=torch.int64), torch.tensor([0])
        ).requires_grad,
    ]


@program
def native_forms(torch: Any) -> Story:
    x = torch.arange(12.0).reshape(2, 2, 3)
    torch.manual_seed(0)
    query = torch.rand(1, 2, 3, 4)
    mean, variance = torch.zeros(2), torch.ones(2)
    return [
        *torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5),
        *torch.native_layer_norm(x, [3], None, None, 1e-5),
        *torch.native_group_norm(x, None, None, 2, 2, 3, 1, 1e-5),
        *torch.batch_norm_update_stats(x, mean, variance, 0.1), mean, variance,
        message(lambda: torch.batch_norm_update_stats(torch.rand(0, 1), None, None, 0.1)),
        *torch.native_dropout(torch.ones(6), 0.5, True),
        torch.conv_tbc(torch.ones(5, 2, 3), torch.ones(2, 3, 4), torch.zeros(4)),
        torch.convolution(x, torch.ones(1, 2, 2), None, [1], [0], [1], False, [0], 1),
        torch.convolution(x, torch.ones(2, 1, 2), None, [2], [0], [1], True, [0], 1),
        *torch._scaled_dot_product_attention_math(query, query, query, is_causal=True),
        torch._C._nn.upsample_nearest2d(x[None], [4, 6]),
        message(lambda: torch._C._nn.replication_pad1d(x, [])),
    ]  # fmt: skip


@program
def grids(torch: Any) -> Story:
    f = torch.nn.functional
    grid = torch.zeros(1, 2, 2, 2, requires_grad=True)
    f.grid_sample(torch.ones(1, 1, 2, 2), grid, mode="nearest", align_corners=False).sum().backward()
    theta = torch.arange(6.0).reshape(1, 2, 3)
    return [
        grid.grad, f.affine_grid(theta, (1, 1, 2, 1), align_corners=True), f.GRID_SAMPLE_PADDING_MODES,
        message(lambda: f.grid_sample(torch.ones(1, 2, 2), torch.ones(1, 1, 1, 2), align_corners=False)),
        message(lambda: f.affine_grid(theta[0], (1, 1, 2, 2), align_corners=False)),
    ]  # fmt: skip


@program
def rounding_of_bytes(torch: Any) -> Story:
    image = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4)
    return [torch.nn.functional.interpolate(image, 2, mode="bilinear")]


@program
def messages_of_convolutions(torch: Any) -> Story:
    f = torch.nn.functional
    x, w = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)
    return [
        message(lambda: f.conv2d(x, w, stride=(1, 2, 3))),
        message(lambda: f.conv2d(x, w, torch.ones(1, dtype=torch.double))),
        message(lambda: f.max_pool2d(x[0, 0], 2)),
        message(lambda: f.fractional_max_pool2d(x, 2, output_size=2, _random_samples=torch.ones(1, 1, 3))),
    ]


@program
def cells_without_width(torch: Any) -> Story:
    x, h = torch.ones(3, 4), torch.ones(3, 0)
    return [
        list(torch.nn.RNNCell(4, 0)(x, h).shape), list(torch.nn.GRUCell(4, 0)(x, h).shape),
        list(torch.nn.LSTMCell(4, 0)(x, (h, h))[0].shape),
    ]  # fmt: skip


# --- modules that run, and weak dictionaries --------------------------------------------------------------------------


@program
def modules_that_run(torch: Any) -> Story:
    from importlib import import_module

    tracker = import_module(f"{torch.__name__}.utils.module_tracker").ModuleTracker()
    story: Story = []

    class Leaf(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            story.append([sorted(tracker.parents), tracker.is_bw])
            x.register_hook(lambda g: story.append([sorted(tracker.parents), tracker.is_bw]))
            return x * x

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.more = Leaf(), torch.nn.ModuleList([Leaf()])

        def forward(self, x: Any) -> Any:
            return self.more[0](self.first(x))

    with tracker:
        Net()(torch.ones(2, requires_grad=True) * 1).sum().backward()
    return [*story, sorted(tracker.parents)]


@program
def weak_dictionaries(torch: Any) -> Story:
    from importlib import import_module

    weak = import_module(f"{torch.__name__}.utils.weak")
    a, b = torch.zeros(1), torch.zeros(1)
    table = weak.WeakIdKeyDictionary({a: 1, b: 2})
    story: Story = [a in table, torch.zeros(1) in table, table[a], len(table | {torch.ones(1): 3})]
    reference = weak.TensorWeakRef(b)
    del b
    gc.collect()
    return [
        *story,
        len(table),
        reference() is None,
        weak.WeakIdRef(a) == weak.WeakIdRef(a),
        table.popitem()[1],
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    compare(PROGRAMS[name])


def test_sparse_places_come_from_the_default_generator() -> None:
    torch = pytest.importorskip("torch")

    def story(torch: Any) -> Any:
        torch.manual_seed(0)
        return (
            torch.nn.init.sparse_(torch.ones(4, 4), 0.5, generator=torch.Generator().manual_seed(1))
            .ne(0)
            .tolist()
        )

    assert story(rushlight) == story(torch)
