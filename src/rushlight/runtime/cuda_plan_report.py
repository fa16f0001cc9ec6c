"""What became of a graph on a GPU, as text: every line of the plan, and the kernels' CUDA C and PTX."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..compiler import cuda_nvrtc
from ..compiler.cuda_lines import CudaClear, CudaCopy, CudaLaunch, CudaProduct
from ..compiler.launch import HostLaunch
from .device_calls import where_computed


class Counts(NamedTuple):
    """How many lines of each kind a plan has, and how many different kernels. ``host_calls``: lines without a kernel, which
    call what eager mode calls."""

    launches: int
    products: int
    copies: int
    host_calls: int
    kernels: int


def counts(program: Any) -> Counts:
    """Of a ``CudaProgram``."""
    lines = program.launches
    launches = [line for line in lines if isinstance(line, CudaLaunch)]
    return Counts(
        len(launches),
        sum([isinstance(line, CudaProduct) for line in lines]),
        sum([isinstance(line, CudaCopy | CudaClear) for line in lines]),
        sum([isinstance(line, HostLaunch) for line in lines]),
        len({(line.source, line.name) for line in launches}),
    )


def cuda_source(program: Any) -> str:
    """The CUDA C of the program's kernels, each once, in the order of their first launch."""
    texts = [line.source for line in program.launches if isinstance(line, CudaLaunch)]
    return "\n".join(dict.fromkeys(texts))


def ptx(program: Any, architecture: str = cuda_nvrtc.ARCHITECTURE) -> str:
    """The PTX of the program's kernels. ``RuntimeError`` where there is no NVRTC."""
    kernels = dict.fromkeys(
        [(line.source, line.name) for line in program.launches if isinstance(line, CudaLaunch)]
    )
    return "\n".join([cuda_nvrtc.ptx(source, name, architecture) for source, name in kernels])


def report(program: Any, *, source: bool = False) -> str:
    """One line for each line of the plan; with ``source`` the kernels' CUDA C after them."""
    text = [_sizes(program)]
    for number, line in enumerate(program.launches):
        text.append(f"{number:4d}  {_described(line)}")
    if source:
        text += ["", cuda_source(program)]
    return "\n".join(text)


class PlacedLine(NamedTuple):
    """A line of a ``DeviceProgram``: the number of its part, the device, what runs there ("kernel", "cuBLAS", "copy", "CuPy",
    "sub-graphs", "NumPy", "native code", "random numbers"), a text, and the program's lines that it came from."""

    part: int
    device: str
    by: str
    text: str
    sites: tuple[Any, ...]


def placed_lines(program: Any) -> list[PlacedLine]:
    """Every line of a ``DeviceProgram``, in the order in which they run."""
    found: list[PlacedLine] = []
    for number, part in enumerate(program.parts, 1):
        where = str(part.where)
        if part.program is None:
            sites = () if part.site is None else (part.site,)
            found.append(PlacedLine(number, where, "random numbers", part.draw[0].name, sites))
            continue
        on_gpu = hasattr(part.program, "engine")
        for line in getattr(part.program, "launches", ()):
            by, sites = _by(line, on_gpu), tuple(getattr(line, "sites", ()))
            device = "cpu" if by in ("NumPy", "native code") else where
            found.append(PlacedLine(number, device, by, _described(line), sites))
    return found


def _by(line: Any, on_gpu: bool) -> str:
    if isinstance(line, CudaLaunch):
        return "kernel"
    if isinstance(line, CudaProduct):
        return "cuBLAS"
    if isinstance(line, CudaCopy | CudaClear):
        return "copy"
    if not isinstance(line, HostLaunch):
        return "native code"
    return where_computed(line.function) if on_gpu else "NumPy"


def heading(program: Any, number: int) -> str:
    """What part ``number`` of a ``DeviceProgram`` is: its device and its size."""
    part = program.parts[number - 1]
    text = f"part {number} on {part.where}"
    if part.program is None:
        return f"{text}: random numbers"
    if hasattr(part.program, "engine"):
        return f"{text}: {_sizes(part.program)}"
    count = len(getattr(part.program, "launches", ()))
    return f"{text}: {count} line{'s' * (count != 1)}"


def _sizes(program: Any) -> str:
    found = counts(program)
    return (
        f"{found.launches} launches of {found.kernels} kernels, {found.products} products (cuBLAS), {found.copies} copies "
        f"and fills, {found.host_calls} lines without a kernel; arena {program.arena_bytes} bytes"
    )


def _described(line: Any) -> str:
    if isinstance(line, CudaLaunch):
        return f"{line.name}<<<{line.grid}, {line.block}>>>  {line.label}"
    if isinstance(line, CudaProduct):
        batch = f"{line.batch}×" if line.batch > 1 else ""
        # In the order of the program's arrays, whose rows lie in memory.
        return f"cuBLAS {line.dtype} {batch}({line.n}×{line.k} @ {line.k}×{line.m})  {line.label}"
    if isinstance(line, CudaCopy | CudaClear):
        return f"{line.label}  {line.bytes} bytes"
    return (
        f"{where_computed(line.function)}  {line.label}" if isinstance(line, HostLaunch) else str(line.label)
    )
