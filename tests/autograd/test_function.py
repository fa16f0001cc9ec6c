"""autograd.Function: both styles, everything that ctx can do, and what goes wrong."""

from __future__ import annotations

import gc
import weakref

import pytest

import rushlight as torch
from rushlight.autograd import Function
from rushlight.autograd.function import FunctionCtx, InplaceFunction, once_differentiable


def leaf(*values: float):
    return torch.tensor(values, requires_grad=True)


def make(forward, backward=None, **members):
    if backward is not None:
        members["backward"] = staticmethod(backward)
    return type("Made", (Function,), {"forward": staticmethod(forward), **members})


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient


# --- forward and backward ---------------------------------------------------------------------------------------------


def test_gradient_and_its_gradient():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Square.apply, x)
    assert torch.autograd.gradgradcheck(Square.apply, x)


def test_nothing_is_recorded_in_forward():
    def forward(ctx, x):
        assert not torch.is_grad_enabled()
        assert x.requires_grad
        assert not (x * 2).requires_grad
        return x * 2

    assert make(forward, lambda ctx, g: g * 2).apply(leaf(1.0)).requires_grad
    assert torch.is_grad_enabled()


def test_grad_mode_is_restored_when_forward_fails():
    def forward(ctx, x):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        make(forward).apply(leaf(1.0))
    assert torch.is_grad_enabled()


def test_grad_mode_in_backward_is_create_graph():
    modes = []

    def backward(ctx, gradient):
        modes.append(torch.is_grad_enabled())
        return gradient

    x = leaf(1.0)
    double = make(lambda ctx, x: x * 1, backward)
    double.apply(x).backward()
    torch.autograd.grad(double.apply(x), x, create_graph=True)
    assert modes == [False, True]


def test_setup_context():
    class Scale(Function):
        @staticmethod
        def forward(x, factor=3.0):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.factor = inputs
            ctx.save_for_backward(x, output)

        @staticmethod
        def backward(ctx, gradient):
            x, output = ctx.saved_tensors
            assert output.tolist() == (x * ctx.factor).tolist()
            return gradient * ctx.factor, None

    x = leaf(1.0, 2.0)
    Scale.apply(x, 2.0).sum().backward()
    Scale.apply(x).sum().backward()
    Scale.apply(x, factor=4.0).sum().backward()
    assert x.grad.tolist() == [9.0, 9.0]
    with pytest.raises(TypeError):
        Scale.apply(x, 1.0, 2.0)


def test_ctx_takes_any_attribute_name():
    names = [
        "shape",
        "dtype",
        "saved",
        "edges",
        "operation",
        "output",
        "attrs",
        "order",
        "special",
        "versions",
        "site",
        "x",
    ]

    def forward(ctx, x):
        for i, name in enumerate(names):
            setattr(ctx, name, i)
        return x * 2

    def backward(ctx, gradient):
        assert [getattr(ctx, name) for name in names] == list(range(len(names)))
        return gradient * 2

    x = leaf(1.0)
    y = make(forward, backward).apply(x)
    y.backward()
    assert x.grad.item() == 2.0
    assert y.grad_fn.x == names.index("x")
    with pytest.raises(AttributeError):
        _ = y.grad_fn.nothing_of_that_name


def test_needs_input_grad():
    seen = []

    def forward(ctx, a, b, c, d):
        seen.append(ctx.needs_input_grad)
        return a * b

    def backward(ctx, gradient):
        seen.append(ctx.needs_input_grad)
        return gradient, None, None, None

    make(forward, backward).apply(leaf(1.0), torch.ones(1), 3, leaf(2.0)).backward()
    assert seen == [(True, False, False, True)] * 2


