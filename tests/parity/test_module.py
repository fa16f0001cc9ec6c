"""``Module`` and the containers: one program for both libraries, which must tell the same story."""

from __future__ import annotations

import copy
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest

from .stories import Story, compare, message, raised

pytestmark = pytest.mark.parity
PROGRAMS: dict[str, Callable[[Any], Story]] = {}


def program(function: Callable[[Any], Story]) -> Callable[[Any], Story]:
    PROGRAMS[function.__name__] = function
    return function


# --- models that the programs use -------------------------------------------------------------------------------------


def two_layers(torch: Any) -> Any:
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(3, 4)
            self.second = torch.nn.Linear(4, 2, bias=False)
            self.register_buffer("seen", torch.zeros(2))
            self.register_buffer("scratch", torch.ones(1), persistent=False)
            self.register_buffer("nothing", None)
            self.register_parameter("absent", None)
            self.scale = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, x: Any, factor: float = 1.0) -> Any:
            return self.second(torch.relu(self.first(x))) * self.scale * factor

    return Net()


def doubling(torch: Any, story: Story, name: str = "net") -> Any:
    class Double(torch.nn.Module):
        def forward(self, x: Any, *rest: Any, **named: Any) -> Any:
            story.append((name, "forward", x, list(rest), named))
            return x * 2

    return Double()


# --- attributes and registration --------------------------------------------------------------------------------------


@program
def names_and_members(torch: Any) -> Story:
    net = two_layers(torch)
    return [
        [name for name, _ in net.named_parameters()],
        [name for name, _ in net.named_buffers()],
        [name for name, _ in net.named_modules()],
        [name for name, _ in net.named_children()],
        [name for name, _ in net.named_parameters(prefix="p", recurse=False)],
        [name for name, _ in net.named_buffers(prefix="b")],
        [name for name, _ in net.named_modules(prefix="m")],
        list(net.state_dict()),
        list(net.state_dict(prefix="q.")),
        list(net.parameters()),
        list(net.buffers()),
        len(list(net.modules())),
        len(list(net.children())),
        repr(net),
        str(net),
        "first" in dir(net),
        "scale" in dir(net),
        net.training,
        net.absent,
        net.nothing,
    ]


@program
def shared_modules(torch: Any) -> Story:
    nn = torch.nn
    one = nn.Linear(2, 2)
    net = nn.Sequential(one, nn.ReLU(), one)
    net.add_module("again", nn.Sequential(one))
    net.weight = one.weight
    return [
        [name for name, _ in net.named_parameters()],
        [name for name, _ in net.named_parameters(remove_duplicate=False)],
        [name for name, _ in net.named_modules()],
        [name for name, _ in net.named_modules(remove_duplicate=False)],
        [name for name, _ in net.named_children()],
        list(net.state_dict()),
        len(list(net.parameters())),
        len(list(net.buffers())),
    ]


