"""Measures how much of PyTorch's operator database (``op_db`` of torch 2.13.0) Rushlight answers correctly.

    .venv/bin/python tests/parity/coverage.py                 the totals, and what falls short
    .venv/bin/python tests/parity/coverage.py --write         the same, and docs/coverage.md
    .venv/bin/python tests/parity/coverage.py --check         the same, and fails where docs/coverage.md says otherwise
    .venv/bin/python tests/parity/coverage.py --op fft.fft    one entry (or all whose name has that prefix, with a *)

Every entry runs all samples of the database in float32, int64, bool and complex64 (those that it takes on a CPU), its
gradients in double precision, its method, in-place and ``out=`` forms, and its error inputs; see ``opinfo``. Entries run in
processes of their own with a time limit, so one that hangs or crashes costs itself alone.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TABLE = ROOT / "docs" / "coverage.md"
DTYPES = ("float32", "int64", "bool", "complex64")
CHECKS = ("gradient", "method", "in-place", "out=", "errors")
COLUMNS = (*DTYPES, *CHECKS)
TIME_LIMIT = 150.0  # seconds for one entry
STARTING = 120.0  # seconds for a process to import PyTorch and its database
CORRECT, FAILING, MISSING = "correct", "failing", "missing"
MARKS = {CORRECT: "yes", FAILING: "no", MISSING: "missing", "": "·"}


# --- in a worker ---------------------------------------------------------------------------------------------------


def measure(operator: Any) -> dict[str, Any]:
    """The status of every column of one entry, with the first thing that went wrong in each."""
    import coverage_cases

    case = coverage_cases.case_of(operator)
    result: dict[str, Any] = {"missing": coverage_cases.missing(operator)}
    if result["missing"]:
        return result
    supported = case.supported(operator)
    columns: dict[str, str | None] = {}
    for dtype in DTYPES:
        if dtype in supported:
            case.dtypes = (dtype,)
            columns[dtype] = first_failure(case, case.forward)
    case.dtypes = DTYPES
    if operator.supports_autograd:
        columns["gradient"] = first_failure(case, case.gradients)
    if operator.method_variant is not None:
        columns["method"] = first_failure(case, case.methods)
    if operator.inplace_variant is not None:
        columns["in-place"] = first_failure(case, case.inplace)
    if operator.supports_out:
        columns["out="] = first_failure(case, case.out)
    if operator.error_inputs_func is not None:
        columns["errors"] = first_failure(case, case.errors)
    result["columns"] = columns
    return result


def first_failure(case: Any, check: Any) -> str | None:
    case.failures.clear()
    try:
        check()
    except Exception as error:
        case.failures.append(f"the check itself raised {error!r:.300}")
    return case.failures[0][:600] if case.failures else None


def work() -> None:
    """Answers each number of an entry read from stdin with a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what PyTorch or an entry prints is not an answer
    sys.path[:0] = [str(HERE)]
    import warnings

    warnings.simplefilter("ignore")
    import opinfo

    opinfo.oracle()
    entries = opinfo.load_database()
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        began = time.perf_counter()
        result = measure(entries[int(line)])
        result["seconds"] = round(time.perf_counter() - began, 2)
        answers.write(json.dumps(result) + "\n")
        answers.flush()


# --- in the parent -------------------------------------------------------------------------------------------------


class Worker:
    """One process that measures entries, started again when one hangs or crashes it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.pending = b""

    def start(self) -> None:
        one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **one_thread, "PYTHONPATH": str(ROOT / "src")},
        )
        self.pending = b""
        if self.answer(STARTING) != "ready":
            raise SystemExit(
                "coverage: the worker does not start; are torch 2.13.0 and the project installed?"
            )

    def answer(self, seconds: float) -> str | None:
        """The next line, or None if it does not come in time or the process ended."""
        assert self.process is not None
        assert self.process.stdout is not None
        end = time.monotonic() + seconds
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            if not read:
                return None
            self.pending += read
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode()

    def measure(self, number: int) -> dict[str, Any]:
        if self.process is None or self.process.poll() is not None:
            self.start()
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\n".encode())
        self.process.stdin.flush()
        line = self.answer(TIME_LIMIT)
        if line is not None:
            return json.loads(line)  # type: ignore[no-any-return]
        crashed = self.process.poll() is not None
        self.stop()
        why = "the process crashed" if crashed else f"not done after {TIME_LIMIT:.0f} s"
        return {"missing": None, "columns": {"float32": why}, "seconds": TIME_LIMIT}

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def measure_all(numbers: list[int], names: list[str], jobs: int) -> dict[int, dict[str, Any]]:
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in numbers:
        todo.put(number)
    results: dict[int, dict[str, Any]] = {}

    def run() -> None:
        worker = Worker()
        try:
            while True:
                try:
                    number = todo.get_nowait()
                except queue.Empty:
                    return
                results[number] = worker.measure(number)
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r{len(results)}/{len(numbers)} {names[number]:<60.60}")
        finally:
            worker.stop()

    threads = [threading.Thread(target=run) for _ in range(min(jobs, len(numbers)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def status_of(result: dict[str, Any]) -> str:
    if result["missing"]:
        return MISSING
    return FAILING if any(result["columns"].values()) else CORRECT


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/coverage.md")
    parser.add_argument("--check", action="store_true", help="fail where docs/coverage.md says otherwise")
    parser.add_argument(
        "--op", action="append", help="measure these entries alone; a * at the end: all that begin so"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="every column that fails, and the seconds taken"
    )
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work()
        return 0
    if options.op and (options.write or options.check):
        parser.error("--write and --check need all entries: leave --op out")
    sys.path[:0] = [str(HERE), str(ROOT / "src")]
    import warnings

    warnings.simplefilter("ignore")
    import coverage_report
    import opinfo

    opinfo.oracle()
    entries = opinfo.load_database()
    names = [coverage_report.entry_name(entry) for entry in entries]
    chosen = [i for i, entry in enumerate(entries) if coverage_report.wanted(entry.name, options.op)]
    if not chosen:
        parser.error(f"no public entry is called {options.op}")
    results = measure_all(chosen, names, max(1, options.jobs))
    measured = {names[i]: results[i] for i in chosen}
    coverage_report.show(measured, options.verbose)
    if options.check:
        return coverage_report.check(measured, TABLE)
    if options.write:
        TABLE.write_text(coverage_report.document(measured, [e.name for e in entries]), encoding="utf-8")
        print(f"wrote {TABLE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
