"""A module whose ``forward`` is the code of a graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from ..core.tensor import Tensor
from ..nn.module import Module
from ..nn.parameter import Parameter
from ..serialization import save
from .codegen import CodeGen, PythonCode
from .graph import Graph
from .public_names import custom_builtins, looked_up, qualified_name

if TYPE_CHECKING:
    import os

    from ..utils._pytree import TreeSpec

__all__ = ["GraphModule", "reduce_graph_module"]

_HOOK_TABLES = "_replace_hooks", "_create_node_hooks", "_erase_node_hooks", "_deepcopy_hooks"
_codes = 0


class PyTreeCodeGen(CodeGen):
    """Writes functions whose inputs and output are trees of values: the graph has their leaves."""

    def __init__(self, names: list[str], in_spec: TreeSpec, out_spec: TreeSpec | None = None) -> None:
        super().__init__()
        self.names, self.in_spec, self.out_spec = names, in_spec, out_spec

    @property
    def pytree_info(self) -> tuple[list[str], TreeSpec, TreeSpec | None]:
        """The names of the inputs, and the structures of inputs and output."""
        return self.names, self.in_spec, self.out_spec

    def process_inputs(self, *inputs: Any) -> Any:
        """The leaves of the inputs."""
        from ._pytree import tree_flatten_spec

        return tree_flatten_spec(inputs, self.in_spec)

    def process_outputs(self, out: Any) -> Any:
        """The tree of the output."""
        from ..utils._pytree import tree_unflatten

        return tree_unflatten(out, self.out_spec) if self.out_spec is not None else out

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str, **options: Any) -> str:
        """The line ``def``, and one that takes the leaves out of the inputs."""
        definition = super().gen_fn_def(list(self.names), maybe_return_annotation)
        leaves = [name.partition(":")[0].partition("=")[0].strip() for name in free_vars]
        if not leaves:
            return definition
        # The leaf's default is the input's.
        defaults = {name: name.partition("=")[2].strip() for name in free_vars if "=" in name}
        parameters = list(self.names)
        if len(parameters) == len(free_vars):
            parameters = [
                f"{name} = {defaults[leaf]}" if leaf in defaults else name
                for name, leaf in zip(parameters, free_vars, strict=True)
            ]
            definition = super().gen_fn_def(parameters, maybe_return_annotation)
        return f"{definition}\n    {', '.join(leaves)}, = fx_pytree.tree_flatten_spec([{', '.join(self.names)}], self._in_spec)"

    def generate_output(self, output_args: Any, **options: Any) -> str:
        """The line that returns the tree."""
        if self.out_spec is None:
            return super().generate_output(output_args)
        return f"return pytree.tree_unflatten({output_args!r}, self._out_spec)"


_PyTreeCodeGen = PyTreeCodeGen


class _CodeOnlyModule(Module):
    """A module with the attributes of another one and nothing else."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__ = body


def _function_from(source: str, names: dict[str, Any], name: str = "forward") -> Any:
    """The function ``name`` that ``source`` defines; tracebacks show its lines."""
    global _codes
    import linecache

    _codes += 1
    key = f"<eval_with_key>.{_codes}"
    linecache.cache[key] = len(source), None, source.splitlines(keepends=True), key
    space = dict(names)
    space["__file__"] = key
    exec(compile(source, key, "exec", dont_inherit=True), space)
    function = space[name]
    del space[name]
    return function


def _forward_from_src(src: str, globals: dict[str, Any], co_fields: Any = None) -> Any:
    return _function_from(src, globals)


def _get_attr(model: Any, attr_name: str) -> Any:
    value = model
    for part in attr_name.split("."):
        value = getattr(value, part)
    return value


def _has_attr(model: Any, attr_name: str) -> bool:
    value = model
    for part in attr_name.split("."):
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True


def _del_attr(model: Any, attr_name: str) -> None:
    path, _, leaf = attr_name.rpartition(".")
    delattr(_get_attr(model, path) if path else model, leaf)


def _copy_attr(source: Any, goal: Any, target: str) -> None:
    """Give ``goal`` what ``source`` has at the dotted path; empty modules on the way."""
    *prefix, leaf = target.split(".")
    for part in prefix:
        child, there = getattr(source, part), getattr(goal, part, None)
        if child is there:
            return
        if there is None:
            there = Module()
            setattr(goal, part, there)
        source, goal = child, there
    value = getattr(source, leaf)
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        persistent = leaf not in getattr(source, "_non_persistent_buffers_set", ())
        if hasattr(goal, leaf):
            setattr(goal, leaf, value)
        else:
            goal.register_buffer(leaf, value, persistent)
    else:
        setattr(goal, leaf, value)


