"""``torch.xpu``, ``torch.mps`` and ``torch.mtia``: kinds of devices that are never there. Asking says so."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .missing import MissingNameError


class _Absent(ModuleType):
    """A kind of device of which there is none."""

    def __init__(self, name: str) -> None:
        super().__init__(f"rushlight.{name}", type(self).__doc__)
        self._kind = name
        sys.modules[self.__name__] = self

    def is_available(self) -> bool:
        """False."""
        return False

    def is_initialized(self) -> bool:
        """False."""
        return False

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        """False."""
        return False

    def device_count(self) -> int:
        """0."""
        return 0

    def empty_cache(self) -> None:
        """Nothing to do."""

    def manual_seed(self, seed: int) -> None:
        """Accepted: there is no generator to seed."""

    def manual_seed_all(self, seed: int) -> None:
        """Accepted: there is no generator to seed."""

    def memory_allocated(self, device: Any = None) -> int:
        """0."""
        return 0

    max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"torch.{self._kind}: there is no such device here; compute on the CPU")

    current_device = set_device = synchronize = current_stream = get_device_name = get_device_properties = (
        _refuse
    )
    get_rng_state = set_rng_state = get_rng_state_all = set_rng_state_all = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        raise MissingNameError(self.__name__, name, [*vars(self), *vars(type(self))])


xpu = _Absent("xpu")
mps = _Absent("mps")
mtia = _Absent("mtia")


def get_device_module(device: Any = None) -> Any:
    """The module for a device's kind: ``torch.cpu``, ``torch.cuda``. Raises ``RuntimeError`` for an unknown kind.

    Example:
        >>> get_device_module("cpu").__name__
        'rushlight.cpu'
    """
    from . import cpu, cuda
    from .core.device import device as Device

    if device is None:
        kind = "cuda" if cuda.is_available() else "cpu"
    else:
        kind = device.type if isinstance(device, Device) else Device(device).type
    modules = {"cpu": cpu, "cuda": cuda, "xpu": xpu, "mps": mps, "mtia": mtia}
    if kind not in modules:
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return modules[kind]