@program
def registration_errors(torch: Any) -> Story:
    nn = torch.nn
    net = two_layers(torch)
    leaf = torch.ones(2, requires_grad=True)

    class Late(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(torch.ones(1))

    class LateModule(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(1, 1)

    class LateBuffer(nn.Module):
        def __init__(self) -> None:
            self.register_buffer("b", torch.ones(1))

    class LateCall(nn.Module):
        def __init__(self) -> None:
            pass

    def assign(name: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(net, name, value)

    return [
        raised(Late),
        raised(LateModule),
        raised(LateBuffer),
        raised(lambda: LateCall()(1)),
        raised(lambda: net.register_parameter("a.b", None)),
        raised(lambda: net.register_parameter("", None)),
        raised(lambda: net.register_parameter(3, None)),
        raised(lambda: net.register_parameter("training", None)),
        raised(lambda: net.register_parameter("scale", None)),
        raised(lambda: net.register_parameter("tensor", torch.ones(1))),
        raised(lambda: net.register_parameter("nonleaf", nn.Parameter(leaf) * 2)),
        raised(lambda: net.register_buffer("a.b", None)),
        raised(lambda: net.register_buffer("", None)),
        raised(lambda: net.register_buffer(3, None)),
        raised(lambda: net.register_buffer("first", torch.ones(1))),
        raised(lambda: net.register_buffer("value", 3)),
        raised(lambda: net.add_module("a.b", None)),
        raised(lambda: net.add_module("", None)),
        raised(lambda: net.add_module(3, None)),
        raised(lambda: net.add_module("scale", nn.ReLU())),
        raised(lambda: net.add_module("value", 3)),
        raised(lambda: net.register_module("fine", nn.ReLU())),
        raised(assign("scale", torch.ones(1))),
        raised(assign("scale", 3)),
        raised(assign("first", 3)),
        raised(assign("seen", 3)),
        raised(assign("seen", torch.ones(3))),
        raised(assign("seen", None)),
        raised(assign("scale", None)),
        raised(assign("first", None)),
        raised(lambda: net.missing),
        raised(lambda: delattr(net, "missing")),
        raised(lambda: nn.Module(3)),
        raised(lambda: nn.Module(a=3)),
        raised(lambda: nn.Module()(3)),
        [name for name, _ in net.named_parameters()],
        [name for name, _ in net.named_modules()],
        list(net.state_dict()),
    ]


@program
def error_texts(torch: Any) -> Story:
    nn = torch.nn
    net = two_layers(torch)
    return [
        message(lambda: net.missing),
        message(lambda: nn.Module()(3)),
        message(lambda: net.register_parameter("a.b", None)),
        message(lambda: net.register_buffer("", None)),
        message(lambda: net.register_buffer("first", None)),
        message(lambda: setattr(net, "scale", 3)),
        message(lambda: net.train("yes")),
        message(lambda: net.get_submodule("first.none")),
        message(lambda: net.get_submodule("scale")),
        message(lambda: net.get_parameter("seen")),
        message(lambda: net.get_buffer("scale")),
        message(lambda: net.get_parameter("nowhere")),
        message(lambda: net.load_state_dict([1])),
    ]


@program
def attributes_change_kind(torch: Any) -> Story:
    nn = torch.nn
    net = nn.Module()
    story: Story = []

    def note() -> None:
        story.append([sorted(net._parameters), sorted(net._buffers), sorted(net._modules), "x" in vars(net)])

    net.x = 3
    note()
    net.x = nn.Parameter(torch.ones(1))
    note()
    del net.x
    net.x = nn.Linear(1, 1)
    note()
    net.x = nn.Parameter(torch.ones(1))
    note()
    net.x = None
    note()
    story.append(message(lambda: setattr(net, "x", nn.Buffer(torch.ones(1)))))
    del net.x
    net.x = nn.Buffer(torch.ones(1))
    note()
    del net.x
    note()
    net.x = nn.Buffer(torch.ones(1), persistent=False)
    note()
    story.append(list(net.state_dict()))
    net.x = torch.ones(3)
    story.append([list(net.state_dict()), net.x])
    del net.x
    net.register_buffer("x", torch.ones(2))
    story.append(list(net.state_dict()))
    return story


@program
def paths(torch: Any) -> Story:
    nn = torch.nn
    net = nn.Sequential(OrderedDict(a=nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2)), b=nn.ReLU()))
    return [
        repr(net.get_submodule("")),
        repr(net.get_submodule("a.0")),
        raised(lambda: net.get_submodule("a.7")),
        raised(lambda: net.get_submodule("a.0.weight")),
        tuple(net.get_parameter("a.0.weight").shape),
        raised(lambda: net.get_parameter("a.0")),
        raised(lambda: net.get_parameter("a.1.running_mean")),
        raised(lambda: net.get_parameter("a.0.none")),
        net.get_buffer("a.1.running_mean"),
        raised(lambda: net.get_buffer("a.0.weight")),
        raised(lambda: net.get_buffer("a.1.none")),
        raised(lambda: net.set_submodule("a.0", nn.Identity())),
        repr(net),
        raised(lambda: net.set_submodule("", nn.Identity())),
        raised(lambda: net.set_submodule("a.new", nn.Identity(), strict=True)),
        raised(lambda: net.set_submodule("a.new", nn.Identity())),
        raised(lambda: net.set_submodule("none.new", nn.Identity())),
        repr(net),
    ]


# --- the whole tree ---------------------------------------------------------------------------------------------------


@program
def whole_tree(torch: Any) -> Story:
    net = two_layers(torch)
    story: Story = []
    story.append(net.apply(lambda m: story.append(type(m).__name__)) is net)
    story.append(net.eval() is net)
    story.append([m.training for m in net.modules()])
    story.append(net.train() is net)
    story.append([m.training for m in net.modules()])
    net.first.train(False)
    story.append([m.training for m in net.modules()])
    story.append(net.requires_grad_(False) is net)
    story.append([p.requires_grad for p in net.parameters()])
    net.requires_grad_()
    net(torch.ones(2, 3)).sum().backward()
    story.append([p.grad is None for p in net.parameters()])
    net.zero_grad(set_to_none=False)
    story.append([p.grad for p in net.parameters()])
    net.zero_grad()
    story.append([p.grad is None for p in net.parameters()])
    return story


@program
def casts(torch: Any) -> Story:
    net = two_layers(torch)
    net.register_buffer("count", torch.zeros(1, dtype=torch.int64))
    weight = net.first.weight
    net(torch.ones(2, 3)).sum().backward()

    def dtypes() -> list[str]:
        values = [*net.parameters(), *net.buffers()]
        return [str(v.dtype) for v in values] + [
            str(p.grad.dtype) for p in net.parameters() if p.grad is not None
        ]

    story: Story = [dtypes()]
    for change in (
        net.double,
        net.half,
        net.bfloat16,
        net.float,
        lambda: net.to(torch.float64),
        lambda: net.to("cpu", torch.float32),
        lambda: net.to(torch.ones(1, dtype=torch.float64)),
        lambda: net.to(dtype=torch.float32),
        lambda: net.to("cpu"),
        net.cpu,
        lambda: net.type(torch.float64),
        net.float,
    ):
        story.append(change() is net)
        story.append(dtypes())
        story.append([p.requires_grad for p in net.parameters()])
        story.append(net.first.weight is weight)
    story.append(raised(lambda: net.to(torch.int64)))
    story.append([tuple(v.shape) for v in net.to_empty(device="cpu").state_dict().values()])
    return story


@program
def copies(torch: Any) -> Story:
    net = two_layers(torch)
    net.second.weight.requires_grad_(False)
    net.eval()
    x = torch.ones(2, 3)
    before = net(x)
    story: Story = [before]
    twin = copy.deepcopy(net)
    story.append(twin(x))
    with torch.no_grad():
        net.first.weight.zero_()
        net.seen.add_(1)
    story.append(twin(x))
    story.append(twin.seen)
    story.append([p.requires_grad for p in twin.parameters()])
    story.append([m.training for m in twin.modules()])
    story.append([type(p).__name__ for p in twin.parameters()])
    shallow = copy.copy(net)
    story.append(shallow.first is net.first)
    tied = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    twin = copy.deepcopy(tied)
    story.append(twin[0].weight is twin[1].weight)
    story.append(twin[0].weight is tied[0].weight)
    return story


@program
def pickles(torch: Any) -> Story:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    net.eval()
    back = pickle.loads(pickle.dumps(net))
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file)
    return [
        repr(back),
        list(back.state_dict()),
        all(
            (a == b).all().item()
            for a, b in zip(back.state_dict().values(), net.state_dict().values(), strict=True)
        ),
        [m.training for m in back.modules()],
        [p.requires_grad for p in back.parameters()],
        type(back[0].weight).__name__,
        list(loaded),
        repr(net.load_state_dict(loaded)),
    ]


