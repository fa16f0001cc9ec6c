"""Plans: what they compute, what they refuse, and that the number of threads changes nothing."""

from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compiler.launch import HostLaunch
from rushlight.runtime import plan as plan_module, workers
from rushlight.runtime.plan import Plan

from .plan_samples import add_constant, arena, chain, float32, input_, line, output, row_sums, sleeping

pytestmark = pytest.mark.usefixtures("own_cache")


def run_chain(plan, size, length):
    x = np.arange(size, dtype=np.float32)
    y = np.full(size, np.nan, np.float32)
    plan.run([x], [y])
    np.testing.assert_array_equal(y, x + length)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 7, 1000, 5003])
def test_every_unit_is_done_once_in_every_line(threads, number, size):
    threads(number)
    lines, memory = chain(9, size)
    plan = Plan(lines, memory, [float32(size)], [float32(size)])
    for _ in range(50):
        run_chain(plan, size, 9)


def test_the_number_of_threads_may_change_between_runs(threads):
    threads(2)
    lines, memory = chain(5, 3000)
    plan = Plan(lines, memory, [float32(3000)], [float32(3000)])
    for number in (2, 1, 4, 3, 1, 2):
        threads(number)
        for _ in range(10):
            run_chain(plan, 3000, 5)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_scratch_memory_is_each_threads_own(threads, number):
    threads(number)
    x = np.random.default_rng(0).integers(0, 100, (64, 500)).astype(np.float32)
    out = np.empty(64, np.float32)
    places = (input_(0), output(0))
    plan = Plan([line(row_sums(), places, 64, ints=(500,), scratch=4)], 0, [float32(64, 500)], [float32(64)])
    for _ in range(100):
        out[:] = -1
        plan.run([x], [out])
        np.testing.assert_array_equal(out, x.sum(1))


@pytest.mark.parametrize("number", [2, 4])
def test_threads_that_wait_long_sleep_and_are_woken(threads, number):
    threads(number)
    lines = [
        line(sleeping(), (arena(0),), 8, ints=(microseconds,)) for microseconds in (300, 1, 2000, 1, 100)
    ]
    plan = Plan(lines, 64, [], [])
    for _ in range(10):
        plan.arena.view(np.int64)[0] = 0
        plan.run([], [])
        assert plan.arena.view(np.int64)[0] == 40


@pytest.mark.parametrize("number", [1, 2, 4])
def test_lines_that_overlap_are_all_done_before_those_that_do_not(threads, number):
    """Six independent lines, some of one unit, some slow, then one that reads what all have written."""
    threads(number)
    size = 1000
    lines = [line(sleeping(), (arena(0),), 1, ints=(200,), overlaps=True)]
    for part in range(6):
        offset = 64 + part * size * 4
        units = size if part % 2 else 1
        lines.append(line(add_constant(part), (input_(0), arena(offset)), units, grain=8, overlaps=True))
    lines.append(line(sleeping(), (arena(0),), 2, ints=(100,), overlaps=True))
    read = (arena(64), output(0))
    lines.append(line(add_constant(0.0), read, 6 * size, grain=8))
    plan = Plan(lines, 64 + 6 * size * 4, [float32(size)], [float32(6, size)])
    x, y = np.arange(size, dtype=np.float32), np.empty((6, size), np.float32)
    wanted = np.zeros((6, size), np.float32)
    for part in range(6):
        wanted[part, : size if part % 2 else 1] = x[: size if part % 2 else 1] + part
    for turn in range(30):
        plan.arena[:] = 0
        x += 1
        wanted[1::2] += 1
        wanted[0::2, 0] += 1
        plan.run([x], [y])
        np.testing.assert_array_equal(y, wanted)
        assert plan.arena.view(np.int64)[0] == 3, turn


def test_a_plan_without_lines_runs():
    Plan([], 0, [], []).run([], [])


def test_an_input_can_be_changed_in_place():
    plan = Plan([line(add_constant(2.0), (input_(0), input_(0)), 5)], 0, [float32(5)], [])
    x = np.zeros(5, np.float32)
    for _ in range(3):
        plan.run([x], [])
    np.testing.assert_array_equal(x, [6.0] * 5)


def test_every_run_has_its_own_arrays():
    plan = Plan([line(add_constant(1.0), (input_(0), output(0)), 4)], 0, [float32(2, 2)], [float32(4)])
    for value in range(20):
        x, y = np.full((2, 2), value, np.float32), np.empty(4, np.float32)
        plan.run([x], [y])
        np.testing.assert_array_equal(y, [value + 1] * 4)


