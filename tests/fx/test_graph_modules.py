"""What does not need PyTorch to compare with: wrapped functions, copies and files of graph modules, and compiled ones."""

import copy
import io
import pickle
import re
import sys

import pytest

import rushlight as torch
from rushlight.fx.passes.shape_prop import ShapeProp


@torch.fx.wrap
def followed_not(x, scale=1):
    if x.sum() > 0:
        return x * scale
    return -x


torch.fx.wrap("len")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)
        self.register_buffer("table", torch.arange(3.0))
        self.note = "kept?"

    def forward(self, x, scale=2):
        rows = len(x)
        return followed_not(self.linear(x) + self.table, scale=scale) / rows


def test_wrapped_functions_are_calls():
    model = Model()
    traced = torch.fx.symbolic_trace(model)
    targets = {node.target for node in traced.graph.nodes if node.op == "call_function"}
    assert {followed_not, len} <= targets
    assert 'torch.fx._symbolic_trace.wrap("len")' in traced.code
    for x in (torch.ones(2, 3), -9 * torch.ones(2, 3)):
        assert torch.equal(traced(x), model(x))
    assert followed_not.__name__ == "followed_not" and len([1]) == 1
    assert sys.modules[__name__].followed_not is followed_not


def test_a_failed_trace_puts_everything_back():
    def asks(x):
        return followed_not(x) if torch.nn.ReLU()(x) > 0 else x

    call = torch.nn.Module.__call__
    with pytest.raises(NameError, match="not installed as a submodule"):
        torch.fx.symbolic_trace(asks)
    assert torch.nn.Module.__call__ is call
    assert torch.nn.ReLU()(torch.tensor([-1.0])).item() == 0
    assert followed_not(torch.ones(1)).item() == 1
    assert not torch.fx._symbolic_trace.is_fx_tracing()


def test_copies_are_independent():
    traced = torch.fx.symbolic_trace(Model())
    traced.meta["note"] = 1
    deep, shallow = copy.deepcopy(traced), copy.copy(traced)
    x = torch.ones(2, 3)
    before = traced(x)
    assert shallow.linear is traced.linear and deep.linear is not traced.linear
    deep.linear.weight.data.zero_()
    assert torch.equal(traced(x), before) and not torch.equal(deep(x), before)
    assert deep.meta == {"note": 1} and list(deep.state_dict()) == list(traced.state_dict())
    for node in list(deep.graph.nodes):
        assert node.graph is deep.graph
    assert type(deep).__name__ == "Model"


@pytest.mark.parametrize("way", ["pickle", "torch.save"])
def test_files(way):
    traced = torch.fx.symbolic_trace(Model()).eval()
    if way == "pickle":
        loaded = pickle.loads(pickle.dumps(traced))
    else:
        stream = io.BytesIO()
        torch.save(traced, stream)
        stream.seek(0)
        loaded = torch.load(stream, weights_only=False)
    x = torch.rand(2, 3)
    assert torch.equal(loaded(x, 3), traced(x, 3))
    assert [node.name for node in loaded.graph.nodes] == [node.name for node in traced.graph.nodes]
    assert not loaded.training and isinstance(loaded.linear, torch.nn.Linear)


def test_to_folder(tmp_path):
    torch.manual_seed(0)
    traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh()))
    traced.to_folder(tmp_path / "written", "Written")
    # `import torch` is this library under `rushlight run`.
    source = (
        (tmp_path / "written" / "module.py")
        .read_text()
        .replace("import torch\n", "import rushlight as torch\n")
    )
    source = re.sub("(from|import) torch[.]", r"\1 rushlight.", source).replace(
        "from torch ", "from rushlight "
    )
    space = {}
    exec(compile(source, "module.py", "exec"), space)
    x = torch.rand(2, 3)
    assert torch.equal(space["Written"]()(x), traced(x))