# --- state ------------------------------------------------------------------------------------------------------------


@program
def loading(torch: Any) -> Story:
    net, other = two_layers(torch), two_layers(torch)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1)
    weight = net.first.weight
    story: Story = [repr(net.load_state_dict(other.state_dict()))]
    story.append(net.state_dict())
    story.append(net.first.weight is weight)
    state = other.state_dict()
    story.append(type(state).__name__)
    story.append({key: value["version"] for key, value in state._metadata.items()})
    story.append(state["scale"].requires_grad)
    story.append(other.state_dict(keep_vars=True)["scale"] is other.scale)
    missing = OrderedDict(state)
    del missing["first.bias"]
    missing["extra.key"] = torch.ones(1)
    missing["first.more"] = torch.ones(1)
    story.append(message(lambda: net.load_state_dict(missing)))
    result = net.load_state_dict(missing, strict=False)
    story.append([result.missing_keys, result.unexpected_keys, repr(result)])
    wrong = OrderedDict(state)
    wrong["first.weight"] = torch.ones(2, 2)
    story.append(message(lambda: net.load_state_dict(wrong)))
    story.append(message(lambda: net.load_state_dict(wrong, strict=False)))
    wrong["first.weight"] = 3
    story.append(raised(lambda: net.load_state_dict(wrong)))
    wrong["first.weight"] = torch.ones(4, 3, dtype=torch.float64)
    net.load_state_dict(wrong)
    story.append(net.first.weight)
    return story


