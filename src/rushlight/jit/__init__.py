"""Compilation: ``compile`` and what goes with it; and ``torch.jit``'s names, which are in ``scripting``."""

from ..missing import lazily as _lazily

_SCRIPTING = (
    "Attribute", "CompilationUnit", "Error", "Future", "ScriptFunction", "ScriptWarning", "TracerWarning",
    "TracingCheckError", "_get_trace_graph", "_overload", "_overload_method",
    "annotate", "enable_onednn_fusion", "export", "fork", "freeze", "fuser", "ignore", "interface", "is_scripting",
    "is_tracing", "isinstance", "load", "onednn_fusion_enabled", "optimize_for_inference", "optimized_execution", "save",
    "script", "script_if_tracing", "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait",
)  # fmt: skip

__getattr__ = _lazily(
    __name__,
    {
        "Final": "typing:Final",
        "RecursiveScriptModule": "rushlight.nn.scripted:ScriptModule",
        "ScriptModule": "rushlight.nn.scripted:ScriptModule",
        **{name: f".scripting:{name}" for name in _SCRIPTING},
    },
)
