"""How long ``import rushlight`` takes beyond ``import numpy``, and what else a process pays to start.

Fresh processes in turns: NumPy alone, Rushlight, Rushlight up to the end of the first compiled training step (the tutorial's
net, static mode; without and with the kernels of an earlier process on disk), and PyTorch where it is installed; medians of
wall time.

    python benchmarks/startup.py [--rounds 9] [--write benchmarks/startup.md]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

FIRST_STEP = """
import rushlight as torch
x, y = torch.randn(64, 1000), torch.randn(64, 10)
w1, w2 = torch.randn(1000, 100, requires_grad=True), torch.randn(100, 10, requires_grad=True)
@torch.compile(fullgraph=True)
def step(x, y):
    loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        w1.sub_(1e-6 * w1.grad)
        w2.sub_(1e-6 * w2.grad)
        w1.grad = w2.grad = None
    return loss.item()
step(x, y)
"""
COLD, WARM = "first compiled step, nothing on disk", "first compiled step, kernels on disk"
PROGRAMS = {
    "numpy": "import numpy",
    "rushlight": "import rushlight",
    COLD: FIRST_STEP,
    WARM: FIRST_STEP,
    "torch": "import torch",
}


def seconds(name: str, kept: str) -> float:
    # Compiled modules are kept, as in an installed package, whatever this shell's settings are.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as empty:
        environment["RUSHLIGHT_CACHE_DIR"] = empty if name == COLD else kept
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAMS[name]], check=True, env=environment)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args()
    names = [name for name in PROGRAMS if name in (COLD, WARM) or importlib.util.find_spec(name)]
    times: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as kept:
        for name in names:
            seconds(name, kept)
        for _ in range(options.rounds):
            for name in names:
                times[name].append(seconds(name, kept))
    medians = {name: statistics.median(values) for name, values in times.items()}
    rows = [
        "| "
        + (name if name in (COLD, WARM) else f"`{PROGRAMS[name]}`")
        + f" | {medians[name]:.3f} | {medians[name] - medians['numpy']:.3f} |"
        for name in names
    ]
    table = (
        f"# Start-up\n\nMade by `python benchmarks/startup.py --write benchmarks/startup.md` on {platform.machine()}, Python "
        f"{platform.python_version()}: seconds from start to exit of a process, medians of {options.rounds} alternating "
        "rounds.\n\n| process | seconds | more than NumPy |\n|---|---:|---:|\n" + "\n".join(rows) + "\n"
    )
    print(table)
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            file.write(table)


if __name__ == "__main__":
    sys.exit(main())