# Lines in Python.


def test_python_lines_run_between_native_ones():
    def halves(x, y):
        return x / 2, y.astype(np.float64) / 2

    lines = [
        HostLaunch(
            lambda x: x * 10, ((input_(0, 4), (2, 2), np.float32),), ((arena(0), (2, 2), np.float32),)
        ),
        line(add_constant(1.0), (arena(0), arena(64)), 4),
        HostLaunch(
            halves,
            ((arena(64), (4,), np.float32), (input_(0), (5,), np.float32)),
            ((arena(128), (4,), np.float32), (output(1), (5,), np.float64)),
        ),
        line(add_constant(1.0), (arena(128), output(0)), 4),
    ]
    plan = Plan(lines, 192, [float32(5)], [float32(4), ((5,), np.float64)])
    for start in (0, 7):
        x = np.arange(start, start + 5, dtype=np.float32)
        a, b = np.empty(4, np.float32), np.empty(5, np.float64)
        plan.run([x], [a, b])
        np.testing.assert_array_equal(a, (x[1:] * 10 + 1) / 2 + 1)
        np.testing.assert_array_equal(b, x / 2)


def test_python_lines_may_have_empty_and_scalar_arrays():
    lines = [
        HostLaunch(
            lambda empty, scalar: (empty + 1, scalar + empty.sum()),
            ((arena(0), (0, 3), np.float32), (input_(0), (), np.float64)),
            ((output(0), (0, 3), np.float32), (output(1), (), np.float64)),
        )
    ]
    plan = Plan(lines, 0, [((), np.float64)], [float32(0, 3), ((), np.float64)])
    scalar = np.empty((), np.float64)
    plan.run([np.array(2.5)], [np.empty((0, 3), np.float32), scalar])
    assert scalar == 2.5


def test_an_exception_in_a_python_line_leaves_the_plan_usable(threads):
    threads(2)
    fails = [True]

    def host(x):
        if fails[0]:
            raise KeyError("no such luck")
        return x

    before, memory = chain(3, 1000)
    lines = [
        *before,
        HostLaunch(host, ((output(0), (1000,), np.float32),), ((output(1), (1000,), np.float32),)),
        line(add_constant(1.0), (output(1), output(1)), 1000),
    ]
    plan = Plan(lines, memory, [float32(1000)], [float32(1000)] * 2)
    x, outputs = np.zeros(1000, np.float32), [np.empty(1000, np.float32) for _ in range(2)]
    for _ in range(3):
        fails[0] = True
        with pytest.raises(KeyError, match="no such luck"):
            plan.run([x], outputs)
        fails[0] = False
        plan.run([x], outputs)
        np.testing.assert_array_equal(outputs[1], x + 4)


def test_a_plan_cannot_run_inside_itself():
    plans = []
    x = np.zeros(1, np.float32)
    host = HostLaunch(lambda: plans[0].run([], []), (), ())
    plans.append(Plan([host], 0, [], []))
    with pytest.raises(RuntimeError, match="again by one of its own lines"):
        plans[0].run([], [])
    assert x.size == 1


def test_a_plan_can_run_inside_another(threads):
    threads(2)
    lines, memory = chain(3, 4000)
    inner = Plan(lines, memory, [float32(4000)], [float32(4000)])

    def host(x):
        y = np.empty_like(x)
        inner.run([np.ascontiguousarray(x)], [y])
        return y

    shape = (4000,)
    outer_lines = [
        line(add_constant(1.0), (input_(0), arena(0)), 4000, grain=8),
        HostLaunch(host, ((arena(0), shape, np.float32),), ((arena(16000), shape, np.float32),)),
        line(add_constant(1.0), (arena(16000), output(0)), 4000, grain=8),
    ]
    outer = Plan(outer_lines, 32000, [float32(4000)], [float32(4000)])
    for _ in range(20):
        run_chain(outer, 4000, 5)


# Arguments.


