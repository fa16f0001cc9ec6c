"""What became of a graph on a GPU, as text: every line of the plan, and the kernels' CUDA C and PTX."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..compiler import cuda_nvrtc
from ..compiler.cuda_lines import CudaClear, CudaCopy, CudaLaunch, CudaProduct
from ..compiler.launch import HostLaunch


class Counts(NamedTuple):
    """How many lines of each kind a plan has, and how many different kernels."""

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
    found = counts(program)
    text = [
        f"{found.launches} launches of {found.kernels} kernels, {found.products} products (cuBLAS), {found.copies} copies "
        f"and fills, {found.host_calls} calls of NumPy; arena {program.arena_bytes} bytes"
    ]
    for number, line in enumerate(program.launches):
        text.append(f"{number:4d}  {_described(line)}")
    if source:
        text += ["", cuda_source(program)]
    return "\n".join(text)


def parts_report(program: Any) -> list[str]:
    """Of a ``DeviceProgram``: each part's device, and ``report`` of those on a GPU."""
    lines: list[str] = []
    for number, part in enumerate(program.parts, 1):
        if part.program is None:
            lines.append(f"part {number} on {part.where}: random numbers, {part.draw[0].name}")
        elif isinstance(getattr(part.program, "launches", None), tuple) and hasattr(part.program, "engine"):
            lines.append(f"part {number} on {part.where}: {report(part.program)}")
        else:
            lines.append(f"part {number} on {part.where}: {len(getattr(part.program, 'launches', ()))} lines")
    return "\n".join(lines).split("\n")


def _described(line: Any) -> str:
    if isinstance(line, CudaLaunch):
        return f"{line.name}<<<{line.grid}, {line.block}>>>  {line.label}"
    if isinstance(line, CudaProduct):
        batch = f"{line.batch}×" if line.batch > 1 else ""
        # In the order of the program's arrays, whose rows lie in memory.
        return f"cuBLAS {line.dtype} {batch}({line.n}×{line.k} @ {line.k}×{line.m})  {line.label}"
    if isinstance(line, CudaCopy | CudaClear):
        return f"{line.label}  {line.bytes} bytes"
    return f"NumPy  {line.label}"