def test_results_that_are_not_tensors_pass_through():
    got = []

    def backward(ctx, *gradients):
        got.extend(gradients)
        return gradients[0]

    made = make(lambda ctx, x: (x * 2, 3, "a", None), backward)
    result = made.apply(leaf(1.0))
    assert result[1:] == (3, "a", None)
    result[0].backward()
    assert got[1:] == [None, None, None]
    assert make(lambda ctx, x: 7).apply(leaf(1.0)) == 7
    assert make(lambda ctx, x: None).apply(leaf(1.0)) is None


def test_a_tuple_of_one():
    result = make(lambda ctx, x: (x * 2,), lambda ctx, g: g * 2).apply(leaf(1.0))
    assert isinstance(result, tuple)
    result[0].backward()


def test_several_results_and_missing_gradients():
    got = []

    def backward(ctx, a, b):
        got.append((a, b))
        return a if b is None else b

    made = make(lambda ctx, x: (x * 2, x * 3), backward)
    x = leaf(1.0)
    made.apply(x)[1].backward()
    assert [g.tolist() for g in got[0]] == [[0.0], [1.0]]

    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    got.clear()
    make(forward, backward).apply(x)[0].backward()
    assert got[0][0].tolist() == [1.0] and got[0][1] is None


def test_backward_runs_with_zeros_where_no_gradient_arrives():
    got = []

    def backward(ctx, gradient):
        got.append(gradient.tolist())
        return gradient

    inner = make(lambda ctx, x: x * 1, backward)
    nothing = make(lambda ctx, x: x * 1, lambda ctx, g: None)
    nothing.apply(inner.apply(leaf(1.0, 2.0))).sum().backward()
    assert got == [[0.0, 0.0]]


def test_saved_results_have_the_functions_history():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, gradient):
            (y,) = ctx.saved_tensors
            return gradient * y

    x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(Exp.apply, x)


def test_saved_results_of_several_have_their_own_history():
    class Pair(Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x.exp(), x * x
            ctx.save_for_backward(x, a, b)
            return a, b

        @staticmethod
        def backward(ctx, ga, gb):
            x, a, b = ctx.saved_tensors
            return ga * a + gb * 2 * x + 0 * b

    x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Pair.apply, x)
    assert torch.autograd.gradgradcheck(Pair.apply, x)


def test_gradients_reach_a_result_through_what_was_saved_of_it():
    """The saved result is the result, also for hooks and for those who ask for its gradient."""

    class Pair(Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x * 2, x * 3
            ctx.save_for_backward(a)
            return a, b

        @staticmethod
        def backward(ctx, ga, gb):
            (a,) = ctx.saved_tensors
            return a * a * gb

    x = leaf(5.0)
    a, b = Pair.apply(x)
    seen = []
    a.register_hook(lambda g: seen.append(g.item()))
    (g,) = torch.autograd.grad(b, x, create_graph=True)
    assert torch.autograd.grad(g, a, retain_graph=True)[0].item() == 20.0
    del a
    g.backward()
    assert seen == [20.0, 20.0]


def test_vjp_may_stand_for_backward():
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, gradient):
            return gradient * 2

    x = leaf(1.0)
    Twice.apply(x).backward()
    assert x.grad.item() == 2.0
    both = make(lambda ctx, x: x * 1, lambda ctx, g: g, vjp=staticmethod(lambda ctx, g: g))
    with pytest.raises(RuntimeError, match="Implementing both"):
        both.apply(x).backward()


