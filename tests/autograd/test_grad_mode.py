"""no_grad, enable_grad, set_grad_enabled, inference_mode."""

from __future__ import annotations

import contextvars
import threading

import pytest

import rushlight as torch


def leaf(*values: float):
    return torch.tensor(values, requires_grad=True)


MODES = {
    "no_grad": (torch.no_grad, False),
    "enable_grad": (torch.enable_grad, True),
    "off": (lambda: torch.set_grad_enabled(False), False),
    "on": (lambda: torch.set_grad_enabled(True), True),
}


@pytest.fixture(autouse=True)
def modes_are_left_as_they_were():
    yield
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(("make", "on"), MODES.values(), ids=MODES.keys())
@pytest.mark.parametrize("outer", [True, False])
def test_as_context_manager(make, on, outer):
    x = leaf(1.0)
    with torch.set_grad_enabled(outer):
        with make():
            assert torch.is_grad_enabled() == on
            assert (x * 2).requires_grad == on
        assert torch.is_grad_enabled() == outer
        with pytest.raises(KeyError), make():
            raise KeyError
        assert torch.is_grad_enabled() == outer


@pytest.mark.parametrize(("make", "on"), MODES.values(), ids=MODES.keys())
@pytest.mark.parametrize("outer", [True, False])
def test_as_decorator(make, on, outer):
    with torch.set_grad_enabled(outer):

        @make()
        def decorated(a, *, b):
            """Its text."""
            return torch.is_grad_enabled(), a, b

        assert torch.is_grad_enabled() == outer
        assert decorated(1, b=2) == (on, 1, 2)
        assert torch.is_grad_enabled() == outer
        assert decorated.__name__ == "decorated" and decorated.__doc__ == "Its text."


def test_as_decorator_without_parentheses():
    @torch.no_grad
    def off():
        return torch.is_grad_enabled()

    @torch.enable_grad
    def on():
        return torch.is_grad_enabled()

    @torch.inference_mode
    def inference():
        return torch.is_inference_mode_enabled()

    assert off() is False
    with torch.no_grad():
        assert on() is True
    assert inference() is True


def test_a_decorated_function_may_call_itself():
    @torch.no_grad()
    def descend(n):
        assert not torch.is_grad_enabled()
        return n if n == 0 else descend(n - 1)

    assert descend(5) == 0


@pytest.mark.parametrize(("make", "on"), MODES.values(), ids=MODES.keys())
def test_on_generators(make, on):
    log = []

    @make()
    def steps():
        try:
            got = yield torch.is_grad_enabled()
            while got != "stop":
                try:
                    got = yield (got, torch.is_grad_enabled())
                except KeyError:
                    got = yield ("caught", torch.is_grad_enabled())
            return "end"
        finally:
            log.append(torch.is_grad_enabled())

    for outer in (True, False):
        with torch.set_grad_enabled(outer):
            generator = steps()
            assert next(generator) == on
            assert torch.is_grad_enabled() == outer
            assert generator.send("a") == ("a", on)
            assert generator.throw(KeyError()) == ("caught", on)
            assert torch.is_grad_enabled() == outer
            with pytest.raises(StopIteration) as stop:
                generator.send("stop")
            assert stop.value.value == "end"
            another = steps()
            next(another)
            another.close()
            with pytest.raises(ValueError, match="out"):
                failing = steps()
                next(failing)
                failing.throw(ValueError("out"))
            assert torch.is_grad_enabled() == outer
    assert log == [on] * 6


def test_one_object_may_be_entered_again():
    mode = torch.no_grad()
    with mode:
        with mode:
            assert not torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_set_grad_enabled_acts_at_once():
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    assert torch.is_grad_enabled()
    for wrong in (1, "yes", None):
        with pytest.raises(TypeError, match="must be bool"):
            torch.set_grad_enabled(wrong)
    assert repr(torch.set_grad_enabled(True)) == "torch.autograd.grad_mode.set_grad_enabled(mode=True)"


def test_decorating_a_class_is_deprecated():
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @torch.no_grad()
        class Made:
            def __init__(self):
                self.mode = torch.is_grad_enabled()

    assert Made().mode is False


def test_modes_belong_to_their_thread():
    seen = []

    def work():
        seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        torch.set_grad_enabled(False)

    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert seen == [(True, False)] * 2
    assert torch.is_grad_enabled()


