"""An ``Explanation`` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kernel_facts import SourceLine, source_line

if TYPE_CHECKING:
    from ..runtime.cuda_plan_report import PlacedLine
    from .explain import ExplainedProgram, Explanation, Kernel

NOTES = (
    "read, written: each array counted once, from the kernels' index ranges; not measured.",
    "operations: 2·m·n·k for a matrix product; with ~ an estimate (1 for an addition, 16 for a division, a root or exp).",
    "1 thread: the median of runs on one thread; GFLOP/s, GB/s and the share belong to it. Below about 200 ns the clock itself "
    "is part of what it shows.",
    "all threads: the calling thread's clock in runs on all threads. What it waits for others counts, and what they had done "
    "before it came does not; kernels marked ∥ may run at the same time as their neighbours. Only the sum is exact.",
    "share: of the least time that the measured limits allow for these operations and bytes; above 100% where data was in a "
    "nearer cache than when the limit was measured, or the machine was busier then.",
)  # fmt: skip


def report(explanation: Explanation) -> str:
    """Everything but code and graphs, for a terminal."""
    programs = explanation.programs
    counted = f"{len(programs)} program{'s' * (len(programs) != 1)}, {_kernels(len(explanation.kernels))}"
    lines = [f"{explanation.name}: {explanation.mode} mode, {counted}"]
    if explanation.note:
        lines.append(explanation.note)
    if not programs:
        lines.append("The call asked for nothing that a graph holds.")
    if explanation.limits is not None:
        lines.append(limits_text(explanation))
    for number, program in enumerate(programs, 1):
        lines += ["", *_program(number, len(programs), program)]
    if explanation.kernels:
        lines += ["", *NOTES]
    return "\n".join(lines)


def limits_text(explanation: Explanation) -> str:
    """What the shares are shares of."""
    limits = explanation.limits
    rates = [f"{rate:.0f} GB/s with {nbytes_text(nbytes)}" for nbytes, rate in limits.bandwidths]
    return (
        f"Measured limits of one thread of this machine: {limits.gflops:.0f} GFLOP/s (float32 matrix product); read and "
        "written: " + ", ".join(rates)
    )


def _kernels(count: int) -> str:
    return f"{count} kernel{'s' * (count != 1)}"


def summary(program: ExplainedProgram) -> str:
    """A program's sizes in a line."""
    if program.parts:
        count, devices = len(program.parts), " and ".join(program.devices)
        return f"{len(program.before.nodes)} nodes recorded, {count} part{'s' * (count != 1)} on {devices}"
    if not program.native:
        return f"{len(program.before.nodes)} nodes"
    return (
        f"{len(program.before.nodes)} nodes recorded, {len(program.after.nodes)} after the passes, "
        f"{_kernels(len(program.kernels))}, {nbytes_text(program.arena_bytes)} of working memory"
    )


def timing(program: ExplainedProgram) -> str:
    """What a program's runs took, or why nothing was measured."""
    if program.seconds is None:
        return f"Not timed: {program.untimed}."
    on = "with the GPU waited for" if program.parts else "on all threads"
    text = f"{time_text(program.seconds)} a run {on} (median of {program.runs} on copies of the arrays)"
    if program.kernels:
        inside = sum([kernel.seconds or 0.0 for kernel in program.kernels])
        text += f"; its kernels one after the other on one thread: {time_text(inside)}"
    return text + (f". {program.untimed}" if program.untimed else "")


def _program(number: int, count: int, program: ExplainedProgram) -> list[str]:
    ran = "" if program.calls == 1 else f", run {program.calls} times by this call"
    lines = [
        f"Program {number} of {count}{ran}; it ends because {program.ended}.",
        "  " + summary(program),
        "  " + timing(program),
    ]
    if program.parts:
        return [*lines, *_parts(program)]
    if not program.kernels:
        return lines
    heading = (
        f"  {'#':>3} {'1 thread':>9} {'share':>6} {'all thr.':>9} {'read':>9} {'written':>9} {'operations':>11} "
        f"{'GFLOP/s':>8} {'GB/s':>6}  kernel"
    )
    lines += ["", heading]
    for kernel in program.kernels:
        lines += _kernel(kernel)
    return lines


def _parts(program: ExplainedProgram) -> list[str]:
    """Each line of a program with arrays of a GPU, with its device and the program's lines behind it."""
    rows: list[str] = []
    number = 0
    for part in program.parts:
        rows += ["", f"  {part.heading}"]
        for line in part.lines:
            number += 1
            rows.append(f"  {number:>4} {line.device:<7} {line.text}")
            rows += [f"{'':>15}{source_text(found)}" for found in source_lines(line)]
    return rows


def source_lines(line: PlacedLine) -> list[SourceLine]:
    """The lines of the program behind a line of its plan."""
    return list(dict.fromkeys([found for site in line.sites if (found := source_line(site)) is not None]))


def _kernel(kernel: Kernel) -> list[str]:
    facts = kernel.facts
    columns = (
        f"  {kernel.number:>3} {time_text(kernel.seconds):>9} {share_text(kernel.share):>6} "
        f"{time_text(kernel.shared_seconds):>9} {nbytes_text(facts.read):>9} "
        f"{nbytes_text(facts.written):>9} {flops_text(kernel):>11} {_rate(kernel.gflops):>8} {_rate(kernel.bandwidth):>6}"
    )
    mark = "∥ " if kernel.together else ""
    rows = [f"{columns}  {mark}{facts.form}: {facts.name}"]
    return rows + [f"{'':>6}{source_text(line)}" for line in facts.lines]


def source_text(line: SourceLine) -> str:
    """``step.py:7  h = x @ w`` with the file's name alone."""
    short = line._replace(file=_base(line.file))
    of = line.gradient_of
    return str(short if of is None else short._replace(gradient_of=of._replace(file=_base(of.file))))


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def time_text(seconds: float | None) -> str:
    """With a unit that fits."""
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.1f} µs" if seconds >= 0.9995e-6 else f"{seconds * 1e9:.0f} ns"


def share_text(share: float | None) -> str:
    """As a percentage."""
    return "-" if share is None else f"{share:.0%}"


def flops_text(kernel: Kernel) -> str:
    """Operations, with ~ where they are estimated."""
    facts = kernel.facts
    if facts.form in ("copy", "fill"):
        return "0"
    if facts.form == "Python call" or (not facts.flops and not facts.exact):
        return "?"
    return ("" if facts.exact else "~") + _scaled(facts.flops)


def nbytes_text(nbytes: int) -> str:
    """A number of bytes."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= scale:
            return f"{nbytes / scale:.3g} {unit}" if nbytes < 1000 * scale else f"{nbytes / scale:.0f} {unit}"
    return f"{nbytes} B"


def _scaled(number: float) -> str:
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number:.0f}"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.3g}"
