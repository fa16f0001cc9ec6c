"""What libraries of models do with tensors, in small, compared with PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight
from rushlight._higher_order_ops.associative_scan import associative_scan
from rushlight.utils.checkpoint import checkpoint

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("forward_within", [True, False])
def test_checkpoint_computes_again_in_the_precision_of_forward(
    use_reentrant: bool, dtype: str, forward_within: bool
) -> None:
    from torch.utils.checkpoint import checkpoint as theirs

    found = []
    for package, check in ((torch, theirs), (rushlight, checkpoint)):
        package.manual_seed(0)
        model = package.nn.Sequential(package.nn.Linear(4, 4), package.nn.GELU(), package.nn.Linear(4, 2))
        x = package.randn(3, 4, requires_grad=True)
        precision = package.autocast("cpu", dtype=getattr(package, dtype))
        if forward_within:
            with precision:
                y = check(model, x, use_reentrant=use_reentrant)
            y.float().sum().backward()
        else:
            y = check(model, x, use_reentrant=use_reentrant)
            with precision:
                y.sum().backward()
        found.append((y.dtype, x.grad.tolist(), model[0].weight.grad.tolist()))
    assert str(found[0][0]) == str(found[1][0])
    # Within autocast PyTorch's backward itself rounds its products, so there only what is computed again is exact.
    near = {} if forward_within else {"rtol": 0.0, "atol": 1e-2}
    for theirs_, ours in zip(found[0][1:], found[1][1:], strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs_), **near)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mode", ["pointwise", "generic"])
def test_associative_scan(count: int, reverse: bool, mode: str) -> None:
    rushlight.manual_seed(0)
    pair = [rushlight.rand(2, count, 3, dtype=rushlight.float64, requires_grad=True) for _ in range(2)]

    def combine(left: Any, right: Any) -> Any:
        return left[0] * right[0], right[0] * left[1] + right[1]

    _, states = associative_scan(combine, tuple(pair), 1, reverse=reverse, combine_mode=mode)
    state, expected = rushlight.zeros(2, 3, dtype=rushlight.float64), {}
    for i in reversed(range(count)) if reverse else range(count):
        state = expected[i] = pair[0][:, i] * state + pair[1][:, i]
    by_loop = rushlight.stack([expected[i] for i in range(count)], 1)
    assert rushlight.allclose(states, by_loop)
    weights = rushlight.arange(states.numel()).reshape(states.shape).double()
    grads = [
        rushlight.autograd.grad((each * weights).sum(), pair, allow_unused=True, materialize_grads=True)
        for each in (states, by_loop)
    ]
    assert all(rushlight.allclose(a, b) for a, b in zip(*grads, strict=True))


def test_numpy_without_gradients() -> None:
    for package in (torch, rushlight):
        x = package.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError, match=r"Can't call numpy\(\)"):
            x.numpy()
        with package.no_grad():
            x.numpy()[0] = 7
        assert x.tolist() == [7.0, 1.0]


@pytest.mark.parametrize("shapes", [((2, 16, 32), (17, 16)), ((2, 3), (4, 5)), ((2, 3, 4), (5, 1))])
def test_the_dimension_that_does_not_fit(shapes: Any) -> None:
    said = []
    for package in (torch, rushlight):
        for call in (lambda a, b: a + b, lambda a, b: a.add_(b)):
            with pytest.raises(RuntimeError) as caught:
                call(*[package.ones(shape) for shape in shapes])
            said.append(str(caught.value))
    assert len(set(said)) == 1


@pytest.mark.parametrize("fullgraph", [False, True])
def test_an_expanded_tensor_in_another_dtype_when_compiled(fullgraph: bool) -> None:
    def function(x: Any) -> Any:
        return x[None].expand(3, 4, 5).float() * 2, x.expand(2, 4, 5).to(rushlight.int32)

    compiled = rushlight.compile(function, fullgraph=fullgraph)
    for i in range(3):
        x = rushlight.arange(20).reshape(4, 5) + i
        for ours, expected in zip(compiled(x), function(x), strict=True):
            assert rushlight.equal(ours, expected) and ours.stride() == expected.stride()


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_gives_what_is_asked_for() -> None:
    from torch.nn.attention.flex_attention import AuxRequest as TheirRequest, flex_attention as theirs

    from rushlight.nn.attention.flex_attention import AuxRequest, flex_attention

    results = []
    for package, attend, request in ((torch, theirs, TheirRequest), (rushlight, flex_attention, AuxRequest)):
        package.manual_seed(0)
        q, k, v = [package.randn(1, 2, 16, 8) for _ in range(3)]
        out, aux = attend(q, k, v, return_aux=request(lse=True))
        assert aux.max_scores is None
        results.append([each.tolist() for each in (out, aux.lse)])
    for ours, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(expected))
    _, aux = flex_attention(
        q, k, v, return_aux=AuxRequest(max_scores=True)
    )  # which PyTorch's CPU does not give
    assert aux.lse is None and rushlight.allclose(aux.max_scores, (q @ k.mT / 8**0.5).amax(-1))