def _assign_attr(value: Any, goal: Any, target: str) -> None:
    *prefix, leaf = target.split(".")
    for part in prefix:
        there = getattr(goal, part, None)
        if there is None:
            there = Module()
            setattr(goal, part, there)
        goal = there
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        goal.register_buffer(leaf, value)
    else:
        setattr(goal, leaf, value)


class GraphModule(Module):
    """A module that runs ``graph``. It has those attributes of ``root`` that the graph uses (of a module, or of a dict of
    dotted names), and its ``code`` is Python. After changing the graph call ``recompile()``, or assign ``graph``.

    Each instance has a class of its own, named ``class_name``. ``RuntimeError`` for other roots and missing attributes.

    Example:
        >>> import rushlight as torch
        >>> traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh()))
        >>> for node in traced.graph.nodes:
        ...     if node.op == "call_module" and isinstance(traced.get_submodule(node.target), torch.nn.Tanh):
        ...         node.replace_all_uses_with(node.args[0])
        ...         traced.graph.erase_node(node)
        [output]
        >>> _ = traced.recompile()
        >>> traced(torch.tensor([-1.0, 5.0]))
        tensor([0., 5.])
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        for base in cls.__mro__:
            base_name = base.__qualname__.rpartition(".")[2]
            if base_name != "GraphModuleImpl":
                return super().__new__(type("GraphModuleImpl", (base,), {"__module__": __name__}))
        raise AssertionError("no class but GraphModuleImpl")  # pragma: no cover

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        targets = [node.target for node in graph.nodes if node.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            if hasattr(root, "training"):
                self.training = root.training
            for target in targets:
                if not isinstance(target, str):
                    raise AssertionError(f"target must be a str, got {type(target)}")
                _copy_attr(root, self, target)
        elif isinstance(root, dict):
            for target in targets:
                if target not in root:
                    raise RuntimeError(
                        f"Node referenced target {target} but that target was not provided in ``root``!"
                    )
            for target in sorted(dict.fromkeys(targets), key=lambda path: path.count(".")):
                _assign_attr(root[target], self, target)
        else:
            raise RuntimeError("Unsupported type " + str(root) + " passed for root!")
        for table in _HOOK_TABLES:
            self.__dict__[table] = []
        self.graph = graph
        self.meta: dict[str, Any] = {}
        if self.graph._tracer_cls and "<locals>" not in self.graph._tracer_cls.__qualname__:
            self._tracer_cls = self.graph._tracer_cls
        else:
            self.__dict__.setdefault("_tracer_cls", None)
        self._tracer_extras = self.graph._tracer_extras or {}
        self.shape_env = None

    # --- the graph ----------------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The graph; assigning another one compiles its code."""
        found: Graph = self.__dict__["_graph"]
        return found

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self.__dict__["_graph"] = g
        g.owning_module = self
        self.recompile()

    def __setattr__(self, name: str, value: Any) -> None:
        # A property: Module's own __setattr__ would take it for an ordinary attribute.
        if name == "graph":
            type(self).graph.fset(self, value)  # type: ignore[attr-defined]
        else:
            super().__setattr__(name, value)

    @property
    def code(self) -> str:
        """The Python code of ``forward``."""
        if "_code" not in self.__dict__:
            raise RuntimeError("Code has not been generated! Please report a bug to PyTorch")
        found: str = self.__dict__["_code"]
        return found

    def recompile(self) -> PythonCode:
        """Write the code of the graph as it is now, and run that from now on."""
        codegen = self.graph._codegen
        if isinstance(codegen, PyTreeCodeGen):
            self.__dict__["_in_spec"], self.__dict__["_out_spec"] = codegen.in_spec, codegen.out_spec
        python_code = self.graph.python_code(root_module="self")
        self.__dict__["_code"] = python_code.src
        cls: Any = type(self)
        cls.forward = _function_from(python_code.src, python_code.globals)
        return python_code

    def print_readable(
        self,
        print_output: bool = True,
        include_stride: bool = False,
        include_device: bool = False,
        colored: bool = False,
        **options: Any,
    ) -> str:
        """The code of this module and of the graph modules below it, as classes; printed unless ``print_output`` is False."""
        body = self.graph.python_code(root_module="self", verbose=True).src
        text = f"class {self._get_name()}(torch.nn.Module):\n" + _indented(body.strip(" \n"))
        for child in self.children():
            if hasattr(child, "print_readable"):
                text += "\n" + _indented(child.print_readable(print_output=False))
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        return "\n".join(
            [
                super().__repr__(),
                self.code,
                "# To see more debug info, please use `graph_module.print_readable()`",
            ]
        )

    # --- modules below ------------------------------------------------------------------------------------------------

    def add_submodule(self, target: str, m: Module) -> bool:
        """Put ``m`` at a dotted path, with empty modules on the way; False where something else is in the way."""
        *prefix, leaf = target.split(".")
        module: Module = self
        for part in prefix:
            child = getattr(module, part, None)
            if child is None:
                child = Module()
                setattr(module, part, child)
            if not isinstance(child, Module):
                return False
            module = child
        module.add_module(leaf, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take away the module at a dotted path; False where there is none."""
        path, _, leaf = target.rpartition(".")
        try:
            parent = self.get_submodule(path)
        except AttributeError:
            return False
        if not isinstance(getattr(parent, leaf, None), Module):
            return False
        delattr(parent, leaf)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take away the modules that no node calls or reads."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op not in ("call_module", "get_attr"):
                continue
            parts = node.target.split(".")
            used.update([".".join(parts[:count]) for count in range(1, len(parts) + 1)])
            if node.op == "call_module":
                try:
                    called = self.get_submodule(node.target)
                except AttributeError:
                    continue
                used.update([f"{node.target}.{name}" for name, _ in called.named_modules() if name])
        for name in [name for name, _ in self.named_modules()]:
            if name and name not in used:
                self.delete_submodule(name)

    # --- copies and files ---------------------------------------------------------------------------------------------

    def _attributes(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_graph"]
        return state

    def __reduce__(self) -> Any:
        python_code = self.graph.python_code(root_module="self")
        return reduce_graph_module, (self._attributes(), _import_block(python_code.globals))

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        import copy

        body = {name: value for name, value in self.__dict__.items() if name not in _HOOK_TABLES}
        holder = _CodeOnlyModule(copy.deepcopy(body, memo))
        result: GraphModule = GraphModule.__new__(type(self))
        memo[id(self)] = result
        graph = holder.__dict__["_graph"]
        GraphModule.__init__(result, holder, graph, type(self).__name__)
        for name, value in holder.__dict__.items():
            if name not in ("_graph", "_code"):
                if name in ("_parameters", "_buffers", "_modules"):
                    result.__dict__[name].update(value)
                else:
                    result.__dict__[name] = value
        result.meta = dict(getattr(self, "meta", {}))
        for hook in self.__dict__["_deepcopy_hooks"]:
            hook(result)
        return result

    def __copy__(self) -> GraphModule:
        result = _make_graph_module(self, self.graph, type(self).__name__)
        result.meta = dict(getattr(self, "meta", {}))
        return result

    def to_folder(self, folder: str | os.PathLike[str], module_name: str = "FxModule") -> None:
        """Write the module to a folder that Python can import: ``module.py`` with the class ``module_name``, ``state_dict.pt``
        with the values, and the modules that it calls."""
        from pathlib import Path

        place = Path(folder)
        place.mkdir(exist_ok=True)
        save(self.state_dict(), place / "state_dict.pt")
        names = self.graph.python_code(root_module="self").globals
        lines = ["import torch", *_import_block(names).split("\n"), "", ""]
        lines += [
            f"class {module_name}(torch.nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
        ]
        for name, module in self.named_children():
            save(module, place / f"{name}.pt")
            load = f"torch.load(r'{place / f'{name}.pt'}', weights_only=False)"
            lines.append(f"        setattr(self, {name!r}, {load})  # {_one_line(module)}")
        for kind in ("buffer", "parameter"):
            for name, value in getattr(self, f"_{kind}s").items():
                if value is not None:
                    empty = f"torch.empty({list(value.shape)}, dtype={value.dtype})"
                    made = f"torch.nn.Parameter({empty})" if kind == "parameter" else empty
                    lines.append(f"        self.register_{kind}({name!r}, {made})")
        lines.append(f"        self.load_state_dict(torch.load(r'{place / 'state_dict.pt'}'))")
        text = "\n".join(lines) + "\n\n" + _indented(self.code.strip("\n").rstrip(" "))
        (place / "module.py").write_text(text)
        (place / "__init__.py").write_text("from .module import *")

    # --- hooks --------------------------------------------------------------------------------------------------------

    def _register_replace_node_hook(self, f: Any) -> None:
        self.__dict__["_replace_hooks"].append(f)

    def _unregister_replace_node_hook(self, f: Any) -> None:
        self.__dict__["_replace_hooks"].remove(f)

    @contextmanager
    def _set_replace_hook(self, f: Any) -> Iterator[None]:
        self._register_replace_node_hook(f)
        try:
            yield
        finally:
            self._unregister_replace_node_hook(f)

    def _register_create_node_hook(self, f: Any) -> None:
        self.__dict__["_create_node_hooks"].append(f)

    def _unregister_create_node_hook(self, f: Any) -> None:
        self.__dict__["_create_node_hooks"].remove(f)

    def _register_erase_node_hook(self, f: Any) -> None:
        self.__dict__["_erase_node_hooks"].append(f)

    def _unregister_erase_node_hook(self, f: Any) -> None:
        self.__dict__["_erase_node_hooks"].remove(f)

    def _register_deepcopy_hook(self, f: Any) -> None:
        self.__dict__["_deepcopy_hooks"].append(f)

    def _unregister_deepcopy_hook(self, f: Any) -> None:
        self.__dict__["_deepcopy_hooks"].remove(f)


def _one_line(module: Any) -> str:
    return repr(module).replace("\r", " ").replace("\n", " ")


def _indented(text: str) -> str:
    return "\n".join([f"    {line}" if line.strip() else "" for line in text.split("\n")]) + "\n"


def _make_graph_module(
    root: Any, graph: Graph, class_name: str = "GraphModule", cls: Any = None
) -> GraphModule:
    made: GraphModule = (cls or GraphModule)(root, graph, class_name)
    return made


def _import_block(names: dict[str, Any]) -> str:
    """The lines that give generated code its names again."""
    known = custom_builtins()
    lines: set[str] = set()
    for name, thing in names.items():
        if name in known:
            lines.add(known[name][0])
            continue
        path = qualified_name(thing)
        module, _, leaf = path.rpartition(".")
        if module in ("", "builtins"):
            lines.add(f"from builtins import {path} as {name}")
        else:
            lines.add(
                f"from {module} import {leaf} as {name}" if leaf != name else f"from {module} import {leaf}"
            )
    return "\n".join(sorted(lines))


def reduce_graph_module(body: dict[str, Any], import_block: str) -> Module:
    """A :class:`GraphModule` from its attributes and its code: what unpickling calls. The code is traced again."""
    from ._symbolic_trace import Tracer

    # `import torch` in those lines is this library, whether or not the name is answered by it.
    names: dict[str, Any] = {}
    root = sys.modules["rushlight"]
    present = {name: thing for name, (_, thing) in custom_builtins().items()}
    for line in import_block.split("\n"):
        _run_import(line, names, present, root)
    source: str = body["_code"]
    forward = _function_from(source, {**present, **names})
    tracer_cls = body.get("_tracer_cls") or Tracer
    graphmodule_cls = body.pop("_graphmodule_cls_name", None) or "GraphModule"

    class KeepModules(tracer_cls):  # type: ignore[misc, valid-type]
        """The code calls whole modules: none is followed."""

        def is_leaf_module(self, _: Any, __: str) -> bool:
            return True

    holder = _CodeOnlyModule(body)
    vars(_CodeOnlyModule)  # its forward is an attribute of the class of this one object
    kind: Any = type("_CodeOnlyModule", (_CodeOnlyModule,), {"forward": forward})
    holder.__class__ = kind
    graph = KeepModules(**(body.get("_tracer_extras") or {})).trace(holder)
    graph._tracer_cls = tracer_cls
    result = _make_graph_module(holder, graph, graphmodule_cls)
    for name, value in body.items():
        if not hasattr(result, name):
            setattr(result, name, value)
    result.training = body.get("training", True)
    return result


def _run_import(line: str, names: dict[str, Any], present: dict[str, Any], root: Any) -> None:
    if not line or line.rsplit(" ", maxsplit=1)[-1] in present:
        return
    if line.startswith("from torch") and " import " in line:
        module, _, rest = line.removeprefix("from ").partition(" import ")
        leaf, _, name = rest.partition(" as ")
        found = looked_up(f"{module}.{leaf}")
        if found is not None:
            names[name or leaf] = found
            return
    exec(line, names)


def _print_readable(module: Any, module_name: str, print_output: bool = True, **options: Any) -> str:
    text: str = module.print_readable(print_output)
    return text
