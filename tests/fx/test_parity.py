"""Graphs, code and rewritten modules are PyTorch's, for the same programs."""

import operator
import re

import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

torch.set_num_threads(1)


def text(code):
    """Code with the names that differ by design made equal: C++ functions have public names in Rushlight."""
    code = code.replace("torch._C._nn.", "torch.nn.functional.").replace("torch.functional.", "torch.")
    return re.sub(r" *\n", "\n", code)


def functions(t):
    f = t.nn.functional

    def keywords(x, n=2, *args, scale: int = 3, **rest):
        return x * n + args[0] * scale + rest["bias"]

    def unpacked(x):
        a, b = x.split(2)
        return a + b

    def magic(x):
        y = -x + 2 - x * x @ x / 3 // 2 % 5**x
        y = (y << 1) >> 1 & y | y ^ y
        y = ~(y > 1) == (y <= x)
        y += 1
        return abs(y), 2 - y, 2**y, 1 / y, (x != 3) < 2, x >= y

    def containers(x):
        return {"a": [x, (x + 1,)], "b": slice(None, 3), "c": t.float32, "d": None, "e": ...}

    def annotated(x: int, y: list[int]) -> float:
        return x + y[0]

    return [
        lambda x: t.relu(x) + 1,
        keywords,
        unpacked,
        magic,
        containers,
        annotated,
        lambda x: x[0, 1:3, None, ..., ::2],
        lambda x: x.view(x.size(0), -1).to(x.dtype).T.shape[0],
        lambda x: f.dropout(x, 0.5, training=True),
        lambda x: f.softmax(f.gelu(x), -1),
        lambda x: t.cat([x, x], dim=0).sum((0, 1), keepdim=True).relu_(),
        lambda x: t.einsum("ij,ij->i", x, x),
        lambda x: x == float("inf"),
        lambda x: (x * -3) ** -2 - (-2) * x,
        lambda x: t.zeros(x.shape) + t.ones_like(x),
        lambda x: x.input.sum(input=x),
        lambda x: operator.iadd(x, 2),
        lambda: 3,
    ]


@pytest.mark.parametrize("number", range(18))
def test_code_and_graph_of_functions(number):
    ours = rushlight.fx.symbolic_trace(functions(rushlight)[number])
    theirs = torch.fx.symbolic_trace(functions(torch)[number])
    assert text(ours.code) == text(theirs.code)
    assert text(str(ours.graph)) == text(str(theirs.graph))


