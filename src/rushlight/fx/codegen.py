"""From a graph to the Python code of a function."""

from __future__ import annotations

import enum
import types
import typing
from typing import TYPE_CHECKING, Any, Final

from .node import Node
from .public_names import _Namespace, custom_builtins, is_public, qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CodeGen", "PythonCode"]

# How Python writes the functions of ``operator``.
MAGIC_METHODS: Final = {
    "eq": "{} == {}", "ne": "{} != {}", "lt": "{} < {}", "gt": "{} > {}", "le": "{} <= {}", "ge": "{} >= {}",
    "pos": "+{}", "neg": "-{}", "invert": "~{}", "getitem": "{}[{}]",
    "add": "{} + {}", "mul": "{} * {}", "sub": "{} - {}", "truediv": "{} / {}", "floordiv": "{} // {}", "mod": "{} % {}",
    "pow": "{} ** {}", "lshift": "{} << {}", "rshift": "{} >> {}", "and_": "{} & {}", "or_": "{} | {}", "xor": "{} ^ {}",
    "matmul": "{} @ {}",
}  # fmt: skip
# The operators that also take a reflected operand (``2 - x``).
REFLECTED: Final = (
    "add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "lshift", "rshift", "and_", "or_", "xor", "matmul",
)  # fmt: skip
INPLACE_METHODS: Final = {
    "iadd": "{} += {}", "iand": "{} &= {}", "ifloordiv": "{} //= {}", "ilshift": "{} <<= {}", "imod": "{} %= {}",
    "imul": "{} *= {}", "imatmul": "{} @= {}", "ior": "{} |= {}", "ipow": "{} **= {}", "irshift": "{} >>= {}",
    "isub": "{} -= {}", "itruediv": "{} /= {}", "ixor": "{} ^= {}", "setitem": "{}[{}] = {}",
}  # fmt: skip


class PythonCode:
    """``src``: the text of a function. ``globals``: what the names in it stand for."""

    def __init__(self, src: str, globals: dict[str, Any]) -> None:
        self.src = src
        self.globals = globals

    def __repr__(self) -> str:
        return f"PythonCode(src={self.src!r}, globals={self.globals!r})"


def last_uses(nodes: Any) -> dict[Node, list[Node]]:
    """For each node, the nodes that nobody needs after it."""
    found: dict[Node, list[Node]] = {}
    seen: set[Node] = set()
    for user in reversed(nodes):
        for node in user._input_nodes:
            if node not in seen:
                seen.add(node)
                found.setdefault(user, []).append(node)
    return found


class CodeGen:
    """Writes the function of a graph. A subclass changes how the signature and the result look
    (``gen_fn_def``, ``generate_output``) and what a call's arguments become (``process_inputs``, ``process_outputs``)."""

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str, **options: Any) -> str:
        """The line ``def forward(self, ...):``."""
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        return f"def {self._func_name}({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any, **options: Any) -> str:
        """The line that returns the result."""
        return f"return {output_args!r}"

    def process_inputs(self, *args: Any) -> Any:
        """The graph's inputs from a call's arguments."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """What a call returns, from the graph's output."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Names that the code needs besides its own."""
        return []

    def _gen_python_code(
        self, nodes: Any, root_module: str, namespace: _Namespace, *, verbose: bool = False
    ) -> PythonCode:
        return _Writer(self, nodes, root_module, namespace).code(verbose)


