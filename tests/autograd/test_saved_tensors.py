"""saved_tensors_hooks and what builds on them; increment_version."""

from __future__ import annotations

import threading

import pytest

import rushlight as torch
from rushlight.autograd.graph import (
    disable_saved_tensors_hooks,
    increment_version,
    save_on_cpu,
    saved_tensors_hooks,
)
from rushlight.core.history import Node


def leaf(*values: float):
    return torch.tensor(values, requires_grad=True)


class Recorder:
    def __init__(self):
        self.packed = []
        self.unpacked = 0

    def pack(self, tensor):
        assert isinstance(tensor, torch.Tensor) and not torch.is_grad_enabled()
        self.packed.append(tensor.tolist())
        return tensor.tolist(), tensor.dtype

    def unpack(self, content):
        self.unpacked += 1
        return torch.tensor(content[0], dtype=content[1])

    @property
    def hooks(self):
        return saved_tensors_hooks(self.pack, self.unpack)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x * x
        ctx.save_for_backward(x, None, y)
        return y, x * y

    @staticmethod
    def backward(ctx, gy, gz):
        x, _, y = ctx.saved_tensors
        return 2 * x * gy + 3 * y * gz


PROGRAMS = {
    "inputs": lambda x: x * x,
    "result": lambda x: x.exp(),
    "both": lambda x: (x.exp() * x).sigmoid().tanh(),
    "number": lambda x: x * 3.0,
    "nothing": lambda x: x + 1,
    "function": lambda x: Cube.apply(x)[0] * Cube.apply(x)[1],
    "matmul": lambda x: x.view(1, 2).mm(x.view(2, 1)),
    "in place": lambda x: (x * 1).mul_(2).add_(x).exp_(),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_gradients_are_the_same(program):
    plain, hooked = leaf(0.5, 1.5), leaf(0.5, 1.5)
    program(plain).sum().backward()
    recorder = Recorder()
    with recorder.hooks:
        y = program(hooked).sum()
    packed = len(recorder.packed)
    y.backward()
    assert hooked.grad.tolist() == plain.grad.tolist()
    assert len(recorder.packed) == packed
    assert recorder.unpacked == packed


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_second_order_goes_through_what_was_unpacked(program):
    results = []
    for hooked in (False, True):
        x = leaf(0.5, 1.5)
        recorder = Recorder()
        if hooked:
            with recorder.hooks:
                y = program(x).sum()
        else:
            y = program(x).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        second = torch.autograd.grad(g.sum(), x)[0].tolist() if g.requires_grad else None
        results.append((g.tolist(), second))
    assert results[0] == results[1]


def test_what_is_packed():
    x, w = leaf(1.0), torch.tensor([3.0])
    recorder = Recorder()
    with recorder.hooks:
        x * w
        x.exp()
        x + w
    assert recorder.packed == [[3.0], [x.exp().item()]]
    (x * w).exp()
    assert len(recorder.packed) == 2


def test_the_saved_tensor_itself_is_packed():
    x, w, seen = leaf(1.0), torch.nn.Parameter(torch.ones(1)), []
    with saved_tensors_hooks(lambda t: seen.append(t) or t, lambda t: t):
        y = x * w
        Cube.apply(y)
    assert seen[0] is w and seen[1] is x and seen[2] is y  # mul saves its second operand first
    y.backward()
    assert x.grad is not None and w.grad is not None


def test_the_innermost_hooks_count():
    outer, inner = Recorder(), Recorder()
    x = leaf(2.0)
    with outer.hooks:
        with inner.hooks:
            x * x
        x.exp()
    assert (len(inner.packed), len(outer.packed)) == (2, 1)


def test_operations_in_the_hooks_are_not_hooked_nor_recorded():
    calls = []

    def pack(tensor):
        calls.append(torch.is_grad_enabled())
        return (tensor * tensor).exp()

    x = leaf(1.0)
    with saved_tensors_hooks(pack, lambda t: t.log().sqrt()):
        y = x * x
    assert calls == [False, False]
    y.backward()
    assert x.grad.item() == pytest.approx(2.0, rel=1e-6)


def test_freed_and_changed_values():
    x = leaf(1.0)
    recorder = Recorder()
    with recorder.hooks:
        y = x.exp() * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        y.backward()


def test_bad_hooks():
    x = leaf(1.0)
    with saved_tensors_hooks(lambda t: t, lambda packed: 3):
        y = x * x
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.backward()
    modifying = saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t)
    with pytest.raises(RuntimeError, match="pack hook is modifying its input in place"), modifying:
        x * x
    with pytest.raises(ZeroDivisionError), saved_tensors_hooks(lambda t: 1 / 0, lambda t: t):
        x * x
    (x * x).backward()
    assert x.grad is not None


def test_save_on_cpu():
    x = leaf(2.0)
    with save_on_cpu(pin_memory=True):
        y = x * x
    y.backward()
    assert x.grad.item() == 4.0


def test_disable_saved_tensors_hooks():
    with disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        saved_tensors_hooks(lambda t: t, lambda t: t).__enter__()
    with Recorder().hooks, pytest.raises(RuntimeError, match="nor here"):
        disable_saved_tensors_hooks("nor here").__enter__()
    with Recorder().hooks:
        pass


def test_hooks_belong_to_their_thread_and_leave_nothing():
    code = Node.__init__.__code__
    recorder = Recorder()

    def work():
        (leaf(1.0) * leaf(2.0)).backward()

    with recorder.hooks:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert recorder.packed == []
    assert Node.__init__.__code__ is code


def test_increment_version():
    x = leaf(1.0)
    y = x * 2
    z = y * y
    increment_version(y)
    assert y._version == 1
    increment_version([y, y])
    assert y._version == 3
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


@pytest.mark.parametrize(
    ("operation", "shapes"),
    [("mul", [(3,), (3,)]), ("div", [(3,), (3,)]), ("mm", [(3, 4), (4, 5)]), ("bmm", [(2, 3, 4), (2, 4, 5)]),
     ("matmul", [(2, 3, 4), (2, 4, 5)]), ("pow", [(3,), (3,)]), ("atan2", [(3,), (3,)]), ("hypot", [(3,), (3,)]),
     ("maximum", [(3,), (3,)]), ("dot", [(3,), (3,)]), ("mv", [(3, 4), (4,)])],
)  # fmt: skip
def test_hooks_see_the_operands_in_pytorchs_order(operation: str, shapes: list[tuple[int, ...]]) -> None:
    oracle = pytest.importorskip("torch")

    def seen(module):
        operands = [
            (module.arange(1.0, 1.0 + int(module.zeros(shape).numel())).reshape(shape) + i).requires_grad_()
            for i, shape in enumerate(shapes)
        ]
        packed, unpacked = [], []

        def pack(tensor):
            packed.append(tensor.tolist())
            return tensor

        def unpack(tensor):
            unpacked.append(tensor.tolist())
            return tensor

        with module.autograd.graph.saved_tensors_hooks(pack, unpack):
            result = getattr(module, operation)(*operands)
        result.sum().backward()
        # The operands alone: not every result that is saved is saved there, too.
        given = [operand.tolist() for operand in operands]
        return [given.index(v) for v in packed if v in given], [
            given.index(v) for v in unpacked if v in given
        ]

    assert seen(torch) == seen(oracle)