def test_without_gradients_nothing_is_recorded():
    y = Square.apply(torch.ones(1))
    assert not y.requires_grad and y.grad_fn is None
    with torch.no_grad():
        assert not Square.apply(leaf(1.0)).requires_grad


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        @once_differentiable
        def backward(ctx, gradient):
            assert not torch.is_grad_enabled()
            return gradient * 2

    x, w = leaf(1.0), leaf(3.0)
    (g,) = torch.autograd.grad(Once.apply(x) * w, x, create_graph=True)
    assert g.tolist() == [6.0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_names():
    y = Square.apply(leaf(1.0))
    assert y.grad_fn.name() == "SquareBackward"
    assert type(y.grad_fn).__name__ == "SquareBackward"
    assert "SquareBackward" in repr(y)
    assert isinstance(y.grad_fn, torch.autograd.graph.Node)
    assert y.grad_fn.saved_tensors[0].tolist() == [1.0]
    assert issubclass(Square._backward_cls, FunctionCtx)


def test_arguments_that_are_not_tensors_have_no_edge():
    x, y = leaf(1.0), leaf(2.0)
    node = make(lambda ctx, a, x, b, y: x * y, lambda ctx, g: (None, g, None, g)).apply(3, x, "b", y).grad_fn
    assert len(node.next_functions) == 2


# --- inputs as outputs, changes in place ------------------------------------------------------------------------------


def test_an_input_as_output_is_a_view_of_it():
    x = leaf(1.0)
    y = make(lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    assert y is not x and y._is_view() and y._base is x
    y.backward()
    assert x.grad.item() == 5.0


@pytest.mark.parametrize("forward", [lambda ctx, x: x, lambda ctx, x: x.view(-1)], ids=["input", "view"])
def test_a_view_made_in_forward_cannot_be_changed(forward):
    z = leaf(1.0) * 1
    y = make(forward, lambda ctx, g: g).apply(z)
    with pytest.raises(RuntimeError, match="Output 0 of Made is a view and is being modified inplace"):
        y.mul_(2)


def dirty(ctx, x):
    x.mul_(3)
    ctx.mark_dirty(x)
    return x


def test_mark_dirty():
    x = leaf(1.0, 2.0)
    z = x * 1
    out = make(dirty, lambda ctx, g: g * 3).apply(z)
    assert out is z
    assert z.grad_fn.name() == "MadeBackward"
    z.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_mark_dirty_of_a_view_changes_the_base():
    x = leaf(1.0, 2.0)
    z = x * 1
    make(dirty, lambda ctx, g: g * 3).apply(z[:1])
    z.sum().backward()
    assert z.tolist() == [3.0, 2.0]
    assert x.grad.tolist() == [3.0, 1.0]


def test_mark_dirty_errors():
    made = make(dirty, lambda ctx, g: g * 3)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        made.apply(leaf(1.0))

    def not_returned(ctx, x):
        ctx.mark_dirty(x)
        return x * 1

    with pytest.raises(RuntimeError, match="must all be outputs"):
        make(not_returned, lambda ctx, g: g).apply(leaf(1.0) * 1)

    def number(ctx, x):
        ctx.mark_dirty(3)
        return x * 1

    with pytest.raises(RuntimeError, match="mark_dirty can only accept variables"):
        make(number, lambda ctx, g: g).apply(leaf(1.0) * 1)


def test_a_dirty_tensor_that_was_saved_before_is_noticed():
    x = leaf(1.0, 2.0)
    z = x * 1
    y = z * z
    make(dirty, lambda ctx, g: g * 3).apply(z)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_saving_a_dirty_input_saves_its_new_value():
    def forward(ctx, x):
        x.mul_(3)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    seen = []

    def backward(ctx, g):
        seen.append(ctx.saved_tensors[0].tolist())
        return g * 3

    make(forward, backward).apply(leaf(1.0) * 1).backward()
    assert seen == [[3.0]]


def test_mark_non_differentiable():
    got = []

    def forward(ctx, x):
        mask, twice = x > 0, x * 2
        ctx.mark_non_differentiable(mask, twice)
        return x * 1, mask, twice

    def backward(ctx, *gradients):
        got.extend(gradients)
        return gradients[0]

    y, mask, twice = make(forward, backward).apply(leaf(1.0))
    assert (y.requires_grad, mask.requires_grad, twice.requires_grad) == (True, False, False)
    y.backward()
    assert [g.tolist() for g in got] == [[1.0], [False], [0.0]]


# --- saved tensors ----------------------------------------------------------------------------------------------------


def test_changed_saved_tensors_are_noticed():
    x = leaf(1.0)
    y = Square.apply(x)
    with torch.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        y.backward()
    assert "Square.apply(x)" in str(caught.value) and "x.mul_(2)" in str(caught.value)


def test_changed_results_are_noticed():
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    y = make(forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(leaf(1.0))
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_what_is_not_read_may_change():
    x = leaf(1.0)
    y = make(Square.forward, lambda ctx, g: g).apply(x)
    with torch.no_grad():
        x.mul_(2)
    y.backward()
    assert x.grad.item() == 1.0


def test_freed_saved_tensors():
    x = leaf(1.0)
    y = Square.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        _ = y.grad_fn.saved_tensors


def test_none_can_be_saved():
    def forward(ctx, x):
        ctx.save_for_backward(None, x, None)
        return x * 1

    def backward(ctx, g):
        a, x, b = ctx.saved_tensors
        assert a is None and b is None and x is not None
        return g

    make(forward, backward).apply(leaf(1.0)).backward()


def test_only_tensors_can_be_saved():
    def forward(ctx, x):
        ctx.save_for_backward(3)
        return x * 1

    with pytest.raises(
        TypeError, match="save_for_backward can only save variables, but argument 0 is of type int"
    ):
        make(forward, lambda ctx, g: g).apply(leaf(1.0))


def test_saving_makes_no_cycle():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            _, y = ctx.saved_tensors
            return g * y

    gc.collect()
    gc.disable()
    try:
        y = Both.apply(leaf(1.0))
        alive = weakref.ref(y)
        y.backward(retain_graph=True)
        del y
        assert alive() is None
    finally:
        gc.enable()


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda g: (g, g), r"returned an incorrect number of gradients \(expected 1, got 2\)"),
        (lambda g: (), r"returned an incorrect number of gradients \(expected 1, got 0\)"),
        (
            lambda g: torch.ones(2),
            r"invalid gradient at index 0 - got \[2\] but expected shape compatible with \[3\]",
        ),
        (
            lambda g: torch.ones(()),
            r"invalid gradient at index 0 - got \[\] but expected shape compatible with \[3\]",
        ),
        (lambda g: 3, r"expected Variable or None \(got int\)"),
        (lambda g: [g], r"expected Variable or None \(got list\)"),
    ],
)
def test_wrong_gradients(returned, message):
    made = make(lambda ctx, x: x * 1, lambda ctx, g: returned(g))
    with pytest.raises(RuntimeError, match=message):
        made.apply(leaf(1.0, 2.0, 3.0)).sum().backward()