@program
def assigning(torch: Any) -> Story:
    net, other = two_layers(torch), two_layers(torch).double()
    net.first.weight.requires_grad_(False)
    state = other.state_dict()
    story: Story = [repr(net.load_state_dict(state, assign=True))]
    story.append([str(p.dtype) for p in net.parameters()])
    story.append([type(p).__name__ for p in net.parameters()])
    story.append([p.requires_grad for p in net.parameters()])
    story.append(net.seen is state["seen"])
    with torch.no_grad():
        state["first.bias"].fill_(7)
    story.append(net.first.bias)
    return story


@program
def loading_scalars(torch: Any) -> Story:
    net = two_layers(torch)
    state = net.state_dict()
    state["scale"] = torch.ones(1)
    return [raised(lambda: repr(net.load_state_dict(state))), net.scale]


@program
def extra_state(torch: Any) -> Story:
    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    a, b = torch.nn.Sequential(Counting(), torch.nn.Linear(1, 1)), torch.nn.Sequential(Counting())
    a[0].count = 5
    state = a.state_dict()
    story: Story = [list(state), state["0._extra_state"]]
    story.append(message(lambda: b.load_state_dict(state)))
    story.append([repr(b.load_state_dict(state, strict=False)), b[0].count])
    story.append(message(lambda: b.load_state_dict({})))
    story.append(
        message(
            lambda: torch.nn.Linear(1, 1, bias=False).load_state_dict(
                {"weight": torch.ones(1, 1), "_extra_state": 1}
            )
        )
    )
    story.append(raised(lambda: torch.nn.Linear(1, 1).get_extra_state()))
    return story


@program
def state_hooks(torch: Any) -> Story:
    net = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False))
    story: Story = []

    def saved(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        story.append(["saved", type(module).__name__, list(state), prefix, dict(metadata)])

    def saving(module: Any, prefix: str, keep: bool) -> None:
        story.append(["saving", type(module).__name__, prefix, keep])

    def loading(
        module: Any,
        state: Any,
        prefix: str,
        metadata: Any,
        strict: bool,
        missing: Any,
        unexpected: Any,
        errors: Any,
    ) -> None:
        story.append(
            ["loading", type(module).__name__, list(state), prefix, strict, list(missing), list(unexpected)]
        )
        state.pop("0.old", None)

    def loaded(module: Any, keys: Any) -> None:
        story.append(["loaded", type(module).__name__, list(keys.missing_keys), list(keys.unexpected_keys)])
        keys.missing_keys.clear()

    net[0].register_state_dict_post_hook(saved)
    net[0].register_state_dict_pre_hook(saving)
    net.register_load_state_dict_pre_hook(loading)
    net[0].register_load_state_dict_post_hook(loaded)
    story.append(list(net.state_dict(prefix="p.")))
    story.append(repr(net.load_state_dict(net.state_dict())))
    story.append(message(lambda: net.load_state_dict({"0.old": torch.ones(1)})))
    net[0]._register_state_dict_hook(lambda module, state, prefix, metadata: state.pop("0.weight") and None)
    story.append(list(net.state_dict()))
    return story


@program
def own_saving(torch: Any) -> Story:
    class Packed(torch.nn.Linear):
        _version = 3

        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "packed"] = 1

        def _load_from_state_dict(self, state: Any, prefix: str, metadata: Any, *rest: Any) -> None:
            seen.append([prefix, metadata.get("version"), state.pop(prefix + "packed")])
            super()._load_from_state_dict(state, prefix, metadata, *rest)

    seen: Story = []
    net = torch.nn.Sequential(Packed(1, 1))
    state = net.state_dict()
    return [list(state), repr(net.load_state_dict(state)), seen, list(state)]