REFUSED = [
    lambda x: 1 if x > 0 else 2,
    lambda x: [*x],
    lambda x: len(x),
    lambda x: int(x),
    lambda x: float(x),
    lambda x: range(x),
    lambda x: [1, 2][x],
    lambda x: {**x},
    lambda x: 3 in x,
    lambda x: not x,
    lambda x: x + object(),
    lambda x: x.fill_({x: 1}),
    lambda x: operator.setitem(x, 0, 1),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_tracing_refuses(number):
    with pytest.raises(Exception) as theirs:
        torch.fx.symbolic_trace(REFUSED[number])
    with pytest.raises(Exception) as ours:
        rushlight.fx.symbolic_trace(REFUSED[number])
    assert type(ours.value).__name__ == type(theirs.value).__name__
    assert str(ours.value) == str(theirs.value)


def model(t):
    class Block(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = t.nn.Linear(4, 4)
            self.register_buffer("scale", t.full((4,), 2.0))

        def forward(self, x, extra):
            return self.linear(x) * self.scale + extra["e"]

    class Model(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.ReLU())
            self.blocks = t.nn.ModuleList([Block(), Block()])
            self.bias = t.nn.Parameter(t.ones(4))
            self.plain = t.tensor([1.0, 2.0, 3.0, 4.0])

        def forward(self, x, double=True, *, shift=0):
            h = self.layers(x) + self.bias
            for block in self.blocks:
                h = block(h, {"e": h})
            if isinstance(double, bool) and double:
                h = h * 2
            h = h / (self.plain + t.ones(4))
            return h - shift, h.mean(dim=0)

    t.manual_seed(0)
    return Model()


def result(values):
    return [value.detach().numpy().tolist() for value in values]


@pytest.mark.parametrize("concrete", [None, {"double": True}, {"double": False}, {"shift": None}])
def test_module(concrete):
    found = []
    for t in (rushlight, torch):
        program = model(t)
        traced = t.fx.symbolic_trace(program, concrete)
        traced.graph.lint()
        found.append((text(traced.code), text(str(traced.graph)), sorted(traced.state_dict())))
        if concrete != {"shift": None}:
            double = (concrete or {}).get("double", False)
            x = t.arange(6.0).reshape(2, 3)
            assert result(traced(x, double)) == result(program(x, double if concrete else False))
            assert result(t.fx.Interpreter(traced).run(x, double)) == result(traced(x, double))
            assert result(t.fx.Transformer(traced).transform()(x, double)) == result(traced(x, double))
    assert found[0] == found[1]


def test_trees_as_inputs():
    found = []
    for t in (rushlight, torch):
        ph = t.fx.PH
        traced = t.fx.symbolic_trace(
            lambda x, y: {"sum": x["a"] + y[0], "rest": [y[1]]},
            concrete_args={"x": {"a": ph, "b": 3}, "y": (ph, ph)},
        )
        values = traced({"a": t.ones(2), "b": 3}, (t.ones(2), 5))
        found.append((text(traced.code), values["sum"].tolist(), values["rest"]))
    assert found[0] == found[1]


def own_leaves(t):
    class Whole(t.fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return isinstance(m, t.nn.Sequential)

    class ByPlace(t.fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return m.__module__.startswith("torch.nn") and not isinstance(m, t.nn.Sequential)

    class Followed(t.fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return False

        def create_proxy(self, kind, target, args, kwargs, *rest, **named):
            proxy = super().create_proxy(kind, target, args, kwargs, *rest, **named)
            proxy.node.meta["seen"] = kind
            return proxy

    class Named(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = t.nn.Parameter(t.ones(3, 2))

        def forward(self, x):
            return x @ self.weight if self.weight.shape[0] == 3 else x

    module = t.nn.Sequential(t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Tanh()))
    whole = Whole().trace(module)
    by_place = ByPlace().trace(model(t))
    followed = Followed().trace(t.nn.Bilinear(2, 2, 3))
    constant = t.fx.Tracer(param_shapes_constant=True).trace(Named())
    noted = [node.meta.get("seen") for node in followed.nodes]
    return [text(str(graph)).replace("input1", "input") for graph in (whole, constant, by_place)], noted[:3]


def test_tracers_of_programs():
    assert own_leaves(rushlight) == own_leaves(torch)


PATTERNS = {
    "method": (
        lambda t: lambda x, y: t.cat([x, y]).sum() + t.cat([y, x]).sum(),
        lambda t: lambda a, b: t.cat([a, b]).sum(),
        lambda t: lambda a, b: a.sum() + b.sum(),
    ),
    "used elsewhere": (
        lambda t: lambda x, r=None: t.neg(r := t.relu(x)) + r,
        lambda t: lambda a: t.neg(t.relu(a)),
        lambda t: lambda a: t.abs(a),
    ),
    "chain": (
        lambda t: lambda x: t.relu(t.relu(t.relu(t.relu(x)))),
        lambda t: lambda a: t.relu(t.relu(a)),
        lambda t: lambda a: t.abs(a),
    ),
    "overlapping": (
        lambda t: lambda x: t.relu(t.relu(t.relu(x))),
        lambda t: lambda a: t.relu(t.relu(a)),
        lambda t: lambda a: t.abs(a),
    ),
    "two results": (
        lambda t: lambda x: (x + 1, x * 2),
        lambda t: lambda a: (a + 1, a * 2),
        lambda t: lambda a: (a - 1, a / 2),
    ),
    "other number": (lambda t: lambda x: x + 3, lambda t: lambda a: a + 1, lambda t: lambda a: a - 1),
    "only an input": (lambda t: lambda x, y: x + y, lambda t: lambda a, b: a + b, lambda t: lambda a, b: a),
    "keywords": (
        lambda t: lambda x: x.relu().sum(dim=1),
        lambda t: lambda a: a.relu().sum(dim=1),
        lambda t: lambda a: a.mean(1),
    ),
    "a number for an input": (
        lambda t: lambda x: t.dropout(x, 0.5, True) * x,
        lambda t: lambda a, p: t.dropout(a, p, True),
        lambda t: lambda a, p: a * p,
    ),
    "fed by one another": (
        lambda t: lambda a, b, c: t.relu(t.relu(a + b) + c).sum(),
        lambda t: lambda x, y: t.relu(x + y),
        lambda t: lambda x, y: t.clamp(x - y, min=0),
    ),
}


@pytest.mark.parametrize("name", list(PATTERNS))
def test_replace_pattern(name):
    found = []
    for t in (rushlight, torch):
        program, pattern, put = [make(t) for make in PATTERNS[name]]
        traced = t.fx.symbolic_trace(program)
        matches = t.fx.replace_pattern(traced, pattern, put)
        traced.graph.lint()
        shown = [
            (str(match.anchor), {str(k): str(v) for k, v in match.nodes_map.items()}) for match in matches
        ]
        found.append((text(traced.code), shown))
    assert found[0] == found[1]


def with_modules(t):
    class Pattern(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = t.nn.Linear(2, 2)
            self.relu = t.nn.ReLU()

        def forward(self, x):
            return self.relu(self.linear(x))

    class Program(Pattern):
        def forward(self, x):
            return super().forward(x) + 1

    class Put(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.tanh = t.nn.Tanh()
            self.k = t.nn.Parameter(t.full((2,), 3.0))

        def forward(self, x):
            return self.tanh(x) * self.k

    traced = t.fx.symbolic_trace(Program())
    t.fx.replace_pattern(traced, Pattern(), t.fx.symbolic_trace(Put()))
    return text(traced.code), repr(traced), traced(t.zeros(2)).tolist(), sorted(traced.state_dict())


def test_replacement_brings_its_modules():
    assert with_modules(rushlight) == with_modules(torch)


def filters(t):
    from importlib import import_module

    rewriter = import_module(t.fx.__name__ + ".subgraph_rewriter")
    found = []
    for options in ({"ignore_literals": True}, {"match_filters": [lambda match, graph, pattern: False]}, {}):
        traced = t.fx.symbolic_trace(lambda x: x + 1)
        done = rewriter.replace_pattern_with_filters(traced, lambda x: x + 2, lambda x: x - 2, **options)
        found.append((text(traced.code), [[str(node) for node in each.replacements] for each in done]))
    return found


def test_filters_and_literals():
    assert filters(rushlight) == filters(torch)


def edited(t):
    graph = t.fx.Graph()
    x = graph.placeholder("x")
    with graph.inserting_after(x):
        first = graph.call_function(t.neg, (x,))
        graph.call_method("abs", (x,), {})
    with graph.inserting_before():
        graph.placeholder("input", type_expr=int, default_value=3)
    copied = t.fx.Graph()
    copied.output(copied.graph_copy(graph, {}))
    last = graph.output((first, [x], {"k": x}))
    seen = [[str(node) for node in graph.nodes], [str(node) for node in reversed(graph.nodes)]]
    seen.append(
        [first < last, str(last.all_input_nodes), str(graph.find_nodes(op="call_function", target=t.neg))]
    )
    first.replace_all_uses_with(x)
    first.args = (x,)
    seen.append([str(last.args), list(map(str, x.users)), type(last.args[0][1]).__name__])
    seen.append([graph.eliminate_dead_code(), len(graph.nodes), text(str(graph)), len(copied.nodes)])
    last.insert_arg(0, 7)
    last.update_arg(0, 8)
    last.update_kwarg("k", x)
    seen.append([str(last.args), str(last.kwargs), last.format_node(), x.format_node()])
    return seen


def test_editing():
    assert edited(rushlight) == edited(torch)


def errors(t):
    graph = t.fx.Graph()
    x = graph.placeholder("x")
    y = graph.call_function(t.neg, ([x],))
    other = t.fx.Graph().placeholder("z")
    bad = t.fx.Graph()
    bad_x = bad.placeholder("x")
    bad_y = bad.call_method("a", (bad_x,))
    bad_y.append(bad_x)
    attempts = [
        lambda: graph.erase_node(x),
        lambda: graph.create_node("foo", "x"),
        lambda: y.args[0].append(1),
        lambda: y.args[0].__setitem__(0, 1),
        lambda: bad.lint(),
        lambda: t.fx.GraphModule(3, graph),
        lambda: graph.inserting_before(other),
        lambda: graph.create_node("call_function", t.neg, [x]),
        lambda: x.prepend(other),
        lambda: t.fx.wrap("len"),
        lambda: t.fx.wrap(3),
    ]
    found = []
    for attempt in attempts:
        with pytest.raises(Exception) as caught:
            attempt()
        found.append((type(caught.value).__name__, str(caught.value).split("\n")[0]))
    return found


def test_errors():
    assert errors(rushlight) == errors(torch)


def shapes(t):
    from importlib import import_module

    module = import_module(t.fx.__name__ + ".passes.shape_prop")
    traced = t.fx.symbolic_trace(t.nn.Sequential(t.nn.Conv2d(3, 4, 3), t.nn.Flatten(), t.nn.ReLU()))
    module.ShapeProp(traced).propagate(t.ones(2, 3, 8, 8))
    return [
        (
            node.name,
            tuple(meta.shape),
            str(meta.dtype),
            meta.requires_grad,
            meta.stride,
            str(meta.memory_format),
        )
        for node in traced.graph.nodes
        for meta in [node.meta["tensor_meta"]]
    ]


def test_shape_propagation():
    assert shapes(rushlight) == shapes(torch)


def split(t):
    from importlib import import_module

    module = import_module(t.fx.__name__ + ".passes.split_module")
    traced = t.fx.symbolic_trace(model(t))
    count = iter(range(100))
    names = {}
    parts = module.split_module(traced, None, lambda node: next(count) // 6, names)
    codes = [text(parts.code)] + [text(child.code) for child in parts.children() if hasattr(child, "code")]
    return codes, names, sorted(parts.state_dict()), result(parts(t.ones(2, 3)))


def test_split_module():
    ours, theirs = split(rushlight), split(torch)
    assert ours[:3] == theirs[:3]
    for mine, other in zip(ours[3], theirs[3], strict=True):
        rushlight.testing.assert_close(rushlight.tensor(mine), rushlight.tensor(other))


def transformed(t):
    class Smooth(t.fx.Transformer):
        def call_function(self, target, args, kwargs):
            return super().call_function(t.sigmoid if target is t.neg else target, args, kwargs)

        def call_method(self, target, args, kwargs):
            return super().call_method("mean", args, kwargs)

        def call_module(self, target, args, kwargs):
            return t.abs(args[0]) + super().call_module(target, args, kwargs)

    class Program(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = t.nn.ReLU()
            self.w = t.nn.Parameter(t.ones(2))

        def forward(self, x, y=3):
            return self.relu(t.neg(x) * self.w + y).sum(), [x]

    changed = Smooth(t.fx.symbolic_trace(Program())).transform()
    return text(changed.code), repr(changed), type(changed).__name__


def test_transformer():
    assert transformed(rushlight) == transformed(torch)


def test_making_an_object_of_a_proxyable_class_is_a_node():
    codes = []
    for library in (torch, rushlight):
        proxyable = library.fx._symbolic_trace.ProxyableClassMeta
        names = {"proxyable": proxyable, "library": library, "__name__": "programs"}
        exec(
            "class Pair(metaclass=proxyable):\n"
            "    def __init__(self, left, right): self.left, self.right = left, right\n"
            "    def both(self): return self.left + self.right\n"
            "def of_proxies(x, y): return Pair(x, right=[y, 2]).both() + x\n"
            "def of_constants(x): return x + Pair(1, 2).both()",
            names,
        )
        codes.append(
            [text(library.fx.symbolic_trace(names[name]).code) for name in ("of_proxies", "of_constants")]
        )
        assert names["Pair"](1, 2).both() == 3
    assert codes[0] == codes[1]
