"""Recorded calls that run without Python, and all those that must not."""

from __future__ import annotations

import copy
import itertools
import random
import sys
import time
import types

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.jit import replay

CALLS = 12


@pytest.fixture(autouse=True)
def with_a_compiler():
    from rushlight.runtime.programs import compiles

    if not compiles():
        pytest.skip("there is no compiler here: nothing is replayed")


def python_runs(function, *args):
    """What a call gives, and whether it ran the Python code of ``function``."""
    ran = []

    def event(frame, what, _):
        if what == "call" and frame.f_code is function.__wrapped__.__code__:
            ran.append(1)

    sys.setprofile(event)
    try:
        result = function(*args)
    finally:
        sys.setprofile(None)
    return result, bool(ran)


def settled(function, *args, calls=CALLS):
    for _ in range(calls):
        function(*args)
    return not python_runs(function, *args)[1]


def state_of(compiled):
    return compiled._compiled.replay


@pytest.mark.parametrize("kind", ["closure", "optimizer"])
def test_functions_without_tensors_for_arguments_are_recorded(kind):
    """Nothing that they are called with is recorded, so what they can reach is."""

    def trainer(compile):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        x, y = torch.randn(5, 6), torch.randint(0, 3, (5,))

        def gradients():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        def whole():
            loss = gradients()
            optimizer.step()
            return loss

        if kind == "closure":
            run = compile(whole)
            return run, run

        run = compile(lambda: optimizer.step())

        def step():
            loss = gradients()
            run()
            return loss

        return step, run

    expected, _ = trainer(lambda function: function)
    step, run = trainer(torch.compile)
    for _ in range(3 * CALLS):
        np.testing.assert_allclose(float(step()), float(expected()), rtol=1e-5)
    # The optimizer alone finds new gradients at every call: its Python runs, and in the end nothing is recorded any more.
    assert bool(run._compiled.met) == (kind == "closure")
    assert python_runs(run)[1] == (kind == "optimizer")


@pytest.mark.parametrize("count", [50, 5000])
def test_of_the_tensors_within_reach_only_those_that_a_call_reads_are_followed(count):
    samples = [torch.ones(3) * n for n in range(count)]
    weight = torch.ones(3)
    numbers = itertools.count()

    def function():
        return (samples[next(numbers) % 4] * weight).sum()

    compiled = torch.compile(function)
    for n in range(8):
        assert float(compiled()) == 3.0 * (n % 4)
    assert len(compiled._compiled.met) <= 5


def test_a_training_step_is_replayed_and_gives_what_eager_mode_gives():
    def trainer():
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Dropout(0.3), torch.nn.Linear(8, 3)
        )
        updates = torch.optim.AdamW(model.parameters(), 0.01)

        def step(x, y):
            updates.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            updates.step()
            return loss

        return step, model

    (plain, one), (other, two) = trainer(), trainer()
    compiled = torch.compile(other)
    torch.manual_seed(1)
    batches = [(torch.randn(5, 6), torch.randint(0, 3, (5,))) for _ in range(20)]
    torch.manual_seed(2)
    expected = [plain(*batch).item() for batch in batches]
    torch.manual_seed(2)
    found = [compiled(*batch).item() for batch in batches]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-3, atol=1e-5)
    assert not python_runs(compiled, *batches[0])[1]


# --- what is never replayed -----------------------------------------------------------------------------------------

log = []
counter = itertools.count()
total = 0
config = types.ModuleType("config")
config.gain = 1.0


class Keeper:
    def __init__(self):
        self.last = None
        self._calls = 0

    def keeps(self, x):
        self.last = x * 2
        return self.last

    def counts(self, x):
        self._calls += 1
        return x * 2


def prints(x):
    print("called")
    return x * 2


def reads_a_clock(x):
    return x * float(time.monotonic() > 0)


def draws(x):
    return x * (1 + random.random())


def draws_with_numpy(x):
    return x * float(np.random.rand())


def appends(x):
    log.append(1)
    return x * 2


def counts_on(x):
    return x * next(counter)


def changes_a_global(x):
    global total
    total += 1
    return x * 2


def makes_a_closure():
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        return x * 2

    return f


def reads_a_file(x):
    with open(__file__) as file:
        return x * len(file.readline())


def seeds(x):
    torch.manual_seed(0)
    return x * torch.rand(3)


def sets_a_tensor_attribute(x):
    x.note = 1
    return x * 2


def reads_a_value(x):
    return x * 2 if x.sum() > 0 else x