# --- forward hooks ----------------------------------------------------------------------------------------------------


@program
def hook_order(torch: Any) -> Story:
    story: Story = []
    net = doubling(torch, story)
    for i in range(2):
        net.register_forward_pre_hook(lambda m, args, i=i: story.append(["pre", i, args]))
        net.register_forward_hook(lambda m, args, out, i=i: story.append(["post", i, args, out]))
    net.register_forward_pre_hook(lambda m, args: story.append("pre first"), prepend=True)
    net.register_forward_hook(lambda m, args, out: story.append("post first"), prepend=True)
    net.register_forward_pre_hook(lambda m, args, kw: story.append(["pre named", args, kw]), with_kwargs=True)
    net.register_forward_hook(
        lambda m, args, kw, out: story.append(["post named", args, kw, out]), with_kwargs=True
    )
    story.append(net(torch.ones(1), 3, flag=True))
    return story


@program
def hooks_that_change(torch: Any) -> Story:
    story: Story = []
    net = doubling(torch, story)
    a = net.register_forward_pre_hook(lambda m, args: args[0] + 1)
    story.append(net(torch.ones(1)))
    b = net.register_forward_pre_hook(lambda m, args: (args[0] * 10, 5))
    story.append(net(torch.ones(1)))
    c = net.register_forward_pre_hook(lambda m, args, kw: (args, {"flag": 1}), with_kwargs=True)
    story.append(net(torch.ones(1)))
    d = net.register_forward_hook(lambda m, args, out: out - 1)
    e = net.register_forward_hook(lambda m, args, out: (out, "two"))
    story.append(net(torch.ones(1)))
    for handle in (a, b, c, d, e):
        handle.remove()
        handle.remove()
    story.append(net(torch.ones(1)))
    with net.register_forward_hook(lambda m, args, out: out + 1):
        story.append(net(torch.ones(1)))
    story.append(net(torch.ones(1)))
    net.register_forward_pre_hook(lambda m, args, kw: "wrong", with_kwargs=True)
    story.append(raised(lambda: net(torch.ones(1))))
    return story