class _Writer:
    """One text that is being written."""

    def __init__(self, codegen: CodeGen, nodes: Any, root_module: str, namespace: _Namespace) -> None:
        self._codegen, self._nodes, self._root, self._namespace = codegen, nodes, root_module, namespace
        self._globals: dict[str, Any] = {}
        self._wrapped: dict[str, None] = {}
        self._parameters: list[str] = []
        self._returns = ""
        self._body: list[str] = []

    def code(self, verbose: bool) -> PythonCode:
        for name, (_, thing) in custom_builtins().items():
            self._globals[name] = thing
        for name, thing in self._codegen.additional_globals():
            self._global(name, thing)
        released = last_uses(self._nodes)
        traces = _StackTraces() if verbose else None
        for node in self._nodes:
            if traces is not None:
                self._body.extend(traces.comment(node))
            self._write(node)
            self._release(node, released.get(node, []))
        if not self._body:
            self._body.append("pass\n")
        if self._codegen._body_transformer is not None:
            self._body = self._codegen._body_transformer(self._body)
        wraps = "\n".join([f'torch.fx._symbolic_trace.wrap("{name}")' for name in self._wrapped])
        definition = self._codegen.gen_fn_def(self._parameters, self._returns)
        lines = "".join(self._body).lstrip("\n").split("\n")
        body = "\n".join(["    " + line for line in lines])
        return PythonCode(f"\n{wraps}\n\n{definition}\n{body}", self._globals)

    def _global(self, hint: str, thing: Any) -> str:
        """How the code writes ``thing``: its public name, or one among the code's globals."""
        if is_public(thing, path := qualified_name(thing)) and path != "torch.device":
            return path
        name = hint.replace(".", "_")
        if self._globals.get(name, self) is thing:
            return name
        name = self._namespace.create_name(name, thing)
        self._globals[name] = thing
        return name

    def _type(self, kind: Any) -> str:
        if kind == ():
            return "()"
        if isinstance(kind, str):
            return repr(kind)
        name = _type_text(kind)
        origin = getattr(kind, "__origin__", None)
        if origin is not None:
            outer = _ORIGINS().get(origin, origin)
            written = self._global(_type_text(outer), outer)
            parts = getattr(kind, "__args__", ())
            if not parts:
                return written
            return f"{written}[{','.join([self._type(part) for part in parts])}]"
        return "..." if kind is ... else self._global(name, kind)

    def _value(self, value: Any) -> str:
        special = getattr(value, "_custom_fx_repr_fn", None)
        if callable(special):
            return str(special())
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            kind: Any = type(value)
            return (
                f"{self._global(_type_text(kind), kind)}({', '.join([self._value(part) for part in value])})"
            )
        if isinstance(value, tuple):
            inner = ", ".join([self._value(part) for part in value])
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if isinstance(value, list):
            return "[" + ", ".join([self._value(part) for part in value]) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join([f"{key!r}: {self._value(part)}" for key, part in value.items()]) + "}"
        if isinstance(value, slice):
            return f"slice({self._value(value.start)}, {self._value(value.stop)}, {self._value(value.step)})"
        if isinstance(value, enum.Enum):
            kind = type(value)
            return f"{self._global(kind.__name__, kind)}.{value.name}"
        if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
            name = qualified_name(value)
            return self._global(name, value)
        return repr(value)

    def _arguments(self, node: Node) -> str:
        parts = [self._value(value) for value in node.args]
        parts += [f"{name} = {self._value(value)}" for name, value in node.kwargs.items()]
        return ", ".join(parts)

    def _release(self, node: Node, unneeded: list[Node]) -> None:
        if node.op == "placeholder":
            return
        if node.op == "output":
            self._body.append("\n")
            return
        if not node.users:
            unneeded = [*unneeded, node]
        names = " = ".join([*map(repr, unneeded), "None"]) if unneeded else ""
        self._body.append(f";  {names}\n" if names else "\n")

    def _write(self, node: Node) -> None:
        body, name = self._body, repr(node)
        of_type = "" if node.type is None else f" : {self._type(node.type)}"
        if node.op == "placeholder":
            default = f" = {self._value(node.args[0])}" if node.args else ""
            self._parameters.append(f"{node.target}{of_type}{default}")
            if (raw := node.target.replace("*", "")) != name:
                body.append(f"{name} = {raw}\n")
        elif node.op == "get_attr":
            body.append(f"{name}{of_type} = {attribute_path(self._root, node.target)}")
        elif node.op == "call_method":
            rest = Node.__new__(Node)
            rest._args, rest._kwargs = node.args[1:], node.kwargs
            owner = self._value(node.args[0])
            if not isinstance(node.args[0], Node):
                owner = f"({owner})"
            body.append(f"{name}{of_type} = {owner}.{node.target}({self._arguments(rest)})")
        elif node.op == "call_module":
            path = attribute_path(self._root, node.target)
            body.append(f"{name}{of_type} = {path}({self._arguments(node)})")
        elif node.op == "call_function":
            self._write_call(node, name, of_type)
        elif node.op == "output":
            if node.type is not None:
                self._returns = f" -> {self._type(node.type)}"
            body.append(self._codegen.generate_output(_Written(self, node.args[0])))
        else:
            raise NotImplementedError(f"node: {node.op} {node.target}")

    def _write_call(self, node: Node, name: str, of_type: str) -> None:
        target = node.target
        if getattr(target, "__module__", None) == "_operator" and not node.kwargs:
            plain = target.__name__
            if plain in MAGIC_METHODS:
                operands = [self._value(value) for value in node.args]
                if plain == "pow" and operands[0].startswith("-"):  # -3 ** x is not (-3) ** x
                    operands[0] = f"({operands[0]})"
                self._body.append(f"{name}{of_type} = {MAGIC_METHODS[plain].format(*operands)}")
                return
            if plain in INPLACE_METHODS:
                operands = [self._value(value) for value in node.args]
                statement = INPLACE_METHODS[plain].format(*operands)
                self._body.append(f"{statement};  {name}{of_type} = {operands[0]}")
                return
        called = self._global(qualified_name(target), target)
        args = node.args
        if (
            called == "getattr"
            and len(args) == 2
            and isinstance(args[1], str)
            and args[1].isidentifier()
            and isinstance(args[0], Node)
        ):
            self._body.append(f"{name}{of_type} = {attribute_path(self._value(args[0]), args[1])}")
            return
        self._body.append(f"{name}{of_type} = {called}({self._arguments(node)})")
        if node.meta.get("is_wrapped", False):
            self._wrapped.setdefault(called)


