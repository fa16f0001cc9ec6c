"""The compiler: graphs in, native plans out. Read ``pipeline`` first.

Programs know ``torch.compiler`` as the switches of ``torch.compile``; those are in ``rushlight.jit.compile``, found by name
when a program asks for one, because this layer knows nothing of that one.
"""

from ..missing import lazily as _lazily

_OF_COMPILE = ("compile", "disable", "get_default_backend", "is_compiling", "reset", "set_default_backend")
_ACCEPTED = (
    "allow_in_graph", "assume_constant_result", "cudagraph_mark_step_begin", "is_dynamo_compiling", "is_exporting",
    "list_backends",
)  # fmt: skip

__getattr__ = _lazily(
    __name__,
    {name: f"rushlight.jit.compile:{name}" for name in _OF_COMPILE}
    | {name: f"rushlight.jit.accepted:{name}" for name in _ACCEPTED}
    | {"set_stance": "rushlight.jit.stance:set_stance"},
)
