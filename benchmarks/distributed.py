"""How training scales from one process to two, one thread each, on one machine.

The workload is a step (forward, backward, SGD with momentum) of the MLP 784-1024-1024-10 in float32 on batches of 256. All
figures come from one job of several ranks, which goes through these phases by turns, each long enough to swamp the clock:

- alone:      one rank steps on batches of 256; the others sleep
- alone/N:    one rank steps on batches of 256/N; the others sleep
- side by side: every rank steps on batches of 256 of its own, without communication: what the machine itself loses when more of
              its processors work (shared memory bandwidth, lower clock)
- weak:       DistributedDataParallel, batches of 256 on every rank: N times the work
- strong:     DistributedDataParallel, batches of 256/N on every rank: the same work
- compiled alone, compiled side by side, compiled weak: the same with the step as a static graph; weak is
              ``distributed.data_parallel_step`` on joined batches of N * 256

    weak scaling efficiency   = time(alone) / time(weak)
    strong scaling efficiency = time(alone) / (N * time(strong))
    what communication leaves = time(side by side) / time(weak), and time(alone/N) / time(strong)

The times are medians over the rounds of a phase's mean step; the slowest rank counts. The processor's time (user and system,
mean of the ranks) holds what waiting spends, up to 2 ms for each wait. Run it on an idle machine that has as many free
processors as ranks; otherwise the figures say how programs disturb each other, and no more:

    python benchmarks/distributed.py [--ranks 2] [--rounds 9] [--write benchmarks/distributed.md]

Needs the `mpi` extra.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BATCH = 256
STEPS = 20


def measure(rounds: int, path: str) -> None:
    """What each rank runs; rank 0 writes the phases' times, in seconds for a step, to ``path``."""
    import rushlight as torch

    dist, nn = torch.distributed, torch.nn
    dist.init_process_group()
    rank, size = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(rank)

    def stepper(batch: int, parallel: bool, compiled: bool = False) -> Any:
        net = nn.Sequential(
            nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
        )
        model = nn.parallel.DistributedDataParallel(net) if parallel and not compiled else net
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
        if parallel and compiled:
            batch *= size
        x, y = torch.randn(batch, 784), torch.randint(0, 10, (batch,))

        def step(x: Any, y: Any) -> None:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

        run: Any = step
        if compiled:
            run = dist.data_parallel_step(step, net) if parallel else torch.compile(step, fullgraph=True)
        return lambda: run(x, y)

    torch.set_num_threads(
        1
    )  # also of compiled steps, which would take all processors where one rank runs alone
    part = BATCH // size
    phases = {
        "alone": (stepper(BATCH, parallel=False), False),
        "alone/N": (stepper(part, parallel=False), False),
        "side by side": (stepper(BATCH, parallel=False), True),
        "weak": (stepper(BATCH, parallel=True), True),
        "strong": (stepper(part, parallel=True), True),
        "compiled alone": (stepper(BATCH, parallel=False, compiled=True), False),
        "compiled side by side": (stepper(BATCH, parallel=False, compiled=True), True),
        "compiled weak": (stepper(BATCH, parallel=True, compiled=True), True),
    }
    times: dict[str, list[float]] = {name: [] for name in phases}
    processor: dict[str, list[float]] = {name: [] for name in phases}
    for number in range(rounds + 1):  # the first warms up
        for name, (step, everyone) in phases.items():
            dist.barrier()
            if not everyone and rank:
                continue  # to the next barrier, whose wait sleeps
            begin, used = time.perf_counter(), time.process_time()
            for _ in range(STEPS):
                step()
            spent, used = (time.perf_counter() - begin) / STEPS, (time.process_time() - used) / STEPS
            if everyone:
                slowest, mean = [torch.tensor(value, dtype=torch.float64) for value in (spent, used)]
                dist.all_reduce(slowest, dist.ReduceOp.MAX)
                dist.all_reduce(mean, dist.ReduceOp.AVG)
                spent, used = slowest.item(), mean.item()
            if number:
                times[name].append(spent)
                processor[name].append(used)
    if rank == 0:
        found = {name: statistics.median(values) for name, values in times.items()}
        spread = {name: [min(values), max(values)] for name, values in times.items()}
        used_of = {name: statistics.median(values) for name, values in processor.items()}
        Path(path).write_text(json.dumps({"median": found, "range": spread, "processor": used_of}))
    dist.destroy_process_group()


def load() -> float:
    """How many programs want to run now, on average over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def table(found: dict[str, Any], ranks: int, rounds: int, load_before: float) -> str:
    """The figures as Markdown."""
    import mpi4py
    import numpy

    import rushlight

    t, spread, used = found["median"], found["range"], found["processor"]
    rows = "\n".join(
        [
            f"| {name} | {1e3 * t[name]:.1f} ms | {1e3 * spread[name][0]:.1f} to {1e3 * spread[name][1]:.1f} ms "
            f"| {1e3 * used[name]:.1f} ms |"
            for name in t
        ]
    )
    busy = (
        "**The machine was busy with other programs: these figures are theirs too. Measure again on an idle machine.**\n\n"
        if load_before > 0.5
        else ""
    )
    return f"""# Scaling from one process to {ranks}

Made by `python benchmarks/distributed.py --ranks {ranks} --rounds {rounds}`; that file says what is measured, and how
the efficiencies are defined. MLP 784-1024-1024-10, float32, batches of {BATCH}, one thread for each rank, gradients of 7.4 MB.

{_machine()}, {os.cpu_count()} logical processors, load average before {load_before:.1f};
Rushlight {rushlight.version.VERSION}, Python {platform.python_version()}, NumPy {numpy.__version__},
mpi4py {mpi4py.__version__} over shared memory.

{busy}| phase | median step | fastest to slowest round | processor's time |
|---|---|---|---|
{rows}

| figure | value |
|---|---|
| weak scaling efficiency: time(alone) / time(weak) | {t["alone"] / t["weak"]:.2f} |
| strong scaling efficiency: time(alone) / ({ranks} × time(strong)) | {t["alone"] / (ranks * t["strong"]):.2f} |
| the machine's own loss: time(alone) / time(side by side) | {t["alone"] / t["side by side"]:.2f} |
| what communication leaves, weak: time(side by side) / time(weak) | {t["side by side"] / t["weak"]:.2f} |
| what communication leaves, strong: time(alone/N) / time(strong) | {t["alone/N"] / t["strong"]:.2f} |
| compiled, weak scaling efficiency | {t["compiled alone"] / t["compiled weak"]:.2f} |
| compiled, what communication leaves | {t["compiled side by side"] / t["compiled weak"]:.2f} |

Not measured: more than one machine, and any network.
"""


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    """Start the job, read what it found, and print (and write) the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", help="a Markdown file for the table")
    parser.add_argument("--rank-of-job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_of_job:
        measure(options.rounds, options.rank_of_job)
        return
    load_before = load()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "times.json")
        command = [
            sys.executable,
            "-m",
            "rushlight",
            "launch",
            "-n",
            str(options.ranks),
            os.path.abspath(__file__),
        ]
        command += ["--rounds", str(options.rounds), "--rank-of-job", path]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        subprocess.run(command, env=environment, check=True)
        text = table(json.loads(Path(path).read_text()), options.ranks, options.rounds, load_before)
    print(text)
    if options.write:
        Path(options.write).write_text(text)


if __name__ == "__main__":
    main()
