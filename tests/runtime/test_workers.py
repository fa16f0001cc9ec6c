"""Worker threads: starting and leaving, forks, busy machines, and OpenBLAS's number of threads."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compiler import blas, native
from rushlight.compiler.codegen.structured import I32, Function
from rushlight.compiler.kernels.gemm import matmul_calls
from rushlight.compiler.launch import HostLaunch, Launch, Role
from rushlight.runtime import workers
from rushlight.runtime.plan import Plan
from rushlight.runtime.table import PoolWord, ProcessWord, System

from .plan_samples import arena, chain, float32, input_, line, output, sleeping

pytestmark = pytest.mark.usefixtures("own_cache")


def run_chain(plan, size, length):
    x = np.arange(size, dtype=np.float32)
    y = np.full(size, np.nan, np.float32)
    plan.run([x], [y])
    np.testing.assert_array_equal(y, x + length)


def chain_plan(size=4000, length=5):
    lines, memory = chain(length, size)
    return Plan(lines, memory, [float32(size)], [float32(size)])


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("rushlight-")]


def test_there_are_as_many_workers_as_threads_less_the_caller(threads):
    threads(4)
    plan = chain_plan()
    for number in (1, 3, 2, 4, 1):
        threads(number)
        for _ in range(5):
            run_chain(plan, 4000, 5)
        if number > 1:
            assert len(worker_threads()) == number - 1
    workers.stop()
    assert not worker_threads()
    threads(2)
    run_chain(plan, 4000, 5)
    assert len(worker_threads()) == 1


def test_a_worker_that_does_not_leave_in_time_meets_no_other_of_its_number(threads, monkeypatch):
    """Its pool is given up: two workers of one number would share scratch memory."""
    monkeypatch.setattr(workers, "_LEAVING_SECONDS", 0.0)
    threads(2)
    slow = Plan([line(sleeping(), (arena(0),), 4, ints=(100_000,))], 64, [], [])
    slow.arena[:] = 0
    caller = threading.Thread(target=slow.run, args=([], []))
    caller.start()
    first = workers._process.pool
    until = time.monotonic() + 60
    while (first is None or not first.inside) and time.monotonic() < until:
        time.sleep(0.001)
        first = workers._process.pool
    threads(3)
    workers.stop()
    run_chain(chain_plan(), 4000, 5)
    assert workers._process.pool is not first
    caller.join(60)
    assert slow.arena.view(np.int64)[0] == 4
    monkeypatch.undo()
    workers.stop()
    until = time.monotonic() + 60
    while worker_threads() and time.monotonic() < until:
        time.sleep(0.01)
    assert not worker_threads()


def test_one_thread_needs_no_workers(threads):
    workers.stop()
    threads(1)
    run_chain(chain_plan(), 4000, 5)
    assert not worker_threads()


def test_plans_with_little_work_do_not_start_workers(threads):
    workers.stop()
    threads(4)
    lines, memory = chain(5, 100, work=10)
    run_chain(Plan(lines, memory, [float32(100)], [float32(100)]), 100, 5)
    assert not worker_threads()


def test_idle_workers_sleep(threads):
    threads(3)
    plan = chain_plan()
    for _ in range(20):
        run_chain(plan, 4000, 5)
    pool = workers._process.pool
    assert pool is not None
    until = time.monotonic() + 60
    while pool.words[PoolWord.PARKED] < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert pool.words[PoolWord.PARKED] == 2
    assert pool.inside == 0
    run_chain(plan, 4000, 5)


def test_without_futex_workers_sleep_in_python(threads, monkeypatch):
    workers.stop()
    monkeypatch.setattr(workers._process, "pool", None)
    monkeypatch.setattr(workers._process, "code", workers.Code(System(futex=0, clock=False)))
    threads(3)
    plan = chain_plan()
    for turn in range(60):
        run_chain(plan, 4000, 5)
        if turn % 20 == 0:
            time.sleep(0.02)  # so that they fall asleep
    assert len(worker_threads()) == 2
    workers.stop()
    assert not worker_threads()


SCRIPT = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore")
import numpy as np
sys.path.insert(0, {folder!r})
from rushlight.core import threads
threads._chosen[:] = [3]
from plan_samples import chain, float32
from rushlight.runtime import workers
from rushlight.runtime.plan import Plan

lines, memory = chain(5, 4000)
plan = Plan(lines, memory, [float32(4000)], [float32(4000)])
x = np.arange(4000, dtype=np.float32)

def run(times=50):
    for _ in range(times):
        y = np.empty_like(x)
        plan.run([x], [y])
        assert (y == x + 5).all()

run()
"""


