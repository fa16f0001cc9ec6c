"""Graphs that were saved with a checkpoint, to be brought into another graph of the same process; and lists of operations.

An operation here holds Python functions, which no file can hold. So what ``export_meta_graph`` writes is for people to read,
and ``import_meta_graph`` finds the graph itself in this process, as long as it runs. In another process the program's own
code makes the graph.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final, NamedTuple

from . import event_file
from .differentiate import GRADIENT
from .graph import Graph, Operation, Tensor, get_default_graph
from .saver import Saver, write_whole
from .variables import Variable

_KEPT: Final = 32  # saved graphs that are remembered


class _Snapshot(NamedTuple):
    operations: list[Operation]
    collections: dict[Any, list[Any]]
    saver: Any


_SAVED: Final[dict[str, _Snapshot]] = {}


class NodeDef(NamedTuple):
    """One operation as a file shows it."""

    name: str
    op: str
    input: list[str]
    device: str

    @classmethod
    def of(cls, op: Operation) -> NodeDef:
        """What there is to say of ``op``."""
        inputs = [t.op.name if t.value_index == 0 else f"{t.op.name}:{t.value_index}" for t in op.inputs]
        return cls(op.name, op.type, inputs + [f"^{c.name}" for c in op.control_inputs], op.device)


class GraphDef:
    """The operations of a graph by name, type and inputs. It is no program: it can't be imported elsewhere."""

    def __init__(self, graph: Graph | None = None) -> None:
        self.node: list[NodeDef] = []
        for op in graph.get_operations() if graph is not None else ():
            self.node.append(NodeDef.of(op))

    def SerializeToString(self) -> bytes:
        """The list as TensorBoard reads it."""
        return event_file.graph_definition([(n.name, n.op, n.input, n.device) for n in self.node])

    def ByteSize(self) -> int:
        """The length of :meth:`SerializeToString`."""
        return len(self.SerializeToString())

    def ParseFromString(self, data: bytes) -> None:
        """Not available: a file does not hold what operations compute."""
        raise NotImplementedError(
            "GraphDef.ParseFromString: operations hold Python functions, so graphs can't be read from files; make the graph "
            "with the program's own code and restore its variables with tf.train.Saver"
        )

    def __str__(self) -> str:
        lines = []
        for node in self.node:
            lines += ["node {", f'  name: "{node.name}"', f'  op: "{node.op}"']
            lines += [f'  input: "{name}"' for name in node.input]
            lines += [f'  device: "{node.device}"'] if node.device else []
            lines.append("}")
        return "\n".join(lines) + "\n"


def write_graph(graph_or_graph_def: Any, logdir: str, name: str, as_text: bool = True) -> str:
    """Write a graph's operations to a file, as text or as TensorBoard reads them; the path."""
    definition = GraphDef(graph_or_graph_def) if isinstance(graph_or_graph_def, Graph) else graph_or_graph_def
    os.makedirs(logdir, exist_ok=True)
    path = os.path.join(logdir, name)
    data = str(definition).encode() if as_text else definition.SerializeToString()
    write_whole(path, lambda file: file.write(data))
    return path


def export_meta_graph(
    filename: str | None = None, graph: Any = None, saver: Any = None, collection_list: Any = None, **_: Any
) -> GraphDef:
    """Remember the graph for :func:`import_meta_graph` in this process, under ``filename``; its operations as text."""
    source = get_default_graph() if graph is None else graph
    if filename is not None:
        key = os.path.abspath(filename)
        collections = {name: source.get_collection(name) for name in source.get_all_collection_keys()}
        _SAVED.pop(key, None)
        _SAVED[key] = _Snapshot(source.get_operations(), collections, saver)
        while len(_SAVED) > _KEPT:
            del _SAVED[next(iter(_SAVED))]
        content = {"process": os.getpid(), "operations": [list(node) for node in GraphDef(source).node]}
        write_whole(filename, lambda file: file.write(json.dumps(content).encode()))
    return GraphDef(source)


