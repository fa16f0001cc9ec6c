"""Models that give their inner values: torchvision's feature extractors, over ``torch.fx``."""

from __future__ import annotations

import copy
import re
from typing import Any

from ...fx import Graph, GraphModule, Node, Tracer
from ...nn.module import Module

__all__ = ["create_feature_extractor", "get_graph_node_names"]


class LeafModuleAwareTracer(Tracer):
    """A tracer that takes modules of the classes ``leaf_modules`` as one call each, as it does layers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.leaf_modules = tuple(kwargs.pop("leaf_modules", ()))
        super().__init__(*args, **kwargs)

    def is_leaf_module(self, m: Module, module_qualname: str) -> bool:
        """Whether a call of ``m`` is one node."""
        return isinstance(m, self.leaf_modules) or super().is_leaf_module(m, module_qualname)


class NodePathTracer(LeafModuleAwareTracer):
    """Notes for each node where in the model it is: ``node_to_qualname``, such as ``layer1.0.add``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current_module_qualname = ""
        self.node_to_qualname: dict[Node, str] = {}

    def call_module(self, m: Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """A call of ``m``, inside of which nodes are named by its path."""
        before = self.current_module_qualname
        try:
            path = self.path_of_module(m)
            self.current_module_qualname = path
            if not self.is_leaf_module(m, path):
                return forward(*args, **kwargs)
            return self.create_proxy("call_module", path, args, kwargs)
        finally:
            self.current_module_qualname = before

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **named: Any) -> Any:
        """A new node's proxy; the node gets its name."""
        proxy = super().create_proxy(kind, target, args, kwargs, *rest, **named)
        self.node_to_qualname[proxy.node] = self._name(self.current_module_qualname, proxy.node)
        return proxy

    def _name(self, path: str, node: Node) -> str:
        name = path
        if node.op != "call_module":
            name += f".{node}" if path else str(node)
        # A node's own number counts over the whole graph; here it counts under one name.
        if re.match(r".+_[0-9]+$", name) is not None:
            name = name.rsplit("_", 1)[0]
        count = 0
        for other in reversed(self.node_to_qualname.values()):
            if re.match(rf"{re.escape(name)}(_[0-9]+)?$", other) is not None:
                number = other.replace(name, "", 1)
                count = 1 + (int(number[1:]) if number.startswith("_") else 0)
                break
        return f"{name}_{count}" if count else name


def _names(
    model: Module, tracer_kwargs: dict[str, Any], concrete_args: dict[str, Any] | None
) -> tuple[Graph, NodePathTracer]:
    tracer = NodePathTracer(**tracer_kwargs)
    return tracer.trace(model, concrete_args), tracer