class _Written:
    """A value whose ``repr`` is how the code writes it: what ``generate_output`` of subclasses shows."""

    def __init__(self, writer: _Writer, value: Any) -> None:
        self._writer, self._value = writer, value

    def __repr__(self) -> str:
        return self._writer._value(self._value)

    def __getitem__(self, place: Any) -> Any:
        return _Written(self._writer, self._value[place])

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Any:
        return iter([_Written(self._writer, part) for part in self._value])


def attribute_path(root: str, target: str) -> str:
    """``root.a.b``; parts that are no names go through ``getattr``.

    Example:
        >>> attribute_path("self", "layers.0")
        'getattr(self.layers, "0")'
    """
    text = root
    for part in target.split("."):
        text = f"{text}.{part}" if part.isidentifier() else f'getattr({text}, "{part}")'
    return text


def _type_text(kind: Any) -> str:
    from .node import type_name

    if getattr(kind, "__module__", None) == "typing" and (name := getattr(kind, "_name", None)):
        return f"typing.{name}"
    return type_name(kind)


def _ORIGINS() -> dict[Any, Any]:
    return {types.UnionType: typing.Union}


class _StackTraces:
    """The comments between the lines of a printed graph: where the calls come from."""

    def __init__(self) -> None:
        self._last: Any = ""

    def comment(self, node: Node) -> list[str]:
        if node.op in ("placeholder", "output") or node.stack_trace == self._last:
            return []
        self._last = node.stack_trace
        if not node.stack_trace:
            return ["\n# No stacktrace found for following nodes\n"]
        lines = [line.strip() for line in node.stack_trace.strip().split("\n")]
        return ["\n# " + ", code: ".join(lines[-2:]) + "\n"]
