"""``torch.__config__``: what the installation computes with, in words."""

from __future__ import annotations


def show() -> str:
    """The versions of what numbers are computed with."""
    import numpy as np

    from .version import api_version

    lines = [f"Rushlight {api_version}", f"  - NumPy {np.__version__}"]
    try:
        import llvmlite
    except ImportError:
        lines.append("  - no llvmlite: nothing is compiled")
    else:
        lines.append(f"  - llvmlite {llvmlite.__version__}")
    return "\n".join(lines) + "\n"


def parallel_info() -> str:
    """How many threads compute."""
    from .core.threads import get_num_interop_threads, get_num_threads

    return (
        f"Rushlight parallel info:\n\tat::get_num_threads() : {get_num_threads()}\n"
        f"\tat::get_num_interop_threads() : {get_num_interop_threads()}\n"
    )
