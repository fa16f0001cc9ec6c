"""NVRTC, NVIDIA's compiler for CUDA C, called directly: PTX of emitted kernels, for ``explain`` and for tests.

It needs no GPU and no driver, only ``libnvrtc``, which the wheel ``nvidia-cuda-nvrtc-cu12`` brings. Programs that run are
compiled through CuPy (``runtime.cuda_plan_engine``).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

ARCHITECTURE: Final = "compute_80"


@lru_cache(maxsize=1)
def _library() -> Any:
    """``libnvrtc``: the wheel's, else the system's; None where there is none."""
    places: list[str] = []
    try:
        spec = importlib.util.find_spec("nvidia.cuda_nvrtc")
    except ImportError:
        spec = None
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        lib = Path(folder) / "lib"
        # NVRTC opens its builtins by name: loaded before, they are found.
        for builtins in sorted(lib.glob("libnvrtc-builtins.so*")):
            try:
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            except OSError:
                continue
        places += [str(path) for path in sorted(lib.glob("libnvrtc.so*"))]
    system = ctypes.util.find_library("nvrtc")
    if system:
        places.append(system)
    for place in places:
        try:
            return ctypes.CDLL(place)
        except OSError:
            continue
    return None


def available() -> bool:
    """Whether there is a ``libnvrtc`` to compile with."""
    return _library() is not None


@lru_cache(maxsize=1)
def _quickly() -> tuple[bytes, ...]:
    """The option that leaves out optimization; none where this NVRTC (before CUDA 12.8) does not have it."""
    option = b"--Ofast-compile=max"
    try:
        _ptx('extern "C" __global__ void k() {}', "k", ARCHITECTURE, (option,))
    except RuntimeError:
        return ()
    return (option,)


def ptx(source: str, name: str = "kernel", architecture: str = ARCHITECTURE, quick: bool = False) -> str:
    """The PTX of a translation unit; with an architecture like ``sm_90`` it is assembled for that, too, as a check.

    ``quick``: without optimization, in a seventh of the time: to see whether NVRTC accepts it. ``RuntimeError`` with the
    kernel's name and NVRTC's messages if it is refused, or if there is no NVRTC.
    """
    return _ptx(source, name, architecture, _quickly() if quick else ())


def _ptx(source: str, name: str, architecture: str, more: tuple[bytes, ...]) -> str:
    library = _library()
    if library is None:
        raise RuntimeError(
            f"kernel {name}: there is no NVRTC to compile it; install it with pip install nvidia-cuda-nvrtc-cu12"
        )
    program = ctypes.c_void_p()
    made = library.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), f"{name}.cu".encode(), 0, None, None
    )
    if made:
        raise RuntimeError(f"kernel {name}: NVRTC can't make a program (error {made})")
    try:
        options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17", *more]
        failed = library.nvrtcCompileProgram(
            program, len(options), (ctypes.c_char_p * len(options))(*options)
        )
        if failed:
            log = _text(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program)
            raise RuntimeError(f"kernel {name}: NVRTC refused it (error {failed}). NVRTC says:\n{log}")
        return _text(library.nvrtcGetPTXSize, library.nvrtcGetPTX, program)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _text(size_of: Any, get: Any, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(max(1, size.value))
    get(program, buffer)
    return buffer.value.decode(errors="replace")