def run_script(body: str, **environment: str) -> str:
    script = SCRIPT.format(folder=os.path.dirname(__file__)) + body
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_its_own_workers():
    body = """
child = os.fork()
if child == 0:
    assert not [t for t in threading.enumerate() if t.name.startswith("rushlight-")]
    run()
    assert len([t for t in threading.enumerate() if t.name.startswith("rushlight-")]) == 2
    grandchild = os.fork()
    if grandchild == 0:
        run()
        os._exit(0)
    os._exit(os.waitpid(grandchild, 0)[1] != 0)
run()
assert os.waitpid(child, 0)[1] == 0
run()
print("done")
"""
    assert run_script(body) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_runs_the_plan_does_not_hang_the_child():
    body = """
stop = []
def busy():
    while not stop:
        run(1)
thread = threading.Thread(target=busy)
thread.start()
for _ in range(10):
    time.sleep(0.005)
    child = os.fork()
    if child == 0:
        run(3)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.append(1)
thread.join()
print("done")
"""
    assert run_script(body) == "done\n"


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "sys.exit(0)",
        "threading.Thread(target=lambda: [run() for _ in range(20)], daemon=True).start(); time.sleep(0.01)",
        "import atexit; atexit.register(run)",
        # Python 3.12 starts no threads by then.
        "import atexit; workers.stop(); atexit.register(run)",
    ],
)
def test_the_process_ends_though_workers_sleep_or_run(ending):
    assert run_script(f"print('done', flush=True)\n{ending}\n") == "done\n"


def test_results_are_right_with_other_programs_on_every_processor(threads):
    threads(2)
    plan = chain_plan(size=20_000, length=10)
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(0.2)
        for _ in range(150):
            run_chain(plan, 20_000, 10)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


# OpenBLAS.


def blas_or_skip():
    library = blas.find()
    if library is None:
        pytest.skip("NumPy has no OpenBLAS here")
    get = ctypes.CFUNCTYPE(ctypes.c_int)(library.get_threads)
    set_ = ctypes.CFUNCTYPE(None, ctypes.c_int)(library.set_threads)
    return get, set_


@pytest.fixture
def blas_threads():
    get, set_ = blas_or_skip()
    before = get()
    set_(2)
    yield get
    set_(before)


def counting_text() -> str:
    """``pointers[0][0] =`` OpenBLAS's number of threads; counts as a kernel that calls OpenBLAS."""
    library = blas.find()
    assert library is not None
    native.provide("rushlight_cblas_threads_for_a_test", library.get_threads)
    f = Function()
    with f.loop(f.begin, f.end):
        f.store(f.call("rushlight_cblas_threads_for_a_test", I32, []), f.pointer(0))
    return f.finish()


def test_kernels_see_one_blas_thread_and_python_its_own_number(threads, blas_threads):
    threads(2)
    seen = []

    def host(value: Any) -> Any:
        seen.append((int(value[0]), blas_threads()))
        return value

    number = (arena(0), (1,), np.int32)
    lines = [line(counting_text(), (arena(0),), 1), HostLaunch(host, (number,), ()), *chain(2, 4000)[0]]
    lines[1] = HostLaunch(lambda value: host(value) and (), (number,), ())
    plan = Plan(lines, 40_000, [float32(4000)], [float32(4000)])
    for _ in range(3):
        plan.run([np.zeros(4000, np.float32)], [np.empty(4000, np.float32)])
    assert seen == [(1, 2)] * 3
    assert blas_threads() == 2


