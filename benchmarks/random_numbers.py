"""What random numbers cost, against PyTorch in the same process and on one thread.

Every row is measured in turns (Rushlight, PyTorch, Rushlight, …) and shows the medians. Both draw the same numbers. The
compiler's draws are loaded first, as they are in a program that has drawn ten million numbers.

    python benchmarks/random_numbers.py [--rounds 15] [--write benchmarks/random_numbers.md]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from typing import Any

SETUP = """
a, big, wide = torch.empty(10), torch.empty(10**6), torch.empty(10**6, dtype=torch.float64)
hidden = torch.ones(64, 1000)
generator = torch.Generator()
state = generator.get_state()
dropout = torch.nn.functional.dropout
"""
ROWS = (
    "torch.rand(10)",
    "torch.randint(0, 10, (10,))",
    "a.uniform_(-0.1, 0.1)",
    "torch.randn(10)",
    "torch.randn(16)",
    "torch.randn(1000)",
    "dropout(hidden)",
    "torch.rand(10**6)",
    "big.uniform_(-0.1, 0.1)",
    "torch.randn(10**6)",
    "wide.normal_()",
    "torch.randint(0, 10, (10**6,))",
    "big.bernoulli_(0.5)",
    "big.exponential_()",
    "torch.randperm(60000)",
    "generator.get_state()",
    "generator.set_state(state)",
)
TURN_SECONDS = 0.02


def microseconds(code: Any, space: dict[str, Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        eval(code, space)
    return 1e6 * (time.perf_counter() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args()

    import numpy
    import torch

    import rushlight

    spaces: list[dict[str, Any]] = [{"torch": rushlight}, {"torch": torch}]
    for space in spaces:
        space["torch"].set_num_threads(1)
        exec(SETUP, space)
    for _ in range(3):
        rushlight.rand(10**7)
    lines = []
    for row in ROWS:
        code = compile(row, "row", "eval")
        repeats = [max(1, int(1e6 * TURN_SECONDS / microseconds(code, space, 20))) for space in spaces]
        turns: list[list[float]] = [[], []]
        for _ in range(options.rounds):
            for space, count, times in zip(spaces, repeats, turns, strict=True):
                times.append(microseconds(code, space, count))
        ours, theirs = (statistics.median(times) for times in turns)
        lines.append(f"| `{row}` | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |")
        print(lines[-1], flush=True)
    table = (
        "# Random numbers against PyTorch\n\n"
        "Made by `python benchmarks/random_numbers.py --write benchmarks/random_numbers.md` on "
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {numpy.__version__}, torch {torch.__version__}, one "
        f"thread. Times in microseconds, medians of {options.rounds} alternating turns; a ratio below 1 means that Rushlight "
        "is faster.\n\n| code | Rushlight | PyTorch | ratio |\n|---|---:|---:|---:|\n"
        + "\n".join(lines)
        + "\n"
    )
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            file.write(table)


if __name__ == "__main__":
    sys.exit(main())