EFFECTS = [
    prints, reads_a_clock, draws, draws_with_numpy, appends, counts_on, changes_a_global, makes_a_closure(), reads_a_file,
    seeds, sets_a_tensor_attribute, reads_a_value, Keeper().keeps, Keeper().counts,
]  # fmt: skip


@pytest.mark.parametrize("function", EFFECTS, ids=lambda f: f.__qualname__.replace("<locals>.", ""))
def test_what_has_an_effect_runs_on_every_call(function, capsys):
    compiled = torch.compile(function)
    x = torch.ones(3)
    assert not settled(compiled, x)


def test_effects_happen_as_often_as_in_eager_mode(capsys):
    log.clear()
    keeper = Keeper()
    compiled = [torch.compile(f) for f in (prints, appends, keeper.counts, keeper.keeps)]
    for n in range(CALLS):
        for f in compiled:
            f(torch.full((2,), float(n)))
        np.testing.assert_allclose(keeper.last.numpy(), 2 * n)
    assert capsys.readouterr().out.count("called") == CALLS
    assert len(log) == keeper._calls == CALLS


def test_the_reason_is_told():
    compiled = torch.compile(prints)
    for _ in range(CALLS):
        compiled(torch.ones(1))
    assert "print() is called in prints" in state_of(compiled).reason


# --- what is compared before a replay ---------------------------------------------------------------------------------


class Net(torch.nn.Module):
    scale = 2.0

    def __init__(self):
        super().__init__()
        self._shift = 1.0
        self.table = [1.0, 2.0]

    def helper(self, x):
        return x * FACTOR

    def forward(self, x, gain=1.0):
        return self.helper(x) * self.scale * gain * config.gain + self._shift + sum(self.table)


FACTOR = 3.0


def changes(net, monkeypatch):
    yield lambda: monkeypatch.setitem(globals(), "FACTOR", 5.0)
    yield lambda: monkeypatch.setattr(Net, "scale", 7.0)
    yield lambda: setattr(net, "_shift", -1.0)
    yield lambda: net.table.append(4.0)
    yield lambda: monkeypatch.setattr(config, "gain", 0.5)
    yield lambda: monkeypatch.setattr(Net, "helper", lambda self, x: x + 1)
    yield lambda: monkeypatch.setattr(Net.forward, "__defaults__", (3.0,))
    yield lambda: setattr(net, "scale", 11.0)  # now of the instance
    yield lambda: net.register_forward_hook(lambda module, args, result: result * 2)
    yield lambda: setattr(net, "helper", lambda x: x - 1)


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("fullgraph", [False, True], ids=["recorded", "static"])
def test_changed_state_is_seen(number, fullgraph, monkeypatch):
    net = Net()
    compiled = torch.compile(lambda x: net(x), fullgraph=fullgraph)
    x = torch.arange(3.0)
    for _ in range(CALLS):
        np.testing.assert_allclose(compiled(x).numpy(), net(x).numpy())
    before = net(x)
    list(changes(net, monkeypatch))[number]()
    assert not torch.equal(before, net(x))
    for _ in range(CALLS):
        np.testing.assert_allclose(compiled(x).numpy(), net(x).numpy())


def test_global_hooks_are_seen():
    net = torch.nn.Linear(2, 2)
    compiled = torch.compile(lambda x: net(x))
    x = torch.ones(1, 2)
    with torch.no_grad():
        assert settled(compiled, x)
        handle = torch.nn.modules.module.register_module_forward_hook(lambda module, args, result: result * 2)
        try:
            np.testing.assert_allclose(compiled(x).numpy(), net(x).numpy())
        finally:
            handle.remove()
        np.testing.assert_allclose(compiled(x).numpy(), net(x).numpy())


def test_modules_among_the_arguments_are_compared():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5))
    compiled = torch.compile(lambda model, x: model(x))
    x = torch.ones(2, 3)
    with torch.no_grad():
        model.eval()
        assert settled(compiled, model, x)
        model.train()
        torch.manual_seed(0)
        expected = model(x)
        torch.manual_seed(0)
        np.testing.assert_allclose(compiled(model, x).numpy(), expected.numpy(), rtol=1e-6)