def test_modes_belong_to_their_context():
    def within():
        torch.set_grad_enabled(False)
        return torch.is_grad_enabled()

    assert contextvars.copy_context().run(within) is False
    assert torch.is_grad_enabled()


# --- inference mode ---------------------------------------------------------------------------------------------------


def inference_tensor(*values: float):
    with torch.inference_mode():
        return torch.tensor(values)


def test_results_in_inference_mode():
    x = leaf(1.0, 2.0)
    with torch.inference_mode():
        y = x * 2
        made = torch.ones(2)
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        assert made.is_inference() and y.is_inference() and torch.is_inference(y)
        assert made[0].is_inference() and made.detach().is_inference()
        assert not x.is_inference() and not x.view(-1).is_inference()
        made.add_(1)
        made[0] = 7.0
        with torch.no_grad():
            made.mul_(2)
    assert not y.requires_grad
    assert made.tolist() == [14.0, 4.0]
    assert made[0].is_inference()
    assert not (made + 1).is_inference() and not made.clone().is_inference()
    assert not torch.ones(2).is_inference()


def test_inference_tensors_can_be_read_outside():
    y = inference_tensor(1.0, 2.0)
    assert (y * 2).tolist() == [2.0, 4.0]
    x = leaf(1.0, 2.0)
    (x + y).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    (x * y.clone()).sum().backward()
    assert x.grad.tolist() == [2.0, 3.0]


def test_inference_tensors_cannot_be_saved_for_backward():
    y = inference_tensor(1.0, 2.0)
    x = leaf(1.0, 2.0)

    class Save(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g, None

    for use in (
        lambda: x * y,
        lambda: y * x,
        lambda: x.view(1, 2).mm(y.view(2, 1)),
        lambda: Save.apply(x, y),
    ):
        with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
            use()


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.add_(1),
        lambda y: y.mul_(torch.ones(2)),
        lambda y: y.exp_(),
        lambda y: y.zero_(),
        lambda y: y[0].add_(1),
        lambda y: y.__setitem__(0, 5.0),
        lambda y: y.add_(leaf(1.0, 2.0)),
    ],
)
def test_inference_tensors_cannot_be_changed_outside(change):
    y = inference_tensor(1.0, 2.0)
    with pytest.raises(
        RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"
    ):
        change(y)
    assert y.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "change", [lambda y: y.fill_(3.0), lambda y: y.copy_(torch.ones(2)), lambda y: torch.add(y, 1, out=y)]
)
def test_every_change_of_an_inference_tensor_is_refused(change):
    with pytest.raises(
        RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"
    ):
        change(inference_tensor(1.0, 2.0))


def test_inference_tensors_cannot_start_to_require_grad_outside():
    y = inference_tensor(1.0)
    with pytest.raises(
        RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"
    ):
        y.requires_grad_()
    with pytest.raises(
        RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"
    ):
        y.requires_grad = True
    y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="do not track version counter"):
        _ = y._version
    torch.autograd.graph.increment_version(y)  # there is nothing to count


def test_normal_tensors_in_inference_mode():
    x = leaf(1.0, 2.0)
    y = x * 1
    square = y * y
    with torch.inference_mode():
        y.add_(1)
        with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
            (x * 2).sum().backward()
    assert y._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        square.sum().backward()


def test_leaving_inference_mode_within():
    x = leaf(1.0)
    with torch.inference_mode():
        with torch.inference_mode(False):
            y = x * 2
            assert not y.is_inference() and y.requires_grad
        with torch.inference_mode(mode=False), torch.no_grad():
            assert not (x * 2).requires_grad
        assert (x * 2).is_inference()
        with torch.enable_grad():  # inference mode wins
            assert (x * 2).is_inference() and not (x * 2).requires_grad
        with torch.set_grad_enabled(True):
            assert not (x * 2).requires_grad
    y.backward()


def test_other_threads_do_not_make_inference_tensors():
    ready, done = threading.Event(), threading.Event()
    seen = []

    def work():
        ready.wait(10)
        seen.append(torch.ones(1).is_inference())
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with torch.inference_mode():
        ready.set()
        assert done.wait(10)
    thread.join()
    assert seen == [False]


def test_inference_mode_on_generators():
    @torch.inference_mode()
    def steps():
        for _ in range(2):
            yield torch.ones(1)

    generator = steps()
    assert next(generator).is_inference()
    assert not torch.ones(1).is_inference()
    assert next(generator).is_inference()
    generator.close()
    assert not torch.ones(1).is_inference()
