"""What a compiled function must never get wrong: Python's control flow and state, memory that is shared, errors half-way."""

from __future__ import annotations

import copy
import os
import random

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.jit import replay


@pytest.fixture(autouse=True, params=["patient", "eager"])
def patience(request, monkeypatch):
    """Everything also with calls that are replayed as soon as can be."""
    if request.param == "eager":
        if "static" in request.node.name:
            pytest.skip("the recorded mode's")
        monkeypatch.setattr(replay, "CALM", 0)


both = pytest.mark.parametrize("fullgraph", [False, True], ids=["recorded", "static"])


def same(a, b, tolerance=1e-6):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def a_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(12, 16, bias=False),
        torch.nn.BatchNorm1d(16),
        torch.nn.GELU(),
        torch.nn.Dropout(0.25),
        torch.nn.Linear(16, 4),
    )


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, centered=True, momentum=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
    "adadelta": lambda p: torch.optim.Adadelta(p),
}


@both
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_steps(optimizer, fullgraph):
    eager, other = a_model(), a_model()
    torch.manual_seed(1)
    batches = [(torch.randn(8, 12), torch.randint(0, 4, (8,))) for _ in range(5)]

    def trainer(model):
        updates = OPTIMIZERS[optimizer](model.parameters())

        def step(x, y):
            updates.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            updates.step()
            return loss

        return step

    plain, compiled = trainer(eager), torch.compile(trainer(other), fullgraph=fullgraph)
    torch.manual_seed(2)
    expected = [plain(x, y).item() for x, y in batches]
    torch.manual_seed(2)
    losses = [compiled(x, y).item() for x, y in batches]
    np.testing.assert_allclose(losses, expected, rtol=2e-5)
    for (name, a), (_, b) in zip(eager.state_dict().items(), other.state_dict().items(), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=2e-4, atol=2e-5, err_msg=name)
    for a, b in zip(eager.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(b.grad.numpy(), a.grad.numpy(), rtol=1e-3, atol=1e-5)


@both
def test_a_loss_read_as_a_float(fullgraph):
    @torch.compile(fullgraph=fullgraph)
    def total(x):
        return (x * x).sum().item()

    for n in range(3):
        value = total(torch.full((4,), float(n)))
        assert type(value) is float
        assert value == 4 * n * n


def test_branches_on_values():
    @torch.compile
    def f(x):
        if x.sum() > 0:
            return x + 1
        return x - 1

    same(f(torch.ones(3)), torch.full((3,), 2.0))
    same(f(-torch.ones(3)), torch.full((3,), -2.0))
    same(f(torch.ones(3)), torch.full((3,), 2.0))


def test_a_static_graph_refuses_branches_on_values():
    @torch.compile(fullgraph=True)
    def f(x):
        if x.sum() > 0:
            return x + 1
        return x - 1

    with pytest.raises(RuntimeError, match=r"test_modes\.py.*if x\.sum\(\) > 0"):
        f(torch.ones(3))
    same(torch.ones(3) + 1, torch.full((3,), 2.0))  # nothing is left behind


def test_branches_on_chance():
    @torch.compile
    def f(x):
        return x + 1 if random.random() < 0.5 else x - 1

    random.seed(0)
    expected = [1.0 if random.random() < 0.5 else -1.0 for _ in range(12)]
    random.seed(0)
    assert [f(torch.zeros(())).item() for _ in range(12)] == expected


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_a_static_graph_refuses_pythons_chance(draw):
    @torch.compile(fullgraph=True)
    def f(x):
        return x + draw()

    with pytest.raises(RuntimeError, match="random numbers"):
        f(torch.zeros(2))


@both
def test_rushlights_random_numbers_go_on(fullgraph):
    def f(x):
        return F.dropout(x, 0.5) + torch.rand(4) + torch.randn(4) * torch.bernoulli(torch.full((4,), 0.5))

    compiled = torch.compile(f, fullgraph=fullgraph)
    torch.manual_seed(0)
    expected = [f(torch.ones(4)) for _ in range(4)]
    torch.manual_seed(0)
    for wanted in expected:
        same(compiled(torch.ones(4)), wanted)


SCALE = 2.0
TABLE = [1.0, 2.0]


@both
def test_changing_globals_attributes_and_closures(fullgraph):
    global SCALE
    factor = 3.0
    model = torch.nn.Linear(2, 2)
    model.gain = 1.0
    settings = {"shift": 0.5}

    def f(x):
        return model(x) * SCALE * factor * model.gain + settings["shift"] + sum(TABLE)

    compiled = torch.compile(f, fullgraph=fullgraph)
    x = torch.ones(1, 2)
    try:
        with torch.no_grad():
            for change in range(6):
                for _ in range(2):
                    same(compiled(x), f(x))
                if change == 0:
                    SCALE = 5.0
                elif change == 1:
                    factor = 7.0
                elif change == 2:
                    model.gain = -1.0
                elif change == 3:
                    settings["shift"] = 9.0
                elif change == 4:
                    TABLE.append(3.0)
    finally:
        SCALE = 2.0
        del TABLE[2:]


def test_growing_lists():
    seen = []

    def f(x):
        seen.append(len(seen))
        return x * len(seen)

    compiled = torch.compile(f)
    for n in range(1, 5):
        same(compiled(torch.ones(2)), torch.full((2,), float(n)))
    assert seen == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match=r"changes Python's state.*seen"):
        torch.compile(f, fullgraph=True)(torch.ones(2))


