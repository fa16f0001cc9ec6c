"""``torch.fx``: a function or module is called once with proxies, and becomes a graph of calls that programs read and change.

:func:`symbolic_trace` gives a :class:`GraphModule`, whose ``graph`` holds :class:`Node` objects and whose ``code`` is Python.
:class:`Interpreter` runs a graph node by node, :class:`Transformer` makes another one of it, :func:`replace_pattern` exchanges
parts. See "Graphs that programs rewrite" in the documentation.
"""

from __future__ import annotations

from ..missing import lazily as _lazily
from . import (
    _symbolic_trace as _symbolic_trace,
    graph as graph,
    graph_module as graph_module,
    immutable_collections as immutable_collections,
    interpreter as interpreter,
    node as node,
    proxy as proxy,
)
from ._symbolic_trace import PH, ProxyableClassMeta, Tracer, symbolic_trace, wrap
from .graph import CodeGen, Graph
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, has_side_effect, map_arg
from .proxy import Proxy
from .subgraph_rewriter import replace_pattern

__all__ = [
    "CodeGen",
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "PH",
    "Proxy",
    "ProxyableClassMeta",
    "Tracer",
    "Transformer",
    "has_side_effect",
    "map_arg",
    "replace_pattern",
    "symbolic_trace",
    "wrap",
]

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