@program
def hooks_always_called(torch: Any) -> Story:
    story: Story = []

    class Failing(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    net = Failing()
    net.register_forward_hook(lambda m, args, out: story.append(["never", out]))
    net.register_forward_hook(lambda m, args, out: story.append(["always", out]), always_call=True)
    net.register_forward_hook(
        lambda m, args, kw, out: story.append(["named", kw, out]), always_call=True, with_kwargs=True
    )
    story.append(raised(lambda: net(torch.ones(1))))

    def fails(m: Any, args: Any, out: Any) -> Any:
        story.append("fails")
        raise KeyError("hook")

    other = doubling(torch, story)
    other.register_forward_hook(fails, always_call=True)
    other.register_forward_hook(lambda m, args, out: story.append("after"), always_call=True)
    story.append(raised(lambda: other(torch.ones(1))))
    return story


@program
def global_hooks(torch: Any) -> Story:
    story: Story = []
    module = torch.nn.modules.module
    net = torch.nn.Sequential(doubling(torch, story, "a"), doubling(torch, story, "b"))
    net[0].register_forward_hook(lambda m, args, out: story.append("own"))
    net[0].register_forward_pre_hook(lambda m, args: story.append("own pre"))
    handles = [
        module.register_module_forward_pre_hook(
            lambda m, args: story.append(["pre", type(m).__name__, args])
        ),
        module.register_module_forward_hook(
            lambda m, args, out: story.append(["post", type(m).__name__, out])
        ),
        module.register_module_full_backward_hook(
            lambda m, gi, go: story.append(["backward", type(m).__name__, gi, go])
        ),
        module.register_module_full_backward_pre_hook(
            lambda m, go: story.append(["backward pre", type(m).__name__, go])
        ),
    ]
    try:
        net(torch.ones(1, requires_grad=True)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    net(torch.ones(1))
    return story


@program
def registration_hooks(torch: Any) -> Story:
    story: Story = []
    module = torch.nn.modules.module
    handles = [
        module.register_module_module_registration_hook(
            lambda m, name, child: story.append(["module", type(m).__name__, name])
        ),
        module.register_module_parameter_registration_hook(
            lambda m, name, p: story.append(["parameter", type(m).__name__, name, p is None])
        ),
        module.register_module_buffer_registration_hook(
            lambda m, name, b: story.append(["buffer", type(m).__name__, name, b is None])
        ),
    ]
    try:
        net = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.BatchNorm1d(2))
        net.extra = torch.nn.ReLU()
        net.weight = net[0].weight
        net.add_module("more", None)
    finally:
        for handle in handles:
            handle.remove()
    return story


# --- backward hooks ---------------------------------------------------------------------------------------------------


@program
def full_backward_hooks(torch: Any) -> Story:
    story: Story = []
    net = two_layers(torch)
    for name, layer in net.named_modules():
        layer.register_full_backward_hook(lambda m, gi, go, name=name: story.append(["grad", name, gi, go]))
        layer.register_full_backward_pre_hook(lambda m, go, name=name: story.append(["pre", name, go]))
    x = torch.ones(2, 3, requires_grad=True)
    net(x).sum().backward()
    story.append(x.grad)
    net(torch.ones(2, 3)).sum().backward()
    return story


@program
def backward_hooks_that_change(torch: Any) -> Story:
    story: Story = []

    class Pair(torch.nn.Module):
        def forward(self, x: Any, y: Any, flag: Any = None) -> Any:
            return x * y, x + y, "text"

    net = Pair()
    net.register_full_backward_hook(lambda m, gi, go: story.append(["one", gi, go]))
    net.register_full_backward_hook(
        lambda m, gi, go: tuple(g * 10 for g in gi if g is not None) + (None,) * gi.count(None)
    )
    net.register_full_backward_hook(lambda m, gi, go: story.append(["two", gi]), prepend=True)
    net.register_full_backward_pre_hook(lambda m, go: tuple(None if g is None else g * 3 for g in go))
    net.register_full_backward_pre_hook(lambda m, go: story.append(["pre", go]), prepend=True)
    x, y = torch.tensor(2.0, requires_grad=True), torch.tensor(5.0, requires_grad=True)
    product, total, _ = net(x, y, 3)
    (product + total).backward()
    story.append([x.grad, y.grad])
    x.grad = y.grad = None
    net(x, y, flag=1)[0].backward()
    story.append([x.grad, y.grad])
    return story


@program
def backward_hooks_of_tuples(torch: Any) -> Story:
    story: Story = []

    class Dictionary(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"y": x * 2}

    net = Dictionary()
    net.register_full_backward_hook(lambda m, gi, go: story.append("never"))
    x = torch.ones(1, requires_grad=True)
    net(x)["y"].sum().backward()
    story.append(x.grad)
    with torch.no_grad():
        story.append(net(x))
    double = doubling(torch, story)
    double.register_full_backward_hook(lambda m, gi, go: story.append(["grad", gi, go]))
    with torch.no_grad():
        story.append(double(x))
    story.append(raised(lambda: double.register_backward_hook(lambda m, gi, go: None)))
    story.append(type(double(x).grad_fn).__name__ is not None)
    return story


@program
def old_backward_hooks(torch: Any) -> Story:
    story: Story = []
    net = torch.nn.ReLU()
    net.register_backward_hook(lambda m, gi, go: story.append([len(gi), len(go)]))
    net(torch.ones(2, requires_grad=True)).sum().backward()
    story.append(raised(lambda: net.register_full_backward_hook(lambda m, gi, go: None)))
    return story


@program
def backward_hooks_and_double_backward(torch: Any) -> Story:
    story: Story = []
    net = torch.nn.Linear(2, 1)
    with torch.no_grad():
        net.weight.fill_(3)
        net.bias.fill_(0)
    net.register_full_backward_hook(lambda m, gi, go: story.append(["grad", gi, go]))
    x = torch.ones(1, 2, requires_grad=True)
    out = net(x) ** 2
    (g,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    g.sum().backward()
    story.append([x.grad, net.weight.grad])
    return story


# --- containers -------------------------------------------------------------------------------------------------------


@program
def sequential(torch: Any) -> Story:
    nn = torch.nn
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    story: Story = [repr(net), len(net), repr(net[0]), repr(net[-1]), repr(net[1:]), type(net[:1]).__name__]
    net[1] = nn.Tanh()
    story.append(repr(net))
    del net[0]
    story.append([repr(net), list(net.state_dict())])
    del net[0:1]
    story.append(repr(net))
    net.append(nn.ReLU()).append(nn.Sigmoid())
    net.insert(1, nn.Identity())
    net.insert(-1, nn.Tanh())
    net.extend([nn.ReLU()])
    story.append(repr(net))
    story.append([repr(net.pop(0)), repr(net.pop(-1)), repr(net)])
    story.append(repr(net + nn.Sequential(nn.Flatten())))
    net += nn.Sequential(nn.Dropout())
    story.append(repr(net))
    story.append(repr(nn.Sequential(nn.ReLU()) * 3))
    story.append(repr(2 * nn.Sequential(nn.ReLU())))
    net *= 2
    story.append(repr(net))
    story.append([type(m).__name__ for m in net])
    story.append(repr(nn.Sequential(OrderedDict(x=nn.ReLU(), y=nn.Tanh()))))
    story.append(repr(nn.Sequential()))
    story.append(nn.Sequential()(3))
    for call in (
        lambda: net[99],
        lambda: net.__setitem__(99, nn.ReLU()),
        lambda: net.insert(99, nn.ReLU()),
        lambda: net.insert(0, 3),
        lambda: net + 3,
        lambda: net * 0,
        lambda: net * "a",
        lambda: nn.Sequential(3),
        lambda: net.append(3),
        lambda: net["a"],
        lambda: net.pop(99),
    ):
        story.append(raised(call))
    return story


@program
def module_list(torch: Any) -> Story:
    nn = torch.nn
    net = nn.ModuleList([nn.Linear(1, 1), nn.ReLU()])
    story: Story = [repr(net), len(net), repr(net[-1]), type(net[0:1]).__name__, list(net.state_dict())]
    net.append(nn.Tanh()).extend([nn.ReLU(), nn.ReLU()])
    net.insert(0, nn.Identity())
    story.append(repr(net))
    net[1] = nn.Sigmoid()
    del net[0]
    story.append(repr(net))
    del net[1:3]
    story.append(repr(net))
    net += [nn.Tanh()]
    story.append([repr(net), repr(net.__add__([nn.ReLU()])), repr(net.pop(0)), repr(net)])
    story.append([type(m).__name__ for m in net])
    story.append(repr(nn.ModuleList(nn.Linear(2, 2) for _ in range(3))))
    story.append(repr(nn.ModuleList()))
    story.append(repr(nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Tanh())] * 2)))
    for call in (
        lambda: net[9],
        lambda: net.extend(3),
        lambda: net.append(3),
        lambda: net(3),
        lambda: nn.ModuleList([3]),
        lambda: net["a"],
    ):
        story.append(raised(call))
    return story