@both
def test_train_and_eval(fullgraph):
    model = a_model()
    compiled = torch.compile(lambda x: model(x), fullgraph=fullgraph)
    x = torch.randn(6, 12)
    for mode in (True, False, True, False):
        model.train(mode)
        twin = copy.deepcopy(model)
        with torch.no_grad():
            torch.manual_seed(3)
            expected = twin(x)
            torch.manual_seed(3)
            same(compiled(x), expected, 1e-5)
        same(model[1].running_mean, twin[1].running_mean)


@both
def test_grad_modes(fullgraph):
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: (x * w).sum(), fullgraph=fullgraph)
    for _ in range(2):
        assert compiled(torch.ones(3)).requires_grad
        with torch.no_grad():
            assert not compiled(torch.ones(3)).requires_grad
        with torch.inference_mode():
            assert compiled(torch.ones(3)).item() == 3.0


@both
def test_backward_outside(fullgraph):
    model = a_model().eval()
    compiled = torch.compile(model, fullgraph=fullgraph)
    twin = copy.deepcopy(model)
    for _ in range(3):
        x = torch.randn(5, 12)
        compiled(x).square().sum().backward()
        twin(x).square().sum().backward()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-5)


@both
def test_hooks(fullgraph):
    model = torch.nn.Linear(3, 3)
    x = torch.ones(2, 3)
    compiled = torch.compile(lambda x: model(x), fullgraph=fullgraph)
    with torch.no_grad():
        same(compiled(x), model(x))
        handle = model.register_forward_hook(lambda module, args, result: result * 2)
        same(compiled(x), model(x))
        handle.remove()
        same(compiled(x), model(x))


@both
def test_changes_of_arguments_and_closures_in_place(fullgraph):
    total = torch.zeros(3)

    def f(x):
        x.mul_(2)
        total.add_(x)
        view = total[1:]
        view += 10
        return total.clone()

    compiled = torch.compile(f, fullgraph=fullgraph)
    expected = np.zeros(3, np.float32)
    for n in range(4):
        x = torch.full((3,), float(n))
        result = compiled(x)
        expected += 2 * n
        expected[1:] += 10
        same(x, torch.full((3,), 2.0 * n))
        np.testing.assert_allclose(total.numpy(), expected)
        np.testing.assert_allclose(result.numpy(), expected)


def test_aliases_that_the_recording_did_not_meet():
    base = torch.zeros(4)
    alias, array = base.detach(), base.numpy()
    part = base[2:]

    @torch.compile
    def f(x):
        base.add_(x)
        before = array.copy()  # NumPy sees the change at once
        return before, part * 1, alias * 1

    for n in range(1, 4):
        before, tail, all_of_it = f(torch.ones(4))
        np.testing.assert_allclose(before, n)
        np.testing.assert_allclose(tail.numpy(), n)
        np.testing.assert_allclose(all_of_it.numpy(), n)


