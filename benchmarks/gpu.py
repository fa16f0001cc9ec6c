"""Steps on a GPU: Rushlight against PyTorch and JAX on the same GPU, in the same run. Needs a GPU, CuPy, and PyTorch with CUDA.

    python benchmarks/gpu.py [--rounds 11] [--only NAME] [--write benchmarks/gpu.md]

The programs are those of ``workloads.py``, made with the GPU as the default device, and two of them larger: an MLP with a batch
of 4096, and the GPT-2 style under bfloat16 autocast. Contenders take turns, and each row has the medians of its turns: seconds
of one step by the clock, the GPU waited for at the end of a turn. JAX is left out where it is missing, has no GPU, or has no
such program (``jax_workloads.py``). The pointwise chain is also given as a part of the bandwidth that copying 512 MiB reaches
in the same run: the least that it must move is x read twice and its gradient written once.

Without a GPU it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from workloads import WORKLOADS, gpt, mlp

Step = Callable[[], Any]
PEERS = ("PyTorch eager", "torch.compile", "JAX")
OWN = ("eager", "recorded", "static")
ROWS: dict[str, tuple[Callable[..., Step], int]] = {
    **{name: WORKLOADS[name] for name in ("tutorial step", "tutorial nn + Adam", "pointwise chain 1e7")},
    "MLP 4096": (partial(mlp, batch=4096), 20),
    "GPT-2 style": (gpt, 10),
    "GPT-2 style, bfloat16 autocast": (partial(gpt, autocast="cuda"), 10),
    "ResNet style": (WORKLOADS["ResNet style"][0], 20),
    "conv net": (WORKLOADS["conv net"][0], 20),
    "LSTM": (WORKLOADS["LSTM"][0], 10),
    "MLP, one input": WORKLOADS["MLP, one input"],
}
# In "pointwise chain 1e7": x is read forward and backward, its gradient is written.
_CHAIN_BYTES = 3 * 4 * 10_000_000
_COPIED = 512 << 20


def seconds(wait: Callable[[], Any], step: Step, steps: int) -> float:
    """Seconds of one step."""
    step()
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return (time.perf_counter() - start) / steps


def contenders(name: str) -> dict[str, tuple[Any, Callable[[], Any], Step]]:
    """By title: the library that has a device to be set (or None), what waits for the GPU, and the step."""
    import torch

    import rushlight

    make, _ = ROWS[name]
    found: dict[str, tuple[Any, Callable[[], Any], Step]] = {}
    ways: tuple[tuple[str, Any, Callable[[Any], Any]], ...] = (
        ("PyTorch eager", torch, lambda f: f),
        ("torch.compile", torch, lambda f: torch.compile(f, mode="reduce-overhead")),
        ("eager", rushlight, lambda f: f),
        ("recorded", rushlight, rushlight.compile),
        ("static", rushlight, lambda f: rushlight.compile(f, fullgraph=True)),
    )
    for title, library, wrap in ways:
        with library.device("cuda"):
            try:
                step = make(library, wrap)
                step()
                library.cuda.synchronize()
            except Exception as error:  # one contender that fails leaves the others their row
                print(f"{name}: {title}: {type(error).__name__}: {error}"[:2000], file=sys.stderr)
                continue
            found[title] = (library, library.cuda.synchronize, step)
    jax_step = _of_jax(name)
    if jax_step is not None:
        found["JAX"] = (None, lambda: None, jax_step)
    return found


def _of_jax(name: str) -> Step | None:
    """The program as JAX has it, on a GPU; None where that can't be had."""
    try:
        import jax

        if jax.default_backend() != "gpu":
            return None
        from jax_workloads import WORKLOADS as in_jax
    except ImportError:
        return None
    make = in_jax.get(name)
    if make is None:
        return None
    step = make()
    return lambda: jax.block_until_ready(step())


def measure(name: str, rounds: int) -> dict[str, float]:
    """Median seconds of each contender."""
    _, steps = ROWS[name]
    runs = contenders(name)
    times: dict[str, list[float]] = {title: [] for title in runs}
    for number in range(rounds + 1):
        for title, (library, wait, step) in runs.items():
            if library is None:
                took = seconds(wait, step, steps)
            else:
                with library.device("cuda"):
                    took = seconds(wait, step, steps)
            if number:  # the first turn compiles and captures
                times[title].append(took)
    return {title: statistics.median(found) for title, found in times.items()}


def copy_bandwidth(rounds: int) -> float:
    """Bytes a second, read and written, of copying on the device."""
    import rushlight

    source = rushlight.ones(_COPIED, dtype=rushlight.uint8, device="cuda")
    target = rushlight.empty_like(source)
    times = [seconds(rushlight.cuda.synchronize, lambda: target.copy_(source), 10) for _ in range(rounds)]
    return 2 * _COPIED / statistics.median(times)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", choices=sorted(ROWS))
    parser.add_argument("--write")
    options = parser.parse_args()
    import rushlight

    if not rushlight.cuda.is_available():
        sys.exit("gpu.py: no GPU that CuPy can use here; nothing is measured")
    import torch

    if not torch.cuda.is_available():
        sys.exit("gpu.py: this PyTorch has no CUDA, so there is nothing to compare with; nothing is measured")
    heads = [*PEERS[1:], *OWN]
    lines = [f"| step | {PEERS[0]} | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    notes = []
    for name in ROWS:
        if options.only not in (None, name):
            continue
        found = measure(name, options.rounds)
        base = found[PEERS[0]]
        ratios = " | ".join([f"{found[title] / base:.2f}" if title in found else "-" for title in heads])
        lines.append(f"| {name} | {base * 1e6:,.0f} µs | {ratios} |")
        print(lines[-1], flush=True)
        if name == "pointwise chain 1e7":
            reached, copied = _CHAIN_BYTES / found["static"], copy_bandwidth(options.rounds)
            notes.append(
                f"Pointwise chain, static: {reached / 1e9:.0f} GB/s, {reached / copied:.0%} of the {copied / 1e9:.0f} GB/s "
                "that copying reached in this run."
            )
            print(notes[-1], flush=True)
    if options.write:
        place = rushlight.cuda.get_device_name()
        title = (
            f"# Steps on a GPU\n\nGenerated by `python benchmarks/gpu.py --write {options.write}` on {place}."
        )
        told = "Times of PyTorch in eager mode; everything else as a part of those. - : there is no such program."
        with open(options.write, "w", encoding="utf-8") as file:
            file.write("\n\n".join([title, told, "\n".join(lines), *notes]) + "\n")


if __name__ == "__main__":
    main()
