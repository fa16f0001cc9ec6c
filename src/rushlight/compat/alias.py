"""``import torch`` and ``import tensorflow`` answered by Rushlight: the same module objects under other names.

A finder at the head of ``sys.meta_path`` maps ``torch`` and ``torch.anything`` to ``rushlight`` and
``rushlight.anything``, ``torchvision`` to ``rushlight.vision``, and
``tensorflow`` (and ``tensorflow.compat.v1``) to ``rushlight.compat.tensorflow`` in the same
way. Nothing is executed twice: ``torch.nn is rushlight.nn``.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from rushlight.core.tensor import Tensor

from . import standard_library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# The longest name that fits decides: tensorflow.compat.v1 is the whole of tensorflow again.
ALIASES: Final = {
    "tensorflow.compat.v1": "rushlight.compat.tensorflow",
    "tensorflow": "rushlight.compat.tensorflow",
    "functorch": "rushlight.compat.functorch",
    "torch": "rushlight",
    "torchvision": "rushlight.vision",
}
_SPAWN = "multiprocessing.spawn"
_TENSORS_OWN_MODULE: Final = Tensor.__module__


def install() -> None:
    """Make ``import torch`` and ``import tensorflow`` find Rushlight, here and in what multiprocessing starts.

    Calling it again changes nothing. Programs started in other ways (``subprocess``, ``os.exec*``) are not
    affected: start those with ``rushlight run``.

    Raises:
        RuntimeError: if PyTorch or TensorFlow itself is already imported. Its classes would then live beside
            Rushlight's, and a program that got some of each would fail far from the cause.

    Example (for a process of its own)::

        from rushlight.compat import alias
        alias.install()
        import torch.nn.functional as F  # rushlight.nn.functional
    """
    for alias, target in ALIASES.items():
        present = sys.modules.get(alias)
        if present is not None and present is not sys.modules.get(target):
            where = getattr(present, "__file__", None) or "an unknown place"
            raise RuntimeError(
                f"install: {alias!r} is already imported in this process, from {where}; "
                f"Rushlight can answer to that name only before the first `import {alias}`; "
                "call install() earlier or start the program with `rushlight run`"
            )
    if not is_installed():
        sys.meta_path.insert(0, _FINDER)
        standard_library.give_to_those_loaded()
        # Libraries choose what to do by the name of a tensor's module, and of the module that they got.
        Tensor.__module__ = sys.modules["rushlight"].__name__ = "torch"
        if _SPAWN in sys.modules:
            _hand_on_to_children(sys.modules[_SPAWN])


def uninstall() -> None:
    """Undo :func:`install`: later imports of those names find what is installed under them, if anything.

    Names that a program has already bound keep pointing at Rushlight.
    """
    if not is_installed():
        return
    sys.meta_path.remove(_FINDER)
    Tensor.__module__ = _TENSORS_OWN_MODULE
    sys.modules["rushlight"].__name__ = "rushlight"
    for name in [name for name in sys.modules if _is_alias(name)]:
        del sys.modules[name]


def is_installed() -> bool:
    """Whether ``import torch`` and ``import tensorflow`` are answered by Rushlight now."""
    return _FINDER in sys.meta_path


def _is_alias(name: str) -> bool:
    return name.partition(".")[0] in ALIASES


def _target_of(name: str) -> str:
    """Rushlight's own name for the module that an alias name stands for."""
    alias = next(alias for alias in ALIASES if name == alias or name.startswith(alias + "."))
    return ALIASES[alias] + name[len(alias) :]


def real_name(name: str) -> str:
    """The name of the module that answers to ``name``: ``rushlight.distributed.run`` for ``torch.distributed.run``.

    Example:
        >>> real_name("torch.distributed.run"), real_name("package.module")
        ('rushlight.distributed.run', 'package.module')
    """
    return _target_of(name) if _is_alias(name) else name


class _Finder:
    """The meta path finder: alias names become specs that load the target's module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if _is_alias(fullname):
            module = _find_target(fullname)
            # The import system asks a loader only for these two methods; importlib.abc, which has the base
            # class, is one more module to load.
            loader: Any = _Loader(module)
            spec = ModuleSpec(fullname, loader, origin=getattr(module, "__file__", None))
            if hasattr(module, "__path__"):
                spec.submodule_search_locations = list(module.__path__)
            return spec
        if fullname == _SPAWN:
            # Waiting for the program's own import of it keeps multiprocessing out of programs that do not use it.
            return standard_library.spec_followed_by(_hand_on_to_children, fullname, path)
        if fullname in standard_library.SUBMODULES:
            return standard_library.spec_that_gives(fullname, path)
        return None

    def find_distributions(self, context: Any = None) -> Iterator[Any]:
        """The packages that ``importlib.metadata`` should know: libraries ask it for the version of torch."""
        from .installed import distributions

        return distributions(getattr(context, "name", None))


_FINDER = _Finder()


class _Loader:
    """Hands the import system a module that is already loaded under its own name."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._own_spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec on the module; it must go on describing itself, or
        # relative imports, pickling and importlib.reload would take it for a module of another package.
        module.__spec__ = self._own_spec


def _find_target(fullname: str) -> ModuleType:
    """Import Rushlight's module for an alias name; a missing one is named as the program wrote it."""
    target = _target_of(fullname)
    if target in sys.modules:
        return sys.modules[target]
    try:
        return importlib.import_module(target)
    except ModuleNotFoundError as error:
        # Anything but the module itself or a parent of it is a real failure inside Rushlight: show that.
        if error.name is None or not (target + ".").startswith(error.name + "."):
            raise
    # Some namespaces are modules of their own in PyTorch and TensorFlow, and defined elsewhere in Rushlight.
    parent, _, leaf = target.rpartition(".")
    attribute = getattr(sys.modules.get(parent), leaf, None)
    if isinstance(attribute, ModuleType):
        return attribute
    from rushlight.absent_modules import absent_module

    absent = absent_module(target)
    if absent is not None:
        return absent
    message = f"No module named {fullname!r}: Rushlight does not have it"
    raise ModuleNotFoundError(message, name=fullname) from None


class _InstallWhenUnpickled:
    """Travels to a spawned process in the data that multiprocessing sends it before anything else."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return install, ()


def _hand_on_to_children(spawn: ModuleType) -> None:
    """Let processes that are spawned (or come from a fork server) install the alias too.

    Such a process imports the program anew, and so runs its ``import torch``, before any code of ours could
    run there. multiprocessing sends it a pickled dict first, and has no other hook.
    """
    original = spawn.get_preparation_data
    if original.__module__ == __name__:
        return  # install() after uninstall() finds the wrapper still in place

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = original(name)
        if is_installed():
            data["rushlight_alias"] = _InstallWhenUnpickled()
        return data

    vars(spawn)["get_preparation_data"] = get_preparation_data