@both
def test_one_tensor_given_twice(fullgraph):
    def f(x, y):
        x.add_(1)
        return x * y

    compiled = torch.compile(f, fullgraph=fullgraph)
    for _ in range(2):
        x = torch.ones(2)
        same(compiled(x, x), torch.full((2,), 4.0))
        same(compiled(torch.ones(2), torch.ones(2)), torch.full((2,), 2.0))


@both
def test_minibatches_of_one_tensor(fullgraph):
    data = torch.arange(60.0).reshape(20, 3)
    compiled = torch.compile(lambda x: (x * 2).sum(1), fullgraph=fullgraph)
    for i in range(0, 20, 5):
        same(compiled(data[i : i + 5]), (data[i : i + 5] * 2).sum(1))
    same(compiled(data.t()[:, :3]), (data.t()[:, :3] * 2).sum(1))
    same(compiled(data[::4]), (data[::4] * 2).sum(1))


@both
def test_an_error_half_way_leaves_what_eager_mode_leaves(fullgraph):
    state = torch.zeros(2)

    def f(x):
        state.add_(x)
        raise KeyError("half-way")

    compiled = torch.compile(f, fullgraph=fullgraph)
    for n in (1, 2):
        with pytest.raises(KeyError):
            compiled(torch.ones(2))
        np.testing.assert_allclose(state.numpy(), n)


@both
def test_shapes_that_do_not_go_together_raise_as_in_eager_mode(fullgraph):
    compiled = torch.compile(lambda x, y: x @ y, fullgraph=fullgraph)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        compiled(torch.ones(2, 3), torch.ones(2, 3))
    assert compiled(torch.ones(2, 3), torch.ones(3, 2)).shape == (2, 2)


@both
def test_gradients_accumulate_over_calls(fullgraph):
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: (w * x).sum().backward(), fullgraph=fullgraph)
    for n in range(1, 5):
        compiled(torch.ones(3))
        np.testing.assert_allclose(w.grad.numpy(), n)
    w.grad = None
    compiled(torch.ones(3))
    np.testing.assert_allclose(w.grad.numpy(), 1)


@both
def test_saved_and_changed_raises(fullgraph):
    def f(x):
        y = x.exp()
        y.add_(1)
        y.sum().backward()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.compile(f, fullgraph=fullgraph)(torch.ones(2, requires_grad=True))


@both
def test_versions_go_up(fullgraph):
    x = torch.zeros(2)
    compiled = torch.compile(lambda: (x.add_(1), None)[1], fullgraph=fullgraph)
    for n in range(1, 4):
        compiled()
        assert x._version == n


@both
def test_results_of_every_call_are_their_own(fullgraph):
    compiled = torch.compile(lambda x: {"a": x + 1, "b": [x * 2, 7, "text"], "c": (x,)}, fullgraph=fullgraph)
    first = compiled(torch.zeros(2))
    second = compiled(torch.ones(2))
    same(first["a"], torch.ones(2))
    same(second["a"], torch.full((2,), 2.0))
    assert first["b"][1:] == [7, "text"]
    same(second["b"][0], torch.full((2,), 2.0))
    same(second["c"][0], torch.ones(2))


@both
def test_views_of_arguments_as_results(fullgraph):
    compiled = torch.compile(lambda x: [x.reshape(-1), x.detach(), x.t()[1:], x * 1], fullgraph=fullgraph)
    for layout in (lambda t: t, lambda t: t.t(), lambda t: t[:, ::2]):
        for n in range(3):
            x = layout(torch.arange(12.0).reshape(3, 4) + n)
            flat, same_memory, part, product = compiled(x)
            same(flat, x.reshape(-1))
            same(part, x.t()[1:])
            same(product, x)
            x.add_(100)
            same(same_memory, x)
            same(part, x.t()[1:])


def test_a_new_learning_rate_is_taken_up():
    for fullgraph in (False, True):
        w = torch.zeros(2, requires_grad=True)
        updates = torch.optim.SGD([w], lr=1.0)

        def step(x):
            updates.zero_grad()
            (w * x).sum().backward()
            updates.step()

        compiled = torch.compile(step, fullgraph=fullgraph)
        value = 0.0
        for lr in (1.0, 1.0, 0.5, 0.25, 0.25):
            updates.param_groups[0]["lr"] = lr
            compiled(torch.ones(2))
            value -= lr
            np.testing.assert_allclose(w.detach().numpy(), value)


