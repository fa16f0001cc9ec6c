"""How long ``import rushlight`` takes beyond ``import numpy``, and what else a process pays to start.

Fresh processes in turns: NumPy alone, Rushlight, and PyTorch where it is installed; medians of wall time.

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
import time

PROGRAMS = {"numpy": "import numpy", "rushlight": "import rushlight", "torch": "import torch"}


def seconds(program: str) -> float:
    # Compiled modules are kept, as in an installed package, whatever this shell's settings are.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args()
    names = [name for name in PROGRAMS if importlib.util.find_spec(name)]
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        seconds(PROGRAMS[name])
    for _ in range(options.rounds):
        for name in names:
            times[name].append(seconds(PROGRAMS[name]))
    medians = {name: statistics.median(values) for name, values in times.items()}
    rows = [
        f"| `{PROGRAMS[name]}` | {medians[name]:.3f} | {medians[name] - medians['numpy']:.3f} |"
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
