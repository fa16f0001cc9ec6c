"""Names that a module gives only when a program asks for them, and the error for public names that are not there.

PyTorch is larger than Rushlight. A program that uses a part that is not here should learn which, and what to use
instead, in place of a bare ``AttributeError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

# How a program writes the names of a package; the longest prefix decides.
_SPOKEN: Final = {
    "rushlight.compat.tensorflow": "tensorflow",
    "rushlight.compat.functorch": "functorch",
    "rushlight.vision": "torchvision",
    "rushlight": "torch",
}

# What to use instead, where the nearest spelling would mislead.
INSTEAD: Final = {
    "torch.sparse_bsr": "torch.sparse_csr (there are no sparse tensors of blocks)",
    "torch.sparse_bsc": "torch.sparse_csc (there are no sparse tensors of blocks)",
    "torch.quantization": "float32, or torch.autocast for bfloat16",
    "torch.ao": "float32, or torch.autocast for bfloat16",
    "torch.export": "torch.compile(fn, fullgraph=True)",
    "torch.onnx": "torch.save and torch.load, or safetensors",
    "torch.package": "torch.save and torch.load",
    "torch.symeig": "torch.linalg.eigh",
    "torch.eig": "torch.linalg.eig",
    "torch.lstsq": "torch.linalg.lstsq",
    "torch.solve": "torch.linalg.solve",
    "torch.matrix_rank": "torch.linalg.matrix_rank",
    "torch.Tensor.chalf": "torch.Tensor.to(torch.complex64)",
    "torch.Tensor.eig": "torch.linalg.eig",
    "torch.Tensor.symeig": "torch.linalg.eigh",
    "torch.Tensor.lstsq": "torch.linalg.lstsq",
    "torch.Tensor.solve": "torch.linalg.solve",
    "torch.Tensor.to_mkldnn": "torch.compile",
}
# Methods and properties of PyTorch's tensors that are not here.
MISSING_METHODS: Final = (
    "chalf", "const_data_ptr", "dequantize", "eig", "int_repr", "ipu", "lstsq", "module_load",
    "mtia", "q_per_channel_axis", "q_per_channel_scales", "q_per_channel_zero_points", "q_scale", "q_zero_point", "qscheme",
    "record_stream", "reinforce", "resize", "resize_as", "resize_as_sparse_", "slice_inverse", "solve", "storage_type",
    "symeig", "to_mkldnn", "to_padded_tensor", "xpu",
)  # fmt: skip
# Whole families, by how their names begin.
_FAMILIES: Final = (
    ("torch.quantize", "float32 tensors, or torch.autocast for bfloat16: there is no quantization"),
    ("torch.fake_quantize", "float32 tensors, or torch.autocast for bfloat16: there is no quantization"),
    ("torch.fbgemm", "torch.nn.functional.linear"),
    ("torch.cudnn_", "the function of nn.functional without this prefix"),
    ("torch.mkldnn_", "the function of nn.functional without this prefix"),
    ("torch.miopen_", "the function of nn.functional without this prefix"),
    ("torch.float4", "torch.bfloat16"),
)

# The modules that `from torch.nn import *` and the like give.
_PARTS: Final = {
    "rushlight.nn": "attention common_types functional grad init intrinsic modules parallel parameter qat quantized utils",
    "rushlight.nn.utils": "parametrizations parametrize rnn stateless",
    "rushlight.optim": "lr_scheduler swa_utils",
    "rushlight.utils": "checkpoint data dlpack hooks",
    "rushlight.signal": "windows",
    "rushlight.cuda": "amp nvtx random",
    "rushlight.distributed": "algorithms device_mesh distributed_c10d",
    "rushlight.backends": "cpu cuda cudnn mha mkl mkldnn mps openmp opt_einsum quantized",
}
_OF_PYTHON: Final = ("typing", "collections.abc", "contextlib", "enum")


class MissingNameError(NotImplementedError, AttributeError):
    """A public name that PyTorch may have and Rushlight does not.

    An ``AttributeError`` too, so that ``hasattr`` and ``getattr`` with a default work as for any module.

    Example:
        >>> import rushlight as torch
        >>> hasattr(torch, "quantize_per_tensor")
        False
        >>> torch.sofmax
        Traceback (most recent call last):
            ...
        rushlight.missing.MissingNameError: torch.sofmax: Rushlight does not have it; nearest: torch.softmax, torch.fmax
    """

    def __init__(self, module: str, missing: str, known: list[str]) -> None:
        super().__init__(module, missing)
        self.module, self.missing, self._known = module, missing, known
        # Said here, Python does not fill them in and add a "Did you mean" of its own to the names that the message has.
        self.name, self.obj = missing, None

    def __reduce__(self) -> Any:
        return MissingNameError, (self.module, self.missing, self._known)

    def __str__(self) -> str:
        # Made only when somebody reads it: hasattr() asks often and throws the error away.
        name = f"{spoken(self.module)}.{self.missing}"
        alternative = nearest(name, self._known)
        return f"{name}: Rushlight does not have it" + (f"; nearest: {alternative}" if alternative else "")


def spoken(module: str) -> str:
    """A module's name as programs write it: ``torch.nn`` for ``rushlight.nn``.

    Example:
        >>> spoken("rushlight.vision.models")
        'torchvision.models'
    """
    for prefix, name in _SPOKEN.items():
        if module == prefix or module.startswith(prefix + "."):
            return name + module[len(prefix) :]
    return module


def nearest(name: str, known: list[str]) -> str:
    """What to use in place of the dotted ``name``: a stated alternative, else the most similar of ``known`` names
    of its module; empty where nothing is near.

    Example:
        >>> nearest("torch.symeig", [])
        'torch.linalg.eigh'
        >>> nearest("torch.nn.BatchNorm2", ["BatchNorm1d", "BatchNorm2d", "Linear"])
        'torch.nn.BatchNorm2d, torch.nn.BatchNorm1d'
    """
    if name in INSTEAD:
        return INSTEAD[name]
    for beginning, alternative in _FAMILIES:
        if name.startswith(beginning):
            return alternative
    import difflib

    module, _, leaf = name.rpartition(".")
    by_lower: dict[str, str] = {}
    for entry in known:
        if not entry.startswith("_"):
            by_lower.setdefault(entry.lower(), entry)
    close = difflib.get_close_matches(leaf.lower(), by_lower, n=2, cutoff=0.72)
    return ", ".join(f"{module}.{by_lower[entry]}" for entry in close)


def lazily(
    module: str,
    names: Mapping[str, str] | None = None,
    directory: Callable[[], list[str]] | None = None,
) -> Callable[[str], Any]:
    """A module's ``__getattr__``: gives the names of the table, and raises ``MissingNameError`` for other public names.

    ``names`` maps a name to the module (relative to ``module``) that it is, or, after a colon, to an attribute of one:
    ``{"distributed": ".distributed", "compile": ".jit.compile:compile"}``. What was found is kept in the module.
    Of a module with ``directory``, its ``__dir__``, ``import *`` gives what that lists, and the table's attributes of modules.
    """
    table = dict(names or {})

    def attribute(name: str) -> Any:
        import sys
        from importlib import import_module

        if name == "__all__":
            attributes = [each for each, place in table.items() if ":" in place]
            return exported(module, table if directory is None else [*directory(), *attributes])
        place = table.get(name)
        if place is not None:
            source, _, attribute = place.partition(":")
            found: Any = import_module(source, module)
            if attribute:
                found = getattr(found, attribute)
            setattr(sys.modules[module], name, found)
            return found
        # Tools ask modules for private and special names all the time; those need no advice. PyTorch's private modules are
        # there without an import of their own.
        if name.startswith("_"):
            if not name.startswith("__") and (part := _private_part(module, name)) is not None:
                return part
            raise AttributeError(
                f"module {module!r} has no attribute {name!r}", name=name, obj=sys.modules[module]
            )
        # PyTorch's parts are there without an import of their own. The root's table says which of its parts are public.
        if "." in module and hasattr(sys.modules[module], "__path__"):
            from importlib.util import find_spec

            if find_spec(f"{module}.{name}") is not None:
                return import_module(f"{module}.{name}")
        from .absent_modules import absent_module

        if (stand_in := absent_module(f"{module}.{name}")) is not None:
            return stand_in
        raise MissingNameError(module, name, [*vars(sys.modules[module]), *table])

    return attribute


def _private_part(module: str, name: str) -> Any:
    """The module ``name`` of the package ``module``, or what stands for it; None where there is neither."""
    import sys
    from importlib import import_module
    from importlib.util import find_spec

    if (
        "." in module
        and hasattr(sys.modules[module], "__path__")
        and find_spec(f"{module}.{name}") is not None
    ):
        return import_module(f"{module}.{name}")
    from .absent_modules import absent_module

    return absent_module(f"{module}.{name}")


def exported(module: str, listed: Iterable[str]) -> list[str]:
    """What ``from module import *`` gives: the public names of the module and of ``listed``, without the modules that lie
    in it, which would take the place of a program's variables (``optimizer``, ``loss``, ``random``), but for those that
    PyTorch gives too.

    Example:
        >>> import rushlight
        >>> {"optimizer", "lr_scheduler", "SGD"} & set(exported("rushlight.optim", ()))  == {"lr_scheduler", "SGD"}
        True
    """
    import sys
    from types import ModuleType

    own = vars(sys.modules[module])
    parts = _PARTS.get(module, "").split()
    names = [
        name
        for name in {*own, *listed, *parts}
        if name in parts
        or not (
            name.startswith("_")
            or isinstance(own.get(name), ModuleType)
            or getattr(own.get(name), "__module__", module) in _OF_PYTHON
            or name in ("annotations", "TYPE_CHECKING")
        )
    ]
    return sorted(names)


def on_first_use(
    module: str, listed: Mapping[str, str], unlisted: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A module's ``__getattr__`` and ``__dir__``: two tables as for :func:`lazily`, of which ``dir()`` and ``import *`` give
    the names of the first as if they were there already."""

    def directory() -> list[str]:
        import sys

        return sorted({*vars(sys.modules[module]), *listed})

    return lazily(module, {**listed, **(unlisted or {})}, directory), directory


def explain_missing(*modules: Any) -> None:
    """Give each module that has none a ``__getattr__`` that raises :class:`MissingNameError`."""
    for module in modules:
        vars(module).setdefault("__getattr__", lazily(module.__name__))