@program
def module_dict(torch: Any) -> Story:
    nn = torch.nn
    net = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    story: Story = [
        repr(net),
        len(net),
        list(net),
        list(net.keys()),
        "a" in net,
        "z" in net,
        list(net.state_dict()),
    ]
    net["c"] = nn.Tanh()
    del net["a"]
    net.update({"d": nn.ReLU()})
    net.update([("e", nn.ReLU()), ["f", nn.ReLU()]])
    net.update(nn.ModuleDict({"g": nn.ReLU()}))
    story.append([repr(net), [k for k, _ in net.items()], [type(v).__name__ for v in net.values()]])
    story.append([repr(net.pop("b")), repr(net)])
    net.clear()
    story.append(repr(net))
    for call in (
        lambda: net["x"],
        lambda: net.pop("x"),
        lambda: net.update(3),
        lambda: net.update([3]),
        lambda: net.update([(1, 2, 3)]),
        lambda: nn.ModuleDict({"a.b": nn.ReLU()}),
        lambda: nn.ModuleDict({"keys": nn.ReLU()}),
        lambda: net.__setitem__(3, nn.ReLU()),
    ):
        story.append(raised(call))
    return story


@program
def parameter_list(torch: Any) -> Story:
    nn = torch.nn
    net = nn.ParameterList([nn.Parameter(torch.ones(2)), torch.zeros(3, 1)])
    story: Story = [repr(net), len(net), list(net.state_dict()), [type(p).__name__ for p in net]]
    net.append(torch.ones(1)).extend([torch.ones(2, 2)])
    net[0] = torch.zeros(1)
    net += [torch.ones(1)]
    story.append([repr(net), net[-1], type(net[1:3]).__name__, len(net[1:3])])
    story.append([name for name, _ in net.named_parameters()])
    story.append([raised(lambda: net[9]), raised(lambda: net.extend(3)), raised(lambda: net(1))])
    story.append(repr(nn.ParameterList()))
    story.append(repr(nn.ParameterList([1, "a"])))
    return story