def test_hooks_on_changes():
    traced = torch.fx.symbolic_trace(Model())
    seen = []
    traced._register_create_node_hook(lambda node: seen.append(("made", node.name)))
    traced._register_erase_node_hook(lambda node: seen.append(("erased", node.name)))
    linear = traced.graph.find_nodes(op="call_module", target="linear")[0]
    with (
        traced.graph.inserting_after(linear),
        traced._set_replace_hook(lambda old, new, user: seen.append(("exchanged", old.name, new, user.name))),
    ):
        added = traced.graph.call_function(torch.tanh, (linear,))
        linear.replace_all_uses_with(added, lambda user: user is not added)
    assert seen == [("made", "tanh"), ("exchanged", "linear", "tanh", "add")]


@pytest.mark.parametrize("options", [{}, {"fullgraph": True}])
def test_compiled_graph_modules(options):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    traced = torch.fx.symbolic_trace(model)
    compiled = torch.compile(traced, **options)
    x = torch.rand(5, 4, requires_grad=True)
    for _ in range(2):
        torch.testing.assert_close(compiled(x), model(x))
    compiled(x).sum().backward()
    gradient = x.grad.clone()
    x.grad = None
    model(x).sum().backward()
    torch.testing.assert_close(gradient, x.grad)


def test_a_rewritten_module_trains():
    torch.manual_seed(0)
    traced = torch.fx.symbolic_trace(
        torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    )
    traced.add_submodule("smooth.tanh", torch.nn.Tanh())
    for node in traced.graph.nodes:
        if node.op == "call_module" and isinstance(traced.get_submodule(node.target), torch.nn.ReLU):
            with traced.graph.inserting_after(node):
                node.replace_all_uses_with(traced.graph.call_module("smooth.tanh", node.args))
            traced.graph.erase_node(node)
    traced.recompile()
    traced.delete_all_unused_submodules()
    assert [name for name, _ in traced.named_modules()] == ["", "0", "2", "smooth", "smooth.tanh"]
    optimizer = torch.optim.SGD(traced.parameters(), lr=0.1)
    x = torch.rand(16, 2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = ((traced(x) - x.sum(1, keepdim=True)) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_interpreters_say_where_they_fail():
    traced = torch.fx.symbolic_trace(Model())
    with pytest.raises(RuntimeError, match="While executing %linear"):
        torch.fx.Interpreter(traced).run(torch.ones(2, 5))
    with pytest.raises(RuntimeError, match="Expected positional argument for parameter x"):
        ShapeProp(traced).propagate()
    with pytest.raises(RuntimeError, match="nonexistent target"):
        torch.fx.Interpreter(traced).fetch_attr("linear.nothing")


def test_specialized_inputs_are_checked():
    traced = torch.fx.symbolic_trace(Model(), concrete_args={"scale": 3})
    x = torch.ones(2, 3)
    assert torch.equal(traced(x, 3), Model.forward(traced_like(traced), x, 3))
    with pytest.raises(AssertionError, match="scale has been specialized to have value 3"):
        traced(x, 4)


def traced_like(traced):
    model = Model()
    model.load_state_dict(traced.state_dict())
    return model


def test_code_can_be_changed_while_it_is_written():
    traced = torch.fx.symbolic_trace(lambda x: x + 1)
    with traced.graph.on_generate_code(lambda before: lambda body: ["print('called')\n", *body]):
        assert "print('called')" in traced.recompile().src
    assert "print" not in traced.recompile().src


def test_dead_code_with_effects_stays():
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    graph.call_function(torch._assert, (x, "must be"))
    graph.call_function(torch.neg, (x,))
    graph.output(x)
    module = torch.fx.GraphModule({}, graph)
    assert module.graph.eliminate_dead_code()
    assert [node.name for node in module.graph.nodes] == ["x", "_assert", "output"]
    assert not module.graph.eliminate_dead_code()


def test_normalized_arguments():
    traced = torch.fx.symbolic_trace(lambda x: torch.cat([x, x], 1))
    (node,) = traced.graph.find_nodes(op="call_function", target=torch.cat)
    pair = node.normalized_arguments(traced, normalize_to_only_use_kwargs=True)
    assert pair.args == () and pair.kwargs["dim"] == 1
    module = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.ReLU()))
    (call,) = module.graph.find_nodes(op="call_module")
    assert list(call.normalized_arguments(module, normalize_to_only_use_kwargs=True).kwargs) == ["input"]