def product_plan(m: int, n: int, k: int) -> Plan:
    calls = matmul_calls(m, n, k, np.float32, a_strides=(k, 1), b_strides=(n, 1), c_strides=(n, 1))
    assert calls is not None
    places = {(Role.OPERAND, 0): input_(0), (Role.OPERAND, 1): input_(1), (Role.RESULT, 0): output(0)}
    lines = [
        Launch(
            call.text,
            call.name,
            call.ints,
            tuple(places[pointer.role, pointer.number] for pointer in call.pointers),
            call.units,
            call.grain,
            call.scratch,
            flops=call.flops,
        )
        for call in calls
    ]
    return Plan(lines, 0, [float32(m, k), float32(k, n)], [float32(m, n)])


def test_products_are_the_same_bit_for_bit_on_any_number_of_threads(threads, blas_threads):
    rng = np.random.default_rng(0)
    for m, n, k in [(64, 100, 1000), (1000, 100, 64), (300, 257, 129), (1, 2000, 300), (5, 3, 7)]:
        a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        results = []
        for number in (1, 2, 3, 4):
            threads(number)
            plan = product_plan(m, n, k)
            for _ in range(5):
                out = np.full((m, n), np.nan, np.float32)
                plan.run([a, b], [out])
                results.append(out.tobytes())
        assert len(set(results)) == 1
        np.testing.assert_allclose(
            np.frombuffer(results[0], np.float32).reshape(m, n), a @ b, rtol=1e-4, atol=1e-4
        )


def test_products_of_many_callers_at_once_are_right_and_the_number_of_threads_returns(threads, blas_threads):
    threads(2)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((128, 500), np.float32), rng.standard_normal((500, 200), np.float32)
    wanted = np.empty((128, 200), np.float32)
    product_plan(128, 200, 500).run([a, b], [wanted])
    failures = []

    def caller():
        try:
            plan = product_plan(128, 200, 500)
            for _ in range(50):
                out = np.empty((128, 200), np.float32)
                plan.run([a, b], [out])
                np.testing.assert_array_equal(out, wanted)
        except BaseException as error:
            failures.append(error)

    callers = [threading.Thread(target=caller) for _ in range(3)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(120)
    assert not failures
    assert blas_threads() == 2


def test_a_number_of_blas_threads_that_is_set_during_a_run_stays(threads, blas_threads):
    threads(1)
    _, set_ = blas_or_skip()
    native.provide("rushlight_cblas_set_for_a_test", ctypes.cast(set_, ctypes.c_void_p).value or 0)
    f = Function()
    with f.loop(f.begin, f.end):
        f.call("rushlight_cblas_set_for_a_test", I32, [f.b.trunc(f.i64(3), I32)])
    Plan([line(f.finish(), (), 1)], 0, [], []).run([], [])
    assert blas_threads() == 3


def test_plans_run_alone_for_a_while_when_sharing_has_been_bad(threads):
    threads(2)
    plan = product_plan(512, 512, 512)
    x, y, out = (np.ones((512, 512), np.float32) for _ in range(3))
    plan.run([x, y], [out])
    process = workers._process
    workers.judge(False)
    first = process.rest
    workers.judge(True)
    until = int(process.pool.words[PoolWord.ALONE_UNTIL])
    assert until > time.monotonic_ns() and process.rest == 2 * first
    generation = int(process.words[ProcessWord.GENERATION])
    plan.run([x, y], [out])
    assert int(process.words[ProcessWord.GENERATION]) == generation, "it was shared"
    process.pool.words[PoolWord.ALONE_UNTIL] = 0
    plan.run([x, y], [out])
    assert int(process.words[ProcessWord.GENERATION]) == generation + 1
    workers.judge(False)
    assert process.rest == first
    assert (out == 512).all()
