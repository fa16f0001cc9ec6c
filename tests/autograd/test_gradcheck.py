"""gradcheck and gradgradcheck: they accept right gradients and find wrong ones."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.autograd.gradcheck import GradcheckError


def leaf(*shape: int, dtype=torch.float64, seed=0):
    values = torch.arange(1, 1 + max(1, torch.zeros(shape).numel()), dtype=torch.float64) / 7 - 0.8 + seed
    values = values[: torch.zeros(shape).numel()].reshape(shape)
    return values.to(dtype).requires_grad_()


def function(forward, backward):
    return type(
        "Made",
        (torch.autograd.Function,),
        {"forward": staticmethod(forward), "backward": staticmethod(backward)},
    ).apply


def save_and(compute):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return compute(x)

    return forward


RIGHT = {
    "one": (lambda x: x * x, [leaf(3)]),
    "two inputs": (lambda x, y: x * y.exp(), [leaf(3), leaf(2, 3)]),
    "two outputs": (lambda x: (x * x, x.sum()), [leaf(3)]),
    "partly": (lambda x, n, y: x * n + y, [leaf(2), 3, torch.ones(2)]),
    "scalar": (lambda x: x * x, [leaf()]),
    "empty": (lambda x: x * x, [leaf(0, 3)]),
    "empty output": (lambda x: x[:0], [leaf(3)]),
    "constant": (lambda x: torch.ones(2, dtype=torch.float64), [leaf(3)]),
    "unused": (lambda x, y: x * 2, [leaf(3), leaf(2)]),
    "not contiguous": (lambda x: x * x, [leaf(2, 3).detach().t().requires_grad_()]),
    "intermediate": (lambda x: x * x, [leaf(3) * 2]),
    "linear": (lambda x: x * 3, [leaf(3)]),
    "identity": (lambda x: x, [leaf(3)]),
    "in place": (lambda x: (x * 1).mul_(x), [leaf(3)]),
    "mixed output": (lambda x: (x * x, x > 0), [leaf(3)]),
}


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize(("func", "inputs"), RIGHT.values(), ids=RIGHT.keys())
def test_right_gradients_pass(func, inputs, fast_mode):
    before = [i.tolist() if isinstance(i, torch.Tensor) else i for i in inputs]
    assert gradcheck(func, inputs, fast_mode=fast_mode)
    assert gradgradcheck(func, inputs, fast_mode=fast_mode)
    assert gradgradcheck(func, inputs, gen_non_contig_grad_outputs=True, fast_mode=fast_mode)
    assert [i.tolist() if isinstance(i, torch.Tensor) else i for i in inputs] == before


def complex_leaf(*shape: int):
    real = leaf(*shape).detach()
    return (real + 1j * (real * real - 0.5)).requires_grad_()


COMPLEX = {
    "square": (lambda z: z * z, [complex_leaf(2)]),
    "conjugate": (lambda z: z.conj() * z, [complex_leaf(2)]),
    "to real": (lambda z: z.abs(), [complex_leaf(2)]),
    "from real": (lambda x, z: x * z, [leaf(2), complex_leaf(2)]),
    "exp": (lambda z: z.exp(), [complex_leaf(3)]),
}


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize(("func", "inputs"), COMPLEX.values(), ids=COMPLEX.keys())
def test_complex_gradients(func, inputs, fast_mode):
    assert gradcheck(func, inputs, fast_mode=fast_mode)
    assert gradgradcheck(func, inputs, fast_mode=fast_mode)


WRONG = {
    "factor": function(save_and(lambda x: x * x), lambda ctx, g: 3 * ctx.saved_tensors[0] * g),
    "sign of one element": function(
        save_and(lambda x: x * x), lambda ctx, g: g * torch.tensor([2.0, 2.0, -2.0]) * ctx.saved_tensors[0]
    ),
    "complex conjugate": function(save_and(lambda z: z * z), lambda ctx, g: 2 * ctx.saved_tensors[0] * g),
    "none": function(lambda ctx, x: x * 2, lambda ctx, g: None),
    "weight ignored": function(lambda ctx, x: x * 2, lambda ctx, g: torch.full_like(g, 2.0)),
}


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_are_found(name, fast_mode):
    x = complex_leaf(3) if "complex" in name else leaf(3)
    with pytest.raises(GradcheckError):
        gradcheck(WRONG[name], x, fast_mode=fast_mode)
    assert gradcheck(WRONG[name], x, raise_exception=False, fast_mode=fast_mode) is False


def test_the_error_shows_both():
    with pytest.raises(
        GradcheckError, match=r"(?s)for output 0 with respect to input 0.*numerical:.*analytical:"
    ):
        gradcheck(WRONG["factor"], leaf(3))
    assert issubclass(GradcheckError, RuntimeError)


def test_a_wrong_second_derivative_is_found():
    # Right, but its own derivative is lost on the way.
    detached = function(
        save_and(lambda x: x * x * x), lambda ctx, g: 3 * (ctx.saved_tensors[0] ** 2).detach() * g
    )
    x = leaf(3)
    assert gradcheck(detached, x)
    with pytest.raises(GradcheckError):
        gradgradcheck(detached, x)


def test_a_constant_with_a_derivative_is_found():
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: (x * 2).detach(), leaf(3))


def test_backward_that_gives_something_else_each_time_is_found():
    calls = []

    def backward(ctx, g):
        calls.append(1)
        return g * (2 + 1e-7 * len(calls))

    unsteady = function(lambda ctx, x: x * 2, backward)
    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(unsteady, leaf(2))
    calls.clear()
    assert gradcheck(unsteady, leaf(2), nondet_tol=1e-4)


def test_undefined_gradients():
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2

    fragile = function(forward, lambda ctx, g: g * 2)
    with (
        pytest.warns(UserWarning, match="undefined gradient support"),
        pytest.raises(GradcheckError, match="undefined output grads"),
    ):
        gradcheck(fragile, leaf(2))
    assert gradcheck(fragile, leaf(2), check_undefined_grad=False)
    lying = function(forward, lambda ctx, g: torch.ones(2, dtype=torch.float64) if g is None else g * 2)
    with (
        pytest.warns(UserWarning, match="undefined gradient support"),
        pytest.raises(GradcheckError, match="undefined"),
    ):
        gradcheck(lying, leaf(2))


def test_gradients_of_another_dtype():
    x, y = leaf(2), leaf(2)
    assert gradcheck(lambda x, y: x * y, (x, y), check_grad_dtypes=True)


def test_arguments():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x, torch.ones(1))
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(lambda x: x * 2, leaf(1).detach().expand(3).requires_grad_())
    with pytest.warns(UserWarning, match="not a double precision"):
        gradcheck(lambda x: x * 2, leaf(1, dtype=torch.float32), atol=1e-1, eps=1e-2)
    with pytest.raises(AssertionError, match="at least one"):
        gradcheck(lambda x: x * 2, leaf(1), check_backward_ad=False)
    with pytest.raises(AssertionError, match="check_batched_grad=True requires"):
        gradcheck(
            lambda x: x * 2, leaf(1), check_backward_ad=False, check_forward_ad=True, check_batched_grad=True
        )


def test_forward_mode():
    assert gradcheck(lambda x, y: (x * y, y.exp()), (leaf(2), leaf(2, seed=1)), check_forward_ad=True)
    assert gradcheck(lambda x: x * x, leaf(2, dtype=torch.complex128), check_forward_ad=True)
    assert gradgradcheck(lambda x: x**3, leaf(2), check_fwd_over_rev=True, check_rev_over_rev=False)

    def wrong(x, y):
        if torch.autograd.forward_ad._current_level >= 0:
            primal, tangent = torch.autograd.forward_ad.unpack_dual(y)
            y = torch.autograd.forward_ad.make_dual(primal, tangent * 1.1)
        return x + y

    with pytest.raises(
        GradcheckError, match="computed with forward mode mismatch for output 0 with respect to input 1"
    ):
        gradcheck(wrong, (leaf(2), leaf(2)), check_forward_ad=True)


def test_parts_of_complex_outputs():
    def wrong(x):
        y = x.clone()
        y.register_hook(lambda g: g + 1e-2)
        return y

    with pytest.raises(
        GradcheckError, match="While considering the imaginary part of complex outputs only, Jacobian"
    ):
        gradcheck(wrong, leaf(2, dtype=torch.complex128))


def test_sparse_inputs():
    x = torch.tensor([[0.0, 1.5], [2.0, 0.0]], dtype=torch.float64).to_sparse().requires_grad_()
    dense = leaf(2, 2)
    assert gradcheck(lambda a, b: a * b.to_dense(), (dense, x), masked=True)
    with pytest.raises(ValueError, match="Sparse output is not supported"):
        gradcheck(lambda a: a, (x,))


def test_outputs_must_stay_alike():
    one = torch.ones(1, dtype=torch.float64, requires_grad=True)
    with pytest.raises(AssertionError, match="outputs with the same shape when inputs are perturbed"):
        gradcheck(lambda x: torch.cat([x, x]) if bool(x >= 1) else x, one)


def test_batches_of_gradients():
    assert gradcheck(lambda x: x.sin(), leaf(3), check_batched_grad=True)
    hidden = function(lambda ctx, x: x * 2, lambda ctx, g: g * 2 + 0 * g.sum().item())
    with pytest.raises(GradcheckError, match="failed while testing batched gradient"):
        gradcheck(hidden, leaf(3), check_batched_grad=True)


def test_jacobians_as_functions():
    from rushlight.autograd.gradcheck import get_analytical_jacobian, get_numerical_jacobian

    x, y = leaf(2), leaf(2, seed=1)
    with pytest.warns(FutureWarning, match="private API"):
        by_differences = get_numerical_jacobian(lambda inputs: inputs[0] * 2 + inputs[1], (x, y), eps=1e-6)
    assert torch.allclose(by_differences[0], 2 * torch.eye(2, dtype=torch.float64))
    with pytest.warns(FutureWarning, match="private API"):
        by_backward, is_repeatable, _, _ = get_analytical_jacobian((x, y), x * 2 + y)
    assert torch.equal(by_backward[0], 2 * torch.eye(2, dtype=torch.float64)) and is_repeatable


def test_given_grad_outputs():
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(lambda x: x * x, leaf(3), weights)
    assert gradgradcheck(lambda x: (x * x, x.exp()), [leaf(3)], [weights, weights])


def test_draws_of_random_numbers_are_pytorchs():
    oracle = pytest.importorskip("torch")
    found = []
    for library in (torch, oracle):
        draws = []
        for dtype in (library.float64, library.complex128):
            x = library.ones(3, 3, dtype=dtype, requires_grad=True)
            calls = [
                lambda x=x, library=library: library.autograd.gradgradcheck(lambda x: x * x, x),
                lambda x=x, library=library: library.autograd.gradgradcheck(lambda x: (x * x, x.exp()), x),
                lambda x=x, library=library: library.autograd.gradgradcheck(
                    lambda x: x * x, x, gen_non_contig_grad_outputs=True
                ),
                lambda x=x, library=library: library.autograd.gradcheck(lambda x: x * x, x),
                lambda x=x, library=library: library.autograd.gradcheck(lambda x: x * x, x, fast_mode=True),
                lambda x=x, library=library: library.autograd.gradcheck(
                    lambda x: x * x, x, check_batched_grad=True
                ),
            ]
            for call in calls:
                library.manual_seed(1)
                assert call()
                draws.append(library.rand(1).item())
        found.append(draws)
    assert found[0] == found[1]