def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **_: Any
) -> Any:
    """Bring a graph that was saved in this process into the default graph; a ``Saver`` for its variables.

    Raises:
        OSError: if there is no such file.
        NotImplementedError: if another process wrote it.
        ValueError: if a name of it is taken in the default graph.
    """
    path = os.path.abspath(os.fspath(meta_graph_or_file))
    saved = _SAVED.get(path)
    if not os.path.exists(path):
        raise OSError(f"File {meta_graph_or_file} does not exist.")
    if saved is None:
        raise NotImplementedError(
            f"import_meta_graph: {meta_graph_or_file} was written by another process. Operations hold Python functions, which "
            "no file can hold: make the graph with the program's own code and restore its variables with tf.train.Saver()"
        )
    copies = _Copies(get_default_graph(), import_scope, clear_devices)
    for op in saved.operations:
        copies.add(op)
    copies.add_collections(saved.collections)
    saver = saved.saver
    variables = None if saver is None else {key: copies.of(v) for key, v in saver._variables.items()}
    return Saver(variables, allow_empty=True)


class _Copies:
    """Copies of operations in another graph. A variable's copy has the same place in a session as the variable."""

    def __init__(self, graph: Graph, scope: str | None, clear_devices: bool) -> None:
        self.graph = graph
        self._prefix = f"{scope.rstrip('/')}/" if scope else ""
        self._clear = clear_devices
        self._ops: dict[Operation, Operation] = {}
        self._variables: dict[Any, Any] = {}

    def of(self, item: Any) -> Any:
        """What stands in the new graph for a tensor, operation or variable; anything else is itself."""
        if isinstance(item, Tensor):
            op = self._ops.get(item.op)
            return item if op is None else op.outputs[item.value_index]
        if isinstance(item, Operation):
            return self._ops.get(item, item)
        if isinstance(item, Variable):
            return self._variables.get(item, item)
        if isinstance(item, list):
            return [self.of(entry) for entry in item]
        return item

    def add(self, op: Operation) -> None:
        """Copy one operation, whose inputs are there."""
        if op.block is not None:
            return  # it runs with the operation that has the block
        name = self._prefix + op.name
        if name in self.graph._operations:
            raise ValueError(f"import_meta_graph: the graph has an operation {name!r} already")
        attributes = dict(op.attributes)
        if op.type == GRADIENT:
            for key in ("ys", "xs", "grad_ys"):
                attributes[key] = self.of(attributes[key])
        if "reads" in attributes:
            attributes["reads"] = [self.of(variable) for variable in attributes["reads"]]
        results = [(tensor.dtype, tensor.shape) for tensor in op.outputs]
        with self.graph.name_scope(None), self.graph.control_dependencies(None):
            self.graph.unique_name(name)
            made = self.graph.create_op(
                op.type,
                [self.of(tensor) for tensor in op.inputs],
                results,
                op.function,
                bind=op.bind,
                name=name + "/",
                control_inputs=[self.of(other) for other in op.control_inputs if other in self._ops],
                writes=[self._variable(variable) for variable in op.writes],
                attributes=attributes,
            )
        if op.device and not self._clear:
            made.device = op.device
        self._ops[op] = made
        if "variable" in attributes:
            variable = self._variable(attributes["variable"])
            attributes["variable"] = variable
            variable.op, variable._tensor = made, made.outputs[0]
            self.graph.variables_by_op[made] = variable
            self._names(variable)

    def _variable(self, variable: Any) -> Any:
        copied = self._variables.get(variable)
        if copied is None:
            copied = self._variables[variable] = object.__new__(Variable)
            vars(copied).update(vars(variable))
        return copied

    def _names(self, variable: Any) -> None:
        from .variable_scope import _store

        _store(self.graph).variables.setdefault(variable.op.name, variable)

    def add_collections(self, collections: dict[Any, list[Any]]) -> None:
        """Copy the collections, and what is left of the variables."""
        for old, copied in self._variables.items():
            copied._initial = self.of(old._initial)
            copied.initializer = self.of(old.initializer)
        for name, items in collections.items():
            for item in items:
                self.graph.add_to_collection(name, self.of(item))


def convert_variables_to_constants(*args: Any, **options: Any) -> Any:
    """Not available: graphs can't be written to files."""
    raise NotImplementedError(
        "convert_variables_to_constants: graphs hold Python functions and can't be written to files; save the variables with "
        "tf.train.Saver"
    )


def import_graph_def(graph_def: Any, *args: Any, **options: Any) -> Any:
    """Not available: see :class:`GraphDef`."""
    raise NotImplementedError(
        "import_graph_def: operations hold Python functions, so graphs can't be read from files; make the graph with the "
        "program's own code"
    )
