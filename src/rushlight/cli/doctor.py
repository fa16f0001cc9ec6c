"""``rushlight doctor``: what this installation consists of, and what it may use of the machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from rushlight.cli import complain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USAGE = """\
usage: rushlight doctor [--json]
       rushlight doctor --coverage PROGRAM [--json]

Shows versions, the processor, the BLAS that NumPy loaded, the threads that this process may use (affinity,
cgroup quota), and which optional parts are installed. Reads only; installs nothing.

With --coverage: which names of torch, torchvision and tensorflow PROGRAM uses, and which Rushlight lacks.
"""


class _Part(NamedTuple):
    """Something that Rushlight or its examples can use, and do without."""

    module: str
    purpose: str
    command: str


_PARTS = (
    _Part("sklearn", "the examples' real data", "pip install scikit-learn"),
    _Part("matplotlib", "the examples' pictures", "pip install matplotlib"),
    _Part("tqdm", "the examples' progress bars", "pip install tqdm"),
    _Part("rich", "the examples' tables", "pip install rich"),
    _Part("PIL", "pictures (rushlight.vision)", "pip install pillow"),
    _Part("safetensors", "the safetensors file format", "pip install safetensors"),
    _Part("torch", "PyTorch, to compare with", "pip install torch==2.13.0"),
    _Part("tensorboard", "logs for TensorBoard; not used yet", "pip install tensorboard"),
    _Part("cupy", "arrays on an NVIDIA GPU; not used yet", "pip install cupy-cuda13x"),
    _Part("mpi4py", "several processes (rushlight.distributed)", "pip install mpi4py mpich"),
)

# Distributions whose names differ from the modules that they install.
_DISTRIBUTIONS = {
    "PIL": ("pillow",),
    "sklearn": ("scikit-learn",),
    "cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
}


def main(arguments: Sequence[str]) -> int:
    """Print the report, as aligned text or (``--json``) as one JSON object; returns the exit code."""
    match list(arguments):
        case ["--coverage", *rest] | ["--json", "--coverage", *rest]:
            from rushlight.cli import doctor_coverage

            return doctor_coverage.main([*rest, *(["--json"] if arguments[0] == "--json" else [])])
        case []:
            print("\n".join(_as_text(report())))
        case ["--json"]:
            import json

            print(json.dumps(report(), indent=2))
        case ["-h" | "--help"]:
            print(USAGE, end="")
        case [*others]:
            return complain(
                "rushlight doctor",
                f"cannot use {' '.join(others)!r}",
                "it takes --json and --coverage PROGRAM",
            )
    return 0


def report() -> dict[str, Any]:
    """Everything that the command shows, as JSON types.

    Example:
        >>> sorted(report())
        ['blas', 'machine', 'optional', 'threads', 'versions']
    """
    return {
        "versions": _versions(),
        "machine": _machine(),
        "blas": _blas(),
        "threads": _threads(),
        "optional": [_optional(part) for part in _PARTS],
    }


def _versions() -> dict[str, str]:
    import platform

    import numpy

    from rushlight import version

    return {
        "rushlight": version.VERSION,
        "torch API": version.torch_api,
        "python": f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}",
        "numpy": numpy.__version__,
        "ml_dtypes": _installed_version("ml_dtypes") or "missing: pip install ml_dtypes",
        "threadpoolctl": _installed_version("threadpoolctl") or "missing: pip install threadpoolctl",
    }


def _machine() -> dict[str, str | list[str]]:
    import platform

    simd = _numpy_config("SIMD Extensions")
    return {
        "system": platform.platform(),
        "processor": _processor_name() or platform.processor() or platform.machine(),
        "numpy's baseline": list(simd.get("baseline", [])),
        "numpy's dispatch": list(simd.get("found", [])),
    }


def _numpy_config(section: str) -> dict[str, Any]:
    import numpy

    config: Any = numpy.show_config(mode="dicts")
    return dict(config.get(section, {})) if isinstance(config, dict) else {}


def _processor_name() -> str | None:
    """The processor's name for people, which only Linux has in a file."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return None


def _blas() -> list[dict[str, Any]]:
    """The BLAS libraries in this process; without threadpoolctl, the one that NumPy was built with."""
    try:
        import threadpoolctl
    except ModuleNotFoundError:
        built = _numpy_config("Build Dependencies").get("blas", {})
        return [
            {
                "name": built.get("name", "unknown"),
                "version": built.get("version", "unknown"),
                "source": "NumPy's build configuration",
            }
        ]
    return [
        {
            "name": library["internal_api"],
            "version": library["version"] or "unknown",
            "source": library["filepath"],
            "threads": library["num_threads"],
            "architecture": library.get("architecture", "unknown"),
        }
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]


def _threads() -> dict[str, int | float | None]:
    from rushlight.core.machine import processors

    found = processors()
    return {
        "logical processors": found.logical,
        "affinity": found.affinity,
        "cgroup quota": found.quota,
        "usable": found.usable,
    }


def _optional(part: _Part) -> dict[str, str | None]:
    return {
        "name": part.module,
        "version": _installed_version(part.module),
        "purpose": part.purpose,
        "command": part.command,
    }


def _installed_version(module: str) -> str | None:
    """A package's version without importing it (PyTorch takes seconds); None where it is not installed."""
    from importlib import metadata, util

    if util.find_spec(module) is None:
        return None
    for distribution in _DISTRIBUTIONS.get(module, (module,)):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "unknown version"


def _as_text(found: dict[str, Any]) -> Iterator[str]:
    yield from _table("Versions", found["versions"].items())
    yield from _table("Machine", ((name, _words(value)) for name, value in found["machine"].items()))
    for library in found["blas"]:
        yield from _table("BLAS", ((name, str(value)) for name, value in library.items()))
    if not found["blas"]:
        yield from _table("BLAS", [("name", "none found in this process")])
    yield from _table("Threads", ((name, _amount(value)) for name, value in found["threads"].items()))
    yield from _table(
        "Optional parts",
        (
            (
                part["name"],
                f"{part['version'] or 'missing':<18} {part['purpose']}"
                + ("" if part["version"] else f": {part['command']}"),
            )
            for part in found["optional"]
        ),
        last=True,
    )


def _table(title: str, rows: Any, *, last: bool = False) -> Iterator[str]:
    yield title
    for name, value in rows:
        yield f"  {name:<20}{value}".rstrip()
    if not last:
        yield ""


def _words(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " ".join(value) or "none"


def _amount(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