def test_other_threads_are_not_recorded():
    import threading

    found = []

    def other():
        found.append((torch.ones(3) * 2).sum().item())

    def f(x):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return x + 1

    same(torch.compile(f)(torch.ones(2)), torch.full((2,), 2.0))
    assert found == [6.0]


def test_modules():
    model = a_model().eval()
    compiled = torch.compile(model)
    assert isinstance(compiled, torch.nn.Module)
    assert list(compiled.state_dict()) == [f"_orig_mod.{name}" for name in model.state_dict()]
    assert (
        compiled[0] is model[0]
        if hasattr(type(compiled), "__getitem__")
        else compiled._orig_mod[0] is model[0]
    )
    x = torch.randn(3, 12)
    with torch.no_grad():
        same(compiled(x), model(x), 1e-5)
    compiled.train()
    assert model.training


def test_arguments_of_compile():
    with pytest.raises(RuntimeError, match="Unrecognized mode"):
        torch.compile(lambda x: x, mode="fastest")
    with pytest.raises(RuntimeError, match="Invalid backend"):
        torch.compile(lambda x: x, backend="nonsense")
    with pytest.raises(TypeError):
        torch.compile(3)
    function = torch.compile(disable=True)(len)
    assert function is len

    @torch.compile(mode="reduce-overhead", dynamic=False)
    def named(x):
        """Documented."""
        return x

    assert named.__name__ == "named"
    assert named.__doc__ == "Documented."


def resident_pages():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1])


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
@both
def test_memory_stays_flat(fullgraph):
    model = a_model()
    updates = torch.optim.Adam(model.parameters(), 1e-6)

    @torch.compile(fullgraph=fullgraph)
    def step(x, y):
        updates.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        updates.step()
        return loss.item()

    x, y = torch.randn(64, 12), torch.randint(0, 4, (64,))
    for _ in range(50):
        step(x, y)
    before = resident_pages()
    for _ in range(400):
        step(x, y)
    # One leaked batch a step would be 400 · 3 kB = 300 pages.
    assert resident_pages() - before < 150


@both
def test_threads_share_a_model(fullgraph):
    import threading

    model = a_model().eval()
    compiled = torch.compile(model, fullgraph=fullgraph)
    inputs = [torch.randn(5, 12) for _ in range(4)]
    with torch.no_grad():
        expected = [model(x) for x in inputs]
    wrong = []

    def work(number, function):
        with torch.no_grad():
            for _ in range(40):
                result = function(inputs[number])
                if not np.allclose(result.numpy(), expected[number].numpy(), rtol=1e-5, atol=1e-6):
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(i, compiled if i % 2 else model)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert all(type(p._array) is np.ndarray for p in model.parameters())


def test_values_that_follow_from_constants_are_known():
    @torch.compile(fullgraph=True)
    def f(x):
        rows = int(torch.tensor(x.shape).prod() // 2)
        extent = torch.zeros(2)
        extent[0] = x.shape[0]
        return x.reshape(rows, -1) * extent.tolist()[0]

    for n in (2, 4, 2):
        x = torch.randn(n, 2)
        same(f(x), x.reshape(n, -1) * n)


def test_values_that_are_drawn_or_given_are_not_known():  # small state is: test_branches_on_state.py
    for function in (
        lambda x: int(torch.rand(1)),
        int,
        lambda x: int(torch.zeros(1) + x),
    ):
        with pytest.raises(RuntimeError, match="value of a tensor is needed"):
            torch.compile(function, fullgraph=True)(torch.ones(1))


def test_other_methods_are_compiled_with_a_module_s_options() -> None:
    import rushlight as torch

    class Net(torch.nn.Module):
        def forward(self, x):
            return x * 2

        def training_step(self, x):
            return self(x) + 1

    net = Net()
    compiled = torch.compile(net, fullgraph=True)
    assert compiled.dynamo_ctx(net.training_step)(torch.ones(2)).tolist() == [3, 3]