def test_autocast_is_part_of_the_signature():
    compiled = torch.compile(lambda x: x @ x)
    x = torch.eye(4)
    assert settled(compiled, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert compiled(x).dtype == torch.bfloat16
    assert compiled(x).dtype == torch.float32


def test_a_learning_rate_that_always_changes_stays_right():
    w = torch.zeros(2, requires_grad=True)
    updates = torch.optim.SGD([w], lr=1.0)

    def step(x):
        updates.zero_grad()
        (w * x).sum().backward()
        updates.step()

    compiled = torch.compile(step)
    value = 0.0
    for n in range(60):
        updates.param_groups[0]["lr"] = lr = 1.0 / (1 + n // 7)
        compiled(torch.ones(2))
        value -= lr
        np.testing.assert_allclose(w.detach().numpy(), value, rtol=1e-5)


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fullgraph", [False, True], ids=["recorded", "static"])
def test_gradients_that_somebody_keeps_are_not_changed(fullgraph):
    w = torch.ones(3, requires_grad=True)

    def step(x):
        w.grad = None
        (w * x).sum().backward()

    compiled = torch.compile(step, fullgraph=fullgraph)
    kept, arrays = [], []
    for n in range(CALLS):
        compiled(torch.full((3,), float(n)))
        if n % 3:
            kept.append((n, w.grad))
        else:
            arrays.append((n, w.grad.numpy()))
    for n, gradient in kept:
        np.testing.assert_allclose(gradient.numpy(), n)
    for n, array in arrays:
        np.testing.assert_allclose(array, n)


def test_an_attempt_that_fails_leaves_nothing_behind(monkeypatch):
    w = torch.ones(3, requires_grad=True)

    def step(x):
        w.grad = None
        (w * x).sum().backward()
        with torch.no_grad():
            w.add_(w.grad)

    def fails(self):
        raise RuntimeError("not now")

    monkeypatch.setattr(replay.StaticProgram, "prepare", fails)
    compiled = torch.compile(step)
    value = 1.0
    for n in range(CALLS):
        compiled(torch.full((3,), float(n)))
        value += n
        np.testing.assert_allclose(w.grad.numpy(), n)
        np.testing.assert_allclose(w.detach().numpy(), value)
    assert not settled(compiled, torch.ones(3), calls=1)


def test_an_error_comes_from_python():
    compiled = torch.compile(lambda x, y: x @ y)
    assert settled(compiled, torch.ones(2, 3), torch.ones(3, 2))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        compiled(torch.ones(2, 3), torch.ones(2, 3))


def test_a_debugger_sees_every_call():
    compiled = torch.compile(lambda x: x * 2)
    assert settled(compiled, torch.ones(2))
    seen = []

    def trace(frame, event, arg):
        if frame.f_code is compiled.__wrapped__.__code__:
            seen.append(event)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        compiled(torch.ones(2))
    finally:
        sys.settrace(before)
    assert seen == ["call"]


def test_results_and_changes_of_arguments_are_those_of_each_call():
    def f(x, parts):
        x.mul_(2)
        return {"sum": parts[0] + parts[1], "view": x[1:], "x": x}

    compiled = torch.compile(f)
    results = []
    for n in range(CALLS):
        x, parts = torch.full((3,), float(n)), [torch.full((2,), float(n)), torch.ones(2)]
        result = compiled(x, parts)
        assert result["x"] is x
        results.append(result)
    for n, result in enumerate(results):
        np.testing.assert_allclose(result["sum"].numpy(), n + 1)
        np.testing.assert_allclose(result["view"].numpy(), 2 * n)


def test_replay_can_be_refused():
    compiled = torch.compile(lambda x: x * 2, options={"replay": False})
    assert not settled(compiled, torch.ones(2))


# --- what else of tensors decides what a call does --------------------------------------------------------------------

both = pytest.mark.parametrize("fullgraph", [False, True], ids=["recorded", "static"])


def a_step():
    w, v = (torch.ones(2, requires_grad=True) for _ in range(2))

    def step(x):
        w.grad = None
        v.grad = None
        (x * w * v).sum().backward()

    return step, w, v


@both
def test_a_weight_that_is_frozen_later(fullgraph):
    step, _, v = a_step()
    compiled = torch.compile(step, fullgraph=fullgraph)
    for _ in range(CALLS):
        compiled(torch.ones(2))
    v.requires_grad_(False)
    compiled(torch.ones(2))
    assert v.grad is None
    v.requires_grad_(True)
    compiled(torch.ones(2))
    np.testing.assert_allclose(v.grad.numpy(), 1)


@both
def test_a_hook_that_is_put_on_a_weight_later(fullgraph):
    step, w, _ = a_step()
    compiled = torch.compile(step, fullgraph=fullgraph)
    for _ in range(CALLS):
        compiled(torch.ones(2))
    handle = w.register_hook(lambda g: g * 5)
    compiled(torch.ones(2))
    np.testing.assert_allclose(w.grad.numpy(), 5)
    handle.remove()
    compiled(torch.ones(2))
    np.testing.assert_allclose(w.grad.numpy(), 1)


@both
def test_gradients_that_go_on_to_what_the_argument_came_from(fullgraph):
    w = torch.ones(2, requires_grad=True)
    compiled = torch.compile(lambda x: (x * w).sum().backward(), fullgraph=fullgraph)
    for n in range(CALLS):
        a = torch.full((2,), float(n), requires_grad=True)
        compiled(a * a)
        np.testing.assert_allclose(a.grad.numpy(), 2 * n)


@both
def test_an_optimizers_state_that_is_loaded(fullgraph):
    def trainer():
        p = torch.ones(2, requires_grad=True)
        updates = torch.optim.Adam([p], 0.1)

        def step(x):
            updates.zero_grad()
            (x * p).sum().backward()
            updates.step()

        return step, p, updates

    (plain, p, one), (other, q, two) = trainer(), trainer()
    compiled = torch.compile(other, fullgraph=fullgraph)
    saved = None
    for n in range(3 * CALLS):
        if n == CALLS:
            saved = [copy.deepcopy(updates.state_dict()) for updates in (one, two)]
        if n == 2 * CALLS:
            one.load_state_dict(saved[0])
            two.load_state_dict(saved[1])
        for step in (plain, compiled):
            step(torch.full((2,), float(n % 5 - 1)))
        np.testing.assert_allclose(q.detach().numpy(), p.detach().numpy(), rtol=1e-5)


def changes_one(x, y):
    x.add_(y.clone())  # PyTorch refuses operands that overlap in part
    return y * 2


@both
def test_arguments_that_share_memory(fullgraph):
    compiled = torch.compile(changes_one, fullgraph=fullgraph)

    def same_as_eager(make):
        eager, others = make(), make()
        expected = changes_one(*eager)
        try:
            result = compiled(*others)
        except RuntimeError as error:
            assert fullgraph and "shared" in str(error)
            return
        np.testing.assert_allclose(result.numpy(), expected.numpy())
        np.testing.assert_allclose(others[0].numpy(), eager[0].numpy())

    def apart():
        return torch.ones(3), torch.full((3,), 2.0)

    def one_memory():
        x = torch.ones(3)
        return x, x.detach()

    def overlapping():
        x = torch.arange(4.0)
        return x[:3], x[1:]

    for make in (apart, one_memory, apart, overlapping, one_memory, overlapping, apart):
        for _ in range(CALLS):
            same_as_eager(make)


@both
def test_an_argument_that_is_part_of_what_the_function_changes(fullgraph):
    total = torch.zeros(4)

    def f(y):
        total.add_(1)
        return y * 2

    compiled = torch.compile(f, fullgraph=fullgraph)
    for _ in range(CALLS):
        compiled(torch.ones(2))
    for make in (lambda: total[:2], lambda: total.detach()[2:]):
        before = total[0].item()
        try:
            result = compiled(make())
        except RuntimeError as error:
            assert fullgraph and "shared" in str(error)
            total.fill_(before + 1)
            continue
        np.testing.assert_allclose(result.numpy(), 2 * (before + 1))


def test_what_the_collector_calls_is_not_the_programs():
    import gc

    calls = []
    callback = lambda phase, info: calls.append(phase)
    compiled = torch.compile(lambda x: [x * n for n in range(50)])
    thresholds = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        assert settled(compiled, torch.ones(2))
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(callback)
    assert calls
    assert gc.isenabled()


def test_static_functions_whose_state_is_new_at_every_call_are_not_compiled_again_and_again():
    from rushlight.jit import static

    torch.manual_seed(0)
    weights = [torch.randn(4, requires_grad=True) for _ in range(2)]
    with torch.no_grad():
        weights[1].copy_(weights[0])
    optimizers = [torch.optim.Adam([weight], lr=0.1) for weight in weights]
    run = torch.compile(lambda: optimizers[0].step(), fullgraph=True)
    for _ in range(static._MISSES + 8):
        for weight, optimizer in zip(weights, optimizers, strict=True):
            optimizer.zero_grad()  # the next gradient is a new tensor
            (weight**2).sum().backward()
        run()
        optimizers[1].step()
        np.testing.assert_allclose(*[weight.detach().numpy() for weight in weights], rtol=1e-5)
    assert run._compiled.use_recorded