@program
def parameter_dict(torch: Any) -> Story:
    nn = torch.nn
    net = nn.ParameterDict({"a": nn.Parameter(torch.ones(2)), "b": torch.zeros(3, 1)})
    story: Story = [
        repr(net),
        len(net),
        list(net),
        list(net.state_dict()),
        [type(p).__name__ for p in net.values()],
    ]
    net["c"] = torch.ones(1)
    net.update({"d": torch.ones(1)})
    story.append([list(net.keys()), net.pop("a"), "a" in net, net.get("zz"), net.get("zz", 3)])
    story.append([net.setdefault("e", torch.ones(1)), net.setdefault("b", 3)])
    story.append([list(net), list(iter(net.__reversed__())), net.popitem()[0], list(net)])
    story.append(list(net.fromkeys(["x", "y"], torch.ones(1))))
    story.append(list((net | {"n": torch.ones(1)}).keys()))
    net |= nn.ParameterDict({"m": torch.ones(1)})
    story.append(list(net))
    story.append(list(net.copy()))
    del net["b"]
    story.append(
        [repr(net), raised(lambda: net["zz"]), raised(lambda: net.pop("zz")), raised(lambda: net(1))]
    )
    net.clear()
    story.append(repr(net))
    story.append(raised(lambda: net.__setitem__(3, torch.ones(1))))
    return story


@program
def parameters(torch: Any) -> Story:
    nn = torch.nn
    data = torch.ones(2)
    p = nn.Parameter(data)
    story: Story = [repr(p), str(p), p.requires_grad, p.is_leaf, p.data_ptr() == data.data_ptr()]
    story.append([isinstance(p, nn.Parameter), isinstance(p, torch.Tensor), isinstance(data, nn.Parameter)])
    story.append(type(p + 1).__name__)
    story.append(type(p.data).__name__)
    story.append(type(p.detach()).__name__)
    story.append(repr(nn.Parameter(torch.ones(1), requires_grad=False)))
    story.append(raised(lambda: nn.Parameter(torch.ones(1, dtype=torch.int64))))
    story.append(nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False))
    twin = copy.deepcopy(p)
    story.append([type(twin).__name__, twin.requires_grad, twin is p])
    back = pickle.loads(pickle.dumps(p))
    story.append([type(back).__name__, back])
    p.data = torch.zeros(3)
    story.append(p)
    story.append(nn.Parameter())
    story.append(repr(nn.Buffer(torch.ones(1))))
    story.append([isinstance(nn.Buffer(torch.ones(1)), nn.Buffer), isinstance(torch.ones(1), nn.Buffer)])
    loaded = nn.Parameter(torch.ones(1, requires_grad=True) * 2)
    story.append([loaded.is_leaf, loaded.requires_grad])
    return story


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_program(name: str) -> None:
    compare(PROGRAMS[name])