def test_gradients_may_have_a_broadcast_shape_another_dtype_and_trailing_nones():
    x = leaf(1.0, 2.0, 3.0)
    made = make(lambda ctx, x: x * 1, lambda ctx, g: (torch.ones(2, 3, dtype=torch.float64), None, None))
    made.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0] * 3 and x.grad.dtype == torch.float32


def test_missing_methods():
    x = leaf(1.0)
    with pytest.raises(NotImplementedError, match="must implement the forward function"):
        type("Empty", (Function,), {}).apply(x)
    with pytest.raises(NotImplementedError, match="either the backward or vjp method"):
        make(lambda ctx, x: x * 1).apply(x).backward()
    with pytest.raises(NotImplementedError):
        Function.forward(None, x)
    with pytest.raises(NotImplementedError):
        Function.backward(None, x)


def test_instances():
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        made = Square()
    with pytest.raises(RuntimeError, match="Legacy autograd function"):
        made(leaf(1.0))
    with pytest.warns(DeprecationWarning):
        assert InplaceFunction(inplace=True).inplace


# --- hooks ------------------------------------------------------------------------------------------------------------


def test_hooks_on_a_functions_node():
    seen = []
    x = leaf(1.0)
    y = Square.apply(x)
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 10,))
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs[0].item(), outputs[0].item())))
    y.backward()
    assert seen == [(20.0, 10.0)]
