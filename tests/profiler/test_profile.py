"""``rushlight.profiler``: what it sees, what it leaves behind, and what it writes."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight.ops.define import PRIMITIVES
from rushlight.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)


def _names(prof: Any) -> list[str]:
    return [event.name for event in prof.events()]


def _codes() -> dict[str, Any]:
    """The code of everything that a profile may exchange."""
    found: dict[str, Any] = {}
    for name, record in PRIMITIVES.items():
        for part in ("method", "function", "inplace", "vjp"):
            found[f"{name}.{part}"] = getattr(getattr(record, part), "__code__", None)
    for owner in (
        torch.Tensor,
        torch,
        torch.nn.functional,
        torch.nn.Module,
        torch.optim.SGD,
        torch.optim.Optimizer,
    ):
        for name, value in vars(owner).items():
            found[f"{owner.__name__}.{name}"] = getattr(value, "__code__", None)
    # A submodule that is imported meanwhile becomes an attribute of its package; it has no code.
    return {name: code for name, code in found.items() if code is not None}


def test_nothing_is_left_behind() -> None:
    before = _codes()
    with profile():
        during = _codes()
        torch.ones(2) + 1
    assert _codes() == before
    assert sum(before[name] is not during[name] for name in before) > 500


def test_a_body_that_raises_leaves_nothing_behind() -> None:
    before = _codes()
    with pytest.raises(RuntimeError), profile() as prof, record_function("outer"):
        torch.ones(2) @ torch.ones(3)
    assert _codes() == before
    assert _names(prof)[0] == "outer"
    with profile() as again:
        torch.ones(2)
    assert again.events()[0].cpu_parent is None


def test_functions_that_were_imported_before_are_seen() -> None:
    from rushlight import add, matmul
    from rushlight.nn.functional import gelu

    x = torch.ones(2, 2)
    with profile() as prof:
        gelu(matmul(add(x, x), x))
        x.sum()
        x.neg()
        assert x[0] is not x
    assert [event.name for event in prof.events() if event.cpu_parent is None] == [
        "aten::add",
        "aten::matmul",
        "aten::gelu",
        "aten::sum",
        "aten::neg",
        "aten::index",
    ]


def test_results_and_gradients_are_those_without_a_profile() -> None:
    def run() -> list[Any]:
        torch.manual_seed(3)
        model = torch.nn.Sequential(
            torch.nn.Conv1d(2, 3, 3),
            torch.nn.BatchNorm1d(3),
            torch.nn.GELU(),
            torch.nn.Flatten(),
            torch.nn.Linear(18, 4),
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(torch.randn(5, 2, 8)), torch.randint(4, (5,)))
            loss.backward()
            optimizer.step()
        return [loss.item(), *[parameter.tolist() for parameter in model.parameters()]]

    plain = run()
    with profile(record_shapes=True, profile_memory=True, with_stack=True, with_flops=True):
        watched = run()
    assert watched == plain


def test_a_training_step_as_a_tree() -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as prof:
        with record_function("forward"):
            loss = model(torch.ones(4, 3)).relu().sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    by_name = {event.name: event for event in prof.events()}
    linear = by_name["aten::linear"]
    assert linear.cpu_parent is by_name["forward"]
    assert linear.input_shapes == [[4, 3], [2, 3], [2]]
    assert by_name["AddmmBackward0"].cpu_parent.name == "autograd::engine::evaluate_function: AddmmBackward0"
    assert by_name["AddmmBackward0"].sequence_nr == linear.sequence_nr >= 0
    assert by_name["torch::autograd::AccumulateGrad"].scope == 1
    assert {"Optimizer.step#SGD.step", "Optimizer.zero_grad#SGD.zero_grad"} <= set(by_name)
    assert by_name["forward"].is_user_annotation and not linear.is_user_annotation
    for event in prof.events():
        assert 0 <= event.self_cpu_time_total <= event.cpu_time_total
        for child in event.cpu_children:
            assert event.time_range.start <= child.time_range.start
            assert child.time_range.end <= event.time_range.end


def test_averages_add_up() -> None:
    with profile(record_shapes=True) as prof:
        for size in (2, 2, 3):
            torch.ones(size).exp()
    averages = prof.key_averages()
    (exp,) = [average for average in averages if average.key == "aten::exp"]
    assert exp.count == 3
    assert exp.cpu_time_total == pytest.approx(
        sum(event.cpu_time_total for event in prof.events() if event.name == "aten::exp")
    )
    assert exp.cpu_time == pytest.approx(exp.cpu_time_total / 3)
    by_shape = prof.key_averages(group_by_input_shape=True)
    assert sorted((a.input_shapes, a.count) for a in by_shape if a.key == "aten::exp") == [
        ([[2]], 2),
        ([[3]], 1),
    ]
    total = prof.events().total_average()
    assert (total.key, total.count) == ("Total", len(prof.events()))
    assert averages.self_cpu_time_total == pytest.approx(prof.events().self_cpu_time_total)


def test_table() -> None:
    with profile(record_shapes=True, profile_memory=True, with_flops=True) as prof:
        with record_function("outer"):
            torch.ones(8, 8) @ torch.ones(8, 8)
        torch.ones(3)
    averages = prof.key_averages(group_by_input_shape=True)
    lines = averages.table(sort_by="self_cpu_memory_usage", row_limit=2, header="HEAD").splitlines()
    assert lines[1] == "HEAD"
    for title in ("Name", "Self CPU %", "CPU total", "CPU Mem", "# of Calls", "Input Shapes", "FLOPs"):
        assert title in lines[3]
    rows = lines[5:7]
    assert rows[0].split()[0] == "aten::ones"  # two of 256 bytes
    assert "512 B" in rows[0]
    assert lines[7].startswith("-----")
    top = prof.events().table(top_level_events_only=True)
    assert "outer" in top and "aten::matmul" not in top
    with pytest.raises(AttributeError):
        averages.table(sort_by="no_such_thing")
    with pytest.raises(ValueError, match="time_unit"):
        averages.table(time_unit="days")
    assert str(averages) == averages.table()


def test_memory_is_counted_where_it_is_taken_and_given_back() -> None:
    with profile(profile_memory=True) as prof:
        with record_function("keeps"):
            kept = torch.ones(100)
        with record_function("drops"):
            torch.ones(50)
        kept.view(10, 10)
        del kept
    memory = {event.name: event.cpu_memory_usage for event in prof.events() if event.category != "cpu_op"}
    assert memory == {"keeps": 400, "drops": 0, "[memory]": -400}
    assert [event.self_cpu_memory_usage for event in prof.events() if event.name == "aten::ones"] == [
        400,
        200,
    ]
    assert [event.cpu_memory_usage for event in prof.events() if event.name == "aten::view"] == [0]


def test_flops() -> None:
    with profile(with_flops=True) as prof:
        torch.ones(2, 3) @ torch.ones(3, 4)
        torch.nn.functional.conv2d(torch.ones(1, 2, 5, 5), torch.ones(3, 2, 3, 3))
    flops = {event.name: event.flops for event in prof.events() if event.cpu_parent is None}
    assert flops["aten::matmul"] == 2 * 2 * 3 * 4
    assert flops["aten::conv2d"] == 2 * (3 * 3 * 3) * (2 * 3 * 3)


def test_stacks_are_the_programs_own(tmp_path: Path) -> None:
    with profile(with_stack=True) as prof:
        torch.nn.Linear(2, 2)(torch.ones(1, 2))
    (linear,) = [event for event in prof.events() if event.name == "aten::linear"]
    assert linear.stack[0].endswith("test_stacks_are_the_programs_own")
    assert "test_profile.py" in linear.stack[0]
    assert linear.cpu_parent is not None and linear.cpu_parent.name == "nn.Module: Linear_0"
    assert not any("rushlight/profiler" in entry for entry in linear.stack)
    prof.export_stacks(str(tmp_path / "stacks.txt"))
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    assert any(";aten::linear " in line and line.split()[-1].isdigit() for line in lines)
    with pytest.raises(ValueError, match="metric should be one of"):
        prof.export_stacks(str(tmp_path / "other.txt"), "cpu_time")
    assert "Source Location" in prof.key_averages(group_by_stack_n=1).table()


@pytest.mark.parametrize("ending", ["json", "json.gz"])
def test_chrome_trace(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"trace.{ending}"
    x = torch.ones(2, 3, requires_grad=True)
    with profile(record_shapes=True, profile_memory=True, with_stack=True) as prof:
        with record_function("outer"), record_function("inner", "a note"):
            y = (x * 2).sum()
        y.backward()
    prof.add_metadata("run", "seven")
    prof.export_chrome_trace(str(path))
    data = path.read_bytes()
    trace = json.loads(gzip.decompress(data) if ending.endswith("gz") else data)
    assert trace["run"] == "seven" and trace["schemaVersion"] == 1
    spans: dict[str, Any] = {}
    for entry in trace["traceEvents"]:
        if entry["ph"] == "X":
            spans.setdefault(entry["name"], entry)
    outer, inner, mul = spans["outer"], spans["inner"], spans["aten::mul"]
    assert outer["cat"] == inner["cat"] == "user_annotation" and mul["cat"] == "cpu_op"
    for around, within in ((outer, inner), (inner, mul)):
        assert around["ts"] <= within["ts"]
        assert within["ts"] + within["dur"] <= around["ts"] + around["dur"]
        assert around["tid"] == within["tid"] and around["pid"] == within["pid"]
    assert mul["args"]["Input Dims"] == [[2, 3], []]
    assert mul["args"]["Input type"] == ["float", "Scalar"]
    assert mul["args"]["Concrete Inputs"] == ["", "2"]
    assert "test_chrome_trace" in mul["args"]["Call stack"]
    assert inner["args"]["Concrete Inputs"] == ["a note"]
    arrows = [entry for entry in trace["traceEvents"] if entry.get("cat") == "fwdbwd"]
    assert {entry["ph"] for entry in arrows} == {"s", "f"}
    for entry in trace["traceEvents"]:
        assert {"ph", "name", "pid", "tid", "ts"} <= set(entry)


def test_a_schedule() -> None:
    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=2)
    letters = {
        ProfilerAction.NONE: "n",
        ProfilerAction.WARMUP: "w",
        ProfilerAction.RECORD: "r",
        ProfilerAction.RECORD_AND_SAVE: "s",
    }
    assert "".join(letters[plan(step)] for step in range(12)) == "nnwrsnwrsnnn"
    seen: list[tuple[int, list[str]]] = []
    with profile(
        schedule=plan, on_trace_ready=lambda prof: seen.append((prof.step_num, _names(prof)))
    ) as prof:
        for _ in range(12):
            torch.ones(1)
            prof.step()
    assert seen == [
        (5, ["ProfilerStep#3", "aten::ones", "ProfilerStep#4", "aten::ones"]),
        (9, ["ProfilerStep#7", "aten::ones", "ProfilerStep#8", "aten::ones"]),
    ]
    assert prof.key_averages()[0].key == "ProfilerStep*"
    with pytest.raises(AssertionError, match="Invalid profiler schedule"):
        schedule(wait=0, warmup=0, active=0)


def test_events_of_several_cycles() -> None:
    def run(keep: bool) -> int:
        with profile(schedule=schedule(wait=0, warmup=0, active=1), acc_events=keep) as prof:
            for _ in range(3):
                torch.ones(1)
                prof.step()
        return _names(prof).count("aten::ones")

    assert (run(True), run(False)) == (3, 0)  # the last cycle has begun, and nothing came


def test_what_is_asked_too_early_is_said() -> None:
    unused = profile()
    for ask in (unused.events, unused.key_averages):
        with pytest.raises(AssertionError, match="must be initialized"):
            ask()
    with pytest.raises(AssertionError, match="No valid profiler activities"):
        profile(activities=[])


def test_traces_for_tensorboard(tmp_path: Path) -> None:
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "log"), "me", use_gzip=True)):
        torch.ones(1)
    (file,) = (tmp_path / "log").iterdir()
    assert file.name.startswith("me.") and file.name.endswith(".pt.trace.json.gz")
    assert json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]


def test_profiles_inside_each_other_both_see() -> None:
    with profile() as outer:
        torch.ones(1)
        with profile() as inner:
            torch.zeros(1)
        torch.full((1,), 2.0)
    assert _names(inner) == ["aten::zeros"]
    assert _names(outer) == ["aten::ones", "aten::zeros", "aten::full"]


def test_threads_are_told_apart() -> None:
    other: list[Any] = []

    def work() -> None:
        torch.zeros(1)
        with profile() as prof:
            torch.arange(3)
        other.append(prof)

    with profile() as prof:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        torch.ones(1)
    assert _names(prof) == ["aten::ones"]
    assert _names(other[0]) == ["aten::arange"]


def test_record_function_as_a_decorator_and_without_a_profile() -> None:
    @record_function("decorated")
    def double(x: Any) -> Any:
        """Twice."""
        return x + x

    assert double.__doc__ == "Twice."
    assert double(torch.ones(1)).item() == 2
    with profile() as prof:
        double(torch.ones(1))
    assert _names(prof) == ["aten::ones", "decorated", "aten::add"]


def test_custom_functions_data_loaders_and_their_backward() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return 2 * grad * ctx.saved_tensors[0]

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)), batch_size=2)
    x = torch.tensor([3.0], requires_grad=True)
    with profile() as prof:
        Square.apply(x).backward()
        for _ in loader:
            pass
    assert x.grad is not None and x.grad.item() == 6
    names = _names(prof)
    assert "Square" in names and "SquareBackward" in names
    assert names.count("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__") == 3


def test_compiled_plans_show_their_kernels() -> None:
    def function(x: Any, w: Any) -> Any:
        return (x @ w).exp().sum()

    compiled = torch.compile(function, fullgraph=True)
    x, w = torch.randn(8, 8), torch.randn(8, 8)
    for _ in range(2):
        compiled(x, w)
    with profile() as prof:
        result = compiled(x, w)
    torch.testing.assert_close(result, function(x, w))
    (plan,) = [event for event in prof.events() if event.name == "rushlight::compiled_plan"]
    assert plan.cpu_children[0].name == "rushlight::matmul"
    assert all(child.cpu_time_total <= plan.cpu_time_total for child in plan.cpu_children)


def test_a_function_may_be_compiled_while_a_profile_runs() -> None:
    def function(x: Any) -> Any:
        return (x * 3).tanh()

    for whole in (False, True):
        compiled = torch.compile(function, fullgraph=whole)
        x = torch.randn(5)
        with profile():
            first = compiled(x)
        torch.testing.assert_close(first, function(x))
        torch.testing.assert_close(compiled(x + 1), function(x + 1))


def test_collection_can_be_paused() -> None:
    with profile() as prof:
        torch.ones(1)
        prof.toggle_collection_dynamic(False, [ProfilerActivity.CPU])
        torch.zeros(1)
        prof.toggle_collection_dynamic(True, [ProfilerActivity.CPU])
        torch.arange(1)
    assert _names(prof) == ["aten::ones", "aten::arange"]


def test_the_older_names() -> None:
    from rushlight.autograd import profiler

    with profiler.profile(record_shapes=True) as prof, profiler.record_function("part"):
        torch.ones(2) + 1
    assert [event.name for event in prof.function_events] == ["part", "aten::ones", "aten::add"]
    assert "aten::add" in prof.key_averages().table(sort_by="cpu_time_total")
    assert prof.total_average().count == 3
    assert str(prof) == prof.table()
    with pytest.raises(RuntimeError, match="not reentrant"), prof:
        pass
    with pytest.raises(RuntimeError, match="didn't finish"):
        profiler.profile().key_averages()
    with profiler.profile(enabled=False) as off:
        torch.ones(1)
    assert off is None
    for missing in (profiler.emit_itt, profiler.emit_nvtx):
        with pytest.raises(NotImplementedError, match=r"torch\.profiler\.profile"), missing():
            pass
