"""Memory over 100,000 compiled training steps: it must stay flat.

    python benchmarks/soak.py [--steps 100000] [--write benchmarks/soak.md]

The tutorial's net with Adam in static mode, and a tenth as many steps in recorded mode; the process's resident memory after
every tenth of the steps (Linux).
"""

from __future__ import annotations

import argparse

from workloads import tutorial_adam

import rushlight


def resident() -> float:
    """MiB of memory that this process has in use."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args()
    lines = ["| mode | steps | MiB after each tenth |", "|---|---|---|"]
    for mode, steps in (("static", options.steps), ("recorded", options.steps // 10)):
        full = mode == "static"
        step = tutorial_adam(
            rushlight, lambda function, full=full: rushlight.compile(function, fullgraph=full)
        )
        sizes = []
        for _ in range(10):
            for _ in range(steps // 10):
                step()
            sizes.append(resident())
        lines.append(f"| {mode} | {steps:,} | {', '.join([f'{size:.1f}' for size in sizes])} |")
    text = "\n".join(lines)
    print(text)
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            file.write(
                f"# Memory over many compiled steps\n\nMade by `python benchmarks/soak.py`.\n\n{text}\n"
            )


if __name__ == "__main__":
    main()
