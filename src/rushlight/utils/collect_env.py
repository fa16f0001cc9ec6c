"""What a report of a problem should say about the machine: ``python -m torch.utils.collect_env``."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

__all__ = ["get_env_info", "get_pretty_env_info", "main", "pretty_str"]


class SystemEnv(NamedTuple):
    """The facts, one a field; None where they are not known."""

    torch_version: str
    python_version: str
    python_platform: str
    os: str
    libc_version: str | None
    is_cuda_available: str
    nvidia_gpu_models: str | None
    cpu_info: str
    pip_packages: str


def get_env_info() -> SystemEnv:
    """The facts about this process and machine. Nothing is run or asked of a network.

    Example:
        >>> get_env_info().is_cuda_available in ("True", "False")
        True
    """
    import platform
    from importlib import metadata

    import rushlight

    libc = "-".join([part for part in platform.libc_ver() if part]) or None
    wanted = ("numpy", "llvmlite", "scipy", "ml_dtypes", "threadpoolctl", "cupy", "rushlight")
    packages = sorted(
        {
            f"{name}=={found.version}"
            for found in metadata.distributions()
            if (name := (found.metadata["Name"] or "")) and name.lower().startswith(wanted)
        }
    )
    available = rushlight.cuda.is_available()
    return SystemEnv(
        rushlight.__version__,
        f"{sys.version} ({64 if sys.maxsize > 2**32 else 32}-bit runtime)".replace("\n", ""),
        platform.platform(),
        f"{platform.system()} {platform.release()}",
        libc,
        str(available),
        rushlight.cuda.get_device_name() if available else None,
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} logical",
        "\n".join(packages),
    )


def pretty_str(envinfo: SystemEnv) -> str:
    """The facts as text."""
    lines = [
        f"PyTorch version: {envinfo.torch_version}",
        "",
        f"OS: {envinfo.os}",
        f"Libc version: {envinfo.libc_version or 'N/A'}",
        "",
        f"Python version: {envinfo.python_version}",
        f"Python platform: {envinfo.python_platform}",
        f"Is CUDA available: {envinfo.is_cuda_available}",
        f"GPU models and configuration: {envinfo.nvidia_gpu_models or 'Could not collect'}",
        "",
        f"CPU: {envinfo.cpu_info}",
        "",
        "Versions of relevant libraries:",
        *[f"[pip3] {package}" for package in envinfo.pip_packages.split("\n")],
    ]
    return "\n".join(lines)


def get_pretty_env_info() -> str:
    """The facts about this process and machine, as text.

    Example:
        >>> get_pretty_env_info().startswith("PyTorch version: ")
        True
    """
    return pretty_str(get_env_info())


def main() -> None:
    """Print the facts."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