def _default_leaves(tracer_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    from ...nn.containers import Sequential
    from .. import ops

    given = dict(tracer_kwargs or {})
    given.setdefault(
        "leaf_modules",
        [
            kind
            for kind in vars(ops).values()
            if isinstance(kind, type) and issubclass(kind, Module) and not issubclass(kind, Sequential)
        ],
    )
    return given


def _warn_of_differences(train: list[str], evaluation: list[str]) -> None:
    if train != evaluation:
        import warnings

        warnings.warn(
            "The nodes obtained by tracing the model in eval mode are not those of train mode. When choosing nodes for feature "
            "extraction, you may need to specify output nodes for train and eval mode separately.",
            stacklevel=3,
        )


def get_graph_node_names(
    model: Module,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> tuple[list[str], list[str]]:
    """The names of a model's inner values, in the order in which they are computed: in training and in evaluation mode.

    Example:
        >>> import rushlight as torch
        >>> names, _ = get_graph_node_names(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
        >>> names
        ['input', '0', '1']
    """
    kwargs = _default_leaves(tracer_kwargs)
    training = model.training
    found = []
    for mode in (True, False):
        graph, tracer = _names(model.train(mode), kwargs, concrete_args)
        found.append([tracer.node_to_qualname[node] for node in graph.nodes if node.op != "output"])
    model.train(training)
    if not suppress_diff_warning:
        _warn_of_differences(found[0], found[1])
    return found[0], found[1]


class DualGraphModule(GraphModule):
    """Two graphs over one set of layers: one for training mode, one for evaluation."""

    def __init__(
        self, root: Module, train_graph: Graph, eval_graph: Graph, class_name: str = "GraphModule"
    ) -> None:
        Module.__init__(self)
        from ...fx.graph_module import _copy_attr

        self.__dict__["_both_graphs"] = False
        type(self).__name__ = class_name
        for graph in (train_graph, eval_graph):
            for node in graph.nodes:
                if node.op in ("get_attr", "call_module"):
                    _copy_attr(root, self, node.target)
        for table in ("_replace_hooks", "_create_node_hooks", "_erase_node_hooks", "_deepcopy_hooks"):
            self.__dict__[table] = []
        self.__dict__["meta"] = {}
        self.__dict__["train_graph"], self.__dict__["eval_graph"] = train_graph, eval_graph
        self.__dict__["_both_graphs"] = True
        self.train(root.training)

    def train(self, mode: bool = True) -> Any:
        """Set training or evaluation mode, and run the graph of that mode from now on."""
        if self.__dict__["_both_graphs"]:
            self.graph = self.train_graph if mode else self.eval_graph
        return super().train(mode)

    def __deepcopy__(self, memo: dict[int, Any]) -> DualGraphModule:
        holder = Module()
        for table in ("_parameters", "_buffers", "_modules"):
            holder.__dict__[table] = copy.deepcopy(self.__dict__[table], memo)
        holder.training = self.training
        return DualGraphModule(
            holder, copy.deepcopy(self.train_graph), copy.deepcopy(self.eval_graph), type(self).__name__
        )

    def __reduce__(self) -> Any:
        raise TypeError("a feature extractor is not pickled; save its state_dict and make it again")


def _as_names(nodes: Any) -> dict[str, str]:
    if isinstance(nodes, list | tuple | set):
        return {str(name): str(name) for name in nodes}
    return {str(name): str(value) for name, value in dict(nodes).items()}


def _graph_that_returns(
    model: Module, wanted: dict[str, str], kwargs: dict[str, Any], concrete_args: dict[str, Any] | None
) -> Graph:
    """The model's graph up to the wanted values, which it returns as a dict."""
    graph, tracer = _names(model, kwargs, concrete_args)
    names = tracer.node_to_qualname
    for query in wanted:
        if not any([re.match(rf"^{re.escape(query)}(\.|$)", name) is not None for name in names.values()]):
            raise ValueError(
                f"node: '{query}' is not present in model. Hint: use `get_graph_node_names` to make sure the "
                "`return_nodes` you specified are present. It may even be that you need to specify `train_return_nodes` and "
                "`eval_return_nodes` separately."
            )
    (old_output,) = [node for node in graph.nodes if node.op == "output"]
    graph.erase_node(old_output)
    left = dict(wanted)
    results: dict[str, Node] = {}
    for node in reversed(graph.nodes):
        name = names.get(node)
        if name is None:
            continue
        # The last value of a module goes by the module's name too.
        for query in list(left):
            if re.match(rf"^{re.escape(query)}(\.|$)", name) is not None:
                results[left.pop(query)] = node
                break
    graph.output({key: results[key] for key in wanted.values()})
    for node in reversed(graph.nodes):
        if node.op not in ("placeholder", "output") and not node.users:
            graph.erase_node(node)
    return graph


def create_feature_extractor(
    model: Module,
    return_nodes: list[str] | dict[str, str] | None = None,
    train_return_nodes: list[str] | dict[str, str] | None = None,
    eval_return_nodes: list[str] | dict[str, str] | None = None,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> GraphModule:
    """A module that computes what ``model`` does up to the values of ``return_nodes``, and returns those as a dict.

    ``return_nodes`` lists names (``get_graph_node_names``; a module's name is its last value), or maps them to the keys of the
    result. ``train_return_nodes`` and ``eval_return_nodes`` name them for each mode. The layers are the model's own.
    ``ValueError`` for unknown names and for a mode without names.

    Example:
        >>> import rushlight as torch
        >>> model = torch.vision.models.resnet18()
        >>> body = create_feature_extractor(model, {"layer1": "early", "layer3.1.add": "late"})
        >>> {name: tuple(value.shape) for name, value in body(torch.zeros(2, 3, 32, 32)).items()}
        {'early': (2, 64, 8, 8), 'late': (2, 256, 2, 2)}
    """
    kwargs = _default_leaves(tracer_kwargs)
    training = model.training
    if return_nodes is None and (train_return_nodes is None or eval_return_nodes is None):
        raise ValueError(
            "Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` together, should be specified"
        )
    if return_nodes is not None and not (train_return_nodes is None and eval_return_nodes is None):
        raise ValueError(
            "If `train_return_nodes` and `eval_return_nodes` are specified, `return_nodes` should not be"
        )
    graphs = []
    for mode, nodes in ((True, train_return_nodes), (False, eval_return_nodes)):
        wanted = _as_names(return_nodes if return_nodes is not None else nodes)
        graphs.append(_graph_that_returns(model.train(mode), wanted, kwargs, concrete_args))
    model.train(training)
    if return_nodes is not None and not suppress_diff_warning:
        _warn_of_differences(*[[node.name for node in graph.nodes] for graph in graphs])
    return DualGraphModule(model, graphs[0], graphs[1], class_name=type(model).__name__)
