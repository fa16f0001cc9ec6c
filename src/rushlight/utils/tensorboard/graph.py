"""The picture that TensorBoard shows of a model: what one forward pass calls, in the boxes of the modules that call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...core.tensor import Tensor
from ..event_file import _bytes, _int

_PRODUCER: Final = 22  # of the graph's format, as PyTorch writes it
_LONGEST: Final = 1024  # characters of the text that describes a node


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _shape(tensor: Tensor) -> bytes:
    return b"".join([_bytes(2, _int(1, size)) for size in tensor.shape])


class _Graph:
    """A ``GraphDef`` that grows; nodes are known by the tensors that they gave."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.lines: list[str] = []
        self.named: dict[int, str] = {}
        self.kept: list[Tensor] = []  # else a later tensor could get the id of one that is gone
        self.names: dict[str, int] = {}

    def name(self, wanted: str) -> str:
        """``wanted``, with a number behind where it is taken."""
        count = self.names.get(wanted, 0)
        self.names[wanted] = count + 1
        return wanted if count == 0 else f"{wanted}.{count}"

    def knows(self, tensor: Tensor, name: str) -> None:
        self.named[id(tensor)] = name
        self.kept.append(tensor)

    def add(
        self, name: str, kind: str, inputs: list[str], text: str = "", outputs: tuple[Tensor, ...] = ()
    ) -> None:
        self.lines.append(f"{name} = {kind}({', '.join(inputs)}) {text}".rstrip())
        attributes = [("attr", _text(2, text[:_LONGEST]))]
        if outputs:
            attributes.append(
                ("_output_shapes", _bytes(1, b"".join([_bytes(7, _shape(t)) for t in outputs])))
            )
        self.nodes.append(
            _text(1, name)
            + _text(2, kind)
            + b"".join([_text(3, each) for each in inputs])
            + b"".join([_bytes(5, _text(1, key) + _bytes(2, value)) for key, value in attributes])
        )

    def message(self) -> bytes:
        return b"".join([_bytes(1, node) for node in self.nodes]) + _bytes(4, _int(1, _PRODUCER))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _tensors(each)


def _scopes(model: Any) -> dict[str, str]:
    """Each module's box by its qualified name: ``Net/Sequential[layers]/Linear[0]``."""
    root = type(model).__name__
    kinds = dict(model.named_modules(remove_duplicate=False))
    scopes: dict[str, str] = {}
    for path in kinds:
        parts = path.split(".") if path else []
        boxes = [root]
        for depth, part in enumerate(parts):
            boxes.append(f"{type(kinds['.'.join(parts[: depth + 1])]).__name__}[{part}]")
        scopes[path] = "/".join(boxes)
    return scopes


def _called(func: Any) -> str:
    """The function's name as an operator's: ``aten::add`` for ``Tensor.__radd__``."""
    name = getattr(func, "__name__", type(func).__name__)
    if name in ("__get__", "__set__"):
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    plain = name.strip("_") if name.startswith("__") else name
    reflected = name.startswith("__r") and plain[1:] in ("add", "sub", "mul", "truediv", "matmul", "pow")
    return "aten::" + (plain[1:] if reflected else plain)


class _Pass:
    """A forward pass while it is watched: its graph, and the boxes of the modules that are at work, the innermost last."""

    def __init__(self, model: Any) -> None:
        self.graph, self.scopes = _Graph(), _scopes(model)
        self.stack = [self.scopes[""]]
        self.owners = {
            id(tensor): (tensor, self.scopes[path], name)
            for path, module in model.named_modules()
            for name, tensor in (*module._parameters.items(), *module._buffers.items())
            if tensor is not None
        }

    def begins_with(self, arguments: tuple[Any, ...]) -> None:
        for tensor in _tensors(arguments):
            name = self.graph.name("input/x")
            self.graph.knows(tensor, name)
            self.graph.add(name, "IO Node", [], outputs=(tensor,))

    def ends_with(self, result: Any) -> None:
        for tensor in _tensors(result):
            name = self.graph.name("output/output")
            self.graph.add(name, "IO Node", [self.source(tensor)], outputs=(tensor,))

    def source(self, tensor: Tensor) -> str:
        """The node that gave a tensor; for parameters, and what the model got elsewhere, one is made."""
        graph = self.graph
        known = graph.named.get(id(tensor))
        if known is None:
            if id(tensor) in self.owners:
                _, scope, leaf = self.owners[id(tensor)]
                known = graph.name(f"{scope}/{leaf}")
                graph.add(known, "prim::GetAttr", [], f"{{ name :  {leaf} }}", (tensor,))
            else:
                known = graph.name(f"{self.stack[-1]}/constant")
                graph.add(known, "prim::Constant", [], "{}", (tensor,))
            graph.knows(tensor, known)
        return known

    def note(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """A node for a call that gave tensors."""
        made = tuple(_tensors(result))
        if not made:
            return
        called = _called(func)
        inputs = [self.source(tensor) for tensor in _tensors((args, kwargs))]
        settings = [repr(each) for each in args if not tuple(_tensors(each))]
        settings += [f"{key} : {value!r}" for key, value in kwargs.items() if not tuple(_tensors(value))]
        name = self.graph.name(f"{self.stack[-1]}/{called.partition('::')[2]}")
        self.graph.add(name, called, inputs, "{" + ", ".join(settings) + "}", made)
        for tensor in made:
            self.graph.knows(tensor, name)

    def watch_modules(self, model: Any) -> list[Any]:
        """Hooks by which ``stack`` follows the modules' calls."""

        def enters(scope: str) -> Any:
            return lambda *_: self.stack.append(scope)

        def leaves(*_: Any) -> None:
            self.stack.pop()

        handles: list[Any] = []
        for path, module in model.named_modules():
            if path:
                handles.append(module.register_forward_pre_hook(enters(self.scopes[path])))
                handles.append(module.register_forward_hook(leaves, always_call=True))
        return handles


def graph_of(model: Any, inputs: Any) -> tuple[bytes, list[str]]:
    """The ``GraphDef`` message of one forward pass of ``model``, which runs in eval mode and without gradients; and a line of
    text for each node.

    ``inputs``: a tensor, or a tuple or list of the arguments. Raises ``TypeError`` where ``model`` is no module, and
    whatever the forward pass raises.
    """
    from ...autograd.grad_mode import no_grad
    from ...nn.module import Module
    from ...overrides import TorchFunctionMode

    if not isinstance(model, Module):
        raise TypeError(f"add_graph: expected a module, got {type(model).__name__}")
    watched = _Pass(model)

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            watched.note(func, args, kwargs or {}, result)
            return result

    arguments = (inputs,) if isinstance(inputs, Tensor | dict) else tuple(inputs or ())
    watched.begins_with(arguments)
    modes = [(module, module.training) for module in model.modules()]
    handles = watched.watch_modules(model)
    try:
        model.eval()
        with no_grad(), Watch():
            result = model(*arguments)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    watched.ends_with(result)
    return watched.graph.message(), watched.graph.lines
