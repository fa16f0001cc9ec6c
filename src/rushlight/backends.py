"""``torch.backends``: switches that programs set. Those that have no meaning here are accepted and remembered."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from .missing import MissingNameError

__path__: list[str] = []  # `import torch.backends.cudnn` looks for a package; its modules are made below


class _Backend(ModuleType):
    """A named backend: whether it is there, and whatever options a program sets on it."""

    def __init__(self, name: str, available: bool, **options: Any) -> None:
        super().__init__(f"{__name__}.{name}", type(self).__doc__)
        self._available = available
        self.__dict__.update(options)
        sys.modules[self.__name__] = self

    def is_available(self) -> bool:
        """Whether this installation has the backend."""
        return self._available

    is_built = is_available

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        raise MissingNameError(self.__name__, name, [*vars(self), *vars(type(self))])

    def version(self) -> int | None:
        """The backend's version; None where it is not there."""
        return None

    @contextmanager
    def flags(self, **options: Any) -> Iterator[None]:
        """Set options in this block."""
        own = vars(self)
        before = {name: own[name] for name in options if name in own}
        self.__dict__.update(options)
        try:
            yield
        finally:
            for name in options:
                own.pop(name, None)
            own.update(before)


class _Products:
    """``torch.backends.cuda.matmul``: how exact products of float32 matrices are on a GPU."""

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True

    @property
    def allow_tf32(self) -> bool:
        """Whether the factors may be rounded to TF32, 10 bits of fraction: no unless a program says so."""
        from .settings import get_float32_matmul_precision

        return get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        from .settings import set_float32_matmul_precision

        set_float32_matmul_precision("high" if value else "highest")


class _Cuda(_Backend):
    """``torch.backends.cuda``. Attention is computed in one way; which ways a program allows is remembered."""

    matmul = _Products()

    def flash_sdp_enabled(self) -> bool:
        """Whether ``enable_flash_sdp`` allows it."""
        return bool(self.__dict__.get("_flash", True))

    def enable_flash_sdp(self, enabled: bool) -> None:
        """Remembered, without effect."""
        self.__dict__["_flash"] = enabled

    def mem_efficient_sdp_enabled(self) -> bool:
        """Whether ``enable_mem_efficient_sdp`` allows it."""
        return bool(self.__dict__.get("_mem_efficient", True))

    def enable_mem_efficient_sdp(self, enabled: bool) -> None:
        """Remembered, without effect."""
        self.__dict__["_mem_efficient"] = enabled

    def math_sdp_enabled(self) -> bool:
        """Whether ``enable_math_sdp`` allows it."""
        return bool(self.__dict__.get("_math", True))

    def enable_math_sdp(self, enabled: bool) -> None:
        """Remembered, without effect."""
        self.__dict__["_math"] = enabled

    def cudnn_sdp_enabled(self) -> bool:
        """Whether ``enable_cudnn_sdp`` allows it."""
        return bool(self.__dict__.get("_cudnn", True))

    def enable_cudnn_sdp(self, enabled: bool) -> None:
        """Remembered, without effect."""
        self.__dict__["_cudnn"] = enabled

    @contextmanager
    def sdp_kernel(
        self,
        enable_flash: bool = True,
        enable_math: bool = True,
        enable_mem_efficient: bool = True,
        enable_cudnn: bool = True,
    ) -> Iterator[None]:
        """Accepted, without effect."""
        with self.flags(
            _flash=enable_flash, _math=enable_math, _mem_efficient=enable_mem_efficient, _cudnn=enable_cudnn
        ):
            yield

    def is_built(self) -> bool:
        """Whether CuPy, through which GPUs are used, is installed."""
        from importlib.util import find_spec

        return find_spec("cupy") is not None


cudnn = _Backend("cudnn", False, enabled=True, benchmark=False, deterministic=False, allow_tf32=False)
cuda = _Cuda("cuda", False)
mps = _Backend("mps", False)


class verbose:
    """``with torch.backends.mkl.verbose(level):`` accepted; there is no MKL or oneDNN whose calls could be shown."""

    def __init__(self, enable: int) -> None:
        self.enable = enable

    def __enter__(self) -> verbose:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


mkl = _Backend("mkl", False, verbose=verbose, VERBOSE_OFF=0, VERBOSE_ON=1)
mkldnn = _Backend(
    "mkldnn", False, enabled=False, deterministic=False, verbose=verbose, VERBOSE_OFF=0, VERBOSE_ON=1, VERBOSE_ON_CREATION=2
)  # fmt: skip
openmp = _Backend("openmp", False)
opt_einsum = _Backend("opt_einsum", False, enabled=False, strategy=None)
quantized = _Backend("quantized", False, engine="none", supported_engines=["none"])
xnnpack = _Backend("xnnpack", False, enabled=False)


class _MultiHeadAttention(_Backend):
    """``torch.backends.mha``: whether PyTorch may take its fast path in evaluation; remembered, without effect."""

    def get_fastpath_enabled(self) -> bool:
        """What ``set_fastpath_enabled`` set last; true at first."""
        return bool(self.__dict__.get("_fastpath", True))

    def set_fastpath_enabled(self, value: bool) -> None:
        """Remembered, without effect."""
        self.__dict__["_fastpath"] = value


mha = _MultiHeadAttention("mha", False)


class _Cpu(_Backend):
    """``torch.backends.cpu``."""

    def get_cpu_capability(self) -> str:
        """``"DEFAULT"``: kernels are compiled for the processor that runs them, not chosen from a list."""
        return "DEFAULT"


cpu = _Cpu("cpu", True)


@contextmanager
def __allow_nonbracketed_mutation() -> Iterator[None]:
    """Accepted, without effect: options can always be set."""
    yield