@pytest.fixture(params=["objects read in memory", "objects asked"])
def either_way(request, monkeypatch):
    if request.param == "objects asked":
        monkeypatch.setattr(plan_module, "_items_offset", 0)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "inputs, outputs, message",
    [
        (list, lambda: [np.empty((2, 3), np.float32)], "0 inputs and 1 outputs were given"),
        (lambda: [np.empty((2, 3), np.float32)] * 2, list, "2 inputs and 0 outputs were given"),
        (lambda: [np.empty((3, 2), np.float32)], lambda: [np.empty((2, 3), np.float32)], r"shape \(3, 2\)"),
        (lambda: [np.empty(6, np.float32)], lambda: [np.empty((2, 3), np.float32)], r"shape \(6,\)"),
        (lambda: [np.empty((2, 3), np.int32)], lambda: [np.empty((2, 3), np.float32)], "int32"),
        (lambda: [np.empty((3, 2), np.float32).T], lambda: [np.empty((2, 3), np.float32)], "C-contiguous"),
        (lambda: [[1, 2, 3]], lambda: [np.empty((2, 3), np.float32)], "input 0 is list"),
        (lambda: [np.empty((2, 3), np.float32)], lambda: [None], "output 0 is NoneType"),
        (
            lambda: [np.empty((2, 3), np.float32)],
            lambda: [read_only(np.empty((2, 3), np.float32))],
            "writeable",
        ),
    ],
)
def test_wrong_arrays_are_refused_before_anything_runs(either_way, inputs, outputs, message):
    plan = Plan([line(add_constant(1.0), (input_(0), output(0)), 6)], 0, [float32(2, 3)], [float32(2, 3)])
    with pytest.raises(ValueError, match=message):
        plan.run(inputs(), outputs())


def test_subclasses_and_equal_dtypes_are_accepted(either_way, tmp_path):
    plan = Plan([line(add_constant(1.0), (input_(0), output(0)), 6)], 0, [float32(6)], [float32(6)])
    mapped = np.memmap(tmp_path / "numbers", np.float32, "w+", shape=(6,))
    tagged = np.zeros(6, np.dtype(np.float32, metadata={"unit": "m"}))
    for array in (mapped, tagged):
        out = np.empty(6, np.float32)
        plan.run([array], [out])
        np.testing.assert_array_equal(out, [1.0] * 6)


def test_objects_are_read_in_memory_here():
    """On CPython the quick way must be the one in use: without this every other test would pass on the slow one."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("another interpreter")
    assert plan_module._items_offset > 0


# Many threads, and many runs.


def test_one_plan_from_many_threads_and_many_plans_at_once(threads):
    threads(3)
    lines, memory = chain(4, 2000)
    shared = Plan(lines, memory, [float32(2000)], [float32(2000)])
    own = [Plan(lines, memory, [float32(2000)], [float32(2000)]) for _ in range(3)]
    failures = []

    def caller(number):
        try:
            for _ in range(100):
                run_chain(shared, 2000, 4)
                run_chain(own[number], 2000, 4)
        except BaseException as error:
            failures.append(error)

    callers = [threading.Thread(target=caller, args=(number,)) for number in range(3)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(120)
    assert not failures
    assert not any(thread.is_alive() for thread in callers)


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_many_runs(threads):
    threads(2)
    lines, memory = chain(6, 1024)
    plan = Plan(lines, memory, [float32(1024)], [float32(1024)])
    x, y = np.zeros(1024, np.float32), np.empty(1024, np.float32)
    for _ in range(2000):
        plan.run([x], [y])
    before = resident_bytes()
    for _ in range(20000):
        plan.run([x], [y])
    assert resident_bytes() - before < 1 << 20
    np.testing.assert_array_equal(y, x + 6)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_plans_that_are_dropped_give_their_memory_back(threads):
    threads(2)

    def use():
        lines, memory = chain(3, 100_000)
        plan = Plan(lines, memory, [float32(100_000)], [float32(100_000)])
        run_chain(plan, 100_000, 3)

    for _ in range(10):
        use()
    gc.collect()
    before = resident_bytes()
    for _ in range(100):
        use()
    gc.collect()
    assert resident_bytes() - before < 8 << 20  # one plan has 0.8 MB
    assert len(workers._process.buried) <= 2


def test_profiling_counts_every_line(threads):
    threads(2)
    lines, memory = chain(3, 5000)
    lines.insert(2, HostLaunch(lambda: (), (), (), label="python"))
    plan = Plan(lines, memory, [float32(5000)], [float32(5000)])
    run_chain(plan, 5000, 3)
    assert all(time.runs == 0 for time in plan.times())
    plan.profile()
    for _ in range(4):
        run_chain(plan, 5000, 3)
    times = plan.times()
    assert [time.label for time in times] == ["line 0", "line 1", "python", "line 2"]
    assert [time.runs for time in times] == [4] * 4
    assert all(time.nanoseconds > 0 for time in times)
    plan.profile(False)
    run_chain(plan, 5000, 3)
    assert all(time.runs == 0 for time in plan.times())
