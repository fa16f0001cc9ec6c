"""Functions that torch has under signatures of its own: losses by number, normalisation, recurrent layers, segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 4, 3))
P = RNG.random((4, 3))
SIGN = np.where(RNG.random(4) > 0.5, 1.0, -1.0)


def both(call: Any, *arrays: Any) -> None:
    """``call(module, *tensors)`` in both, with the gradients of all floating inputs."""
    results = []
    for module in (torch, rushlight):
        tensors = [
            module.tensor(a.tolist(), dtype=module.float64 if a.dtype.kind == "f" else module.int64)
            for a in arrays
        ]
        wanting = [t.requires_grad_() for t in tensors if t.dtype == module.float64]
        found = call(module, *tensors)
        found = found if isinstance(found, tuple) else (found,)
        loss = sum((each * each).sum() for each in found if each.requires_grad)
        grads = (
            module.autograd.grad(loss, wanting, allow_unused=True) if isinstance(loss, module.Tensor) else ()
        )
        results.append(
            [each.detach().numpy() for each in found] + [None if g is None else g.numpy() for g in grads]
        )
    for expected, given in zip(*results, strict=True):
        assert (expected is None) == (given is None)
        if expected is not None:
            assert expected.shape == given.shape and expected.dtype == given.dtype
            np.testing.assert_allclose(given, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_losses(reduction: int) -> None:
    both(lambda m, x, y: m.kl_div(x, y.detach().abs(), reduction), X, Y)
    both(lambda m, x, y: m.kl_div(x, y.detach(), reduction, log_target=True), X, Y)
    both(lambda m, x, p: m.binary_cross_entropy_with_logits(x, p.detach(), None, None, reduction), X, P)
    both(lambda m, x, p: m.poisson_nll_loss(x, p.detach(), True, False, 1e-8, reduction), X, P)
    both(lambda m, x, y, s: m.cosine_embedding_loss(x, y, s.detach(), 0.1, reduction), X, Y, SIGN)
    both(lambda m, x, s: m.hinge_embedding_loss(x, s.detach()[:, None].expand(4, 3), 1.0, reduction), X, SIGN)
    both(lambda m, x, y, s: m.margin_ranking_loss(x[:, 0], y[:, 0], s.detach(), 0.2, reduction), X, Y, SIGN)
    both(lambda m, x, y: m.triplet_margin_loss(x, y, x + 1, reduction=reduction), X, Y)
    lengths = np.array([4, 3]), np.array([2, 1])
    log_probs, targets = RNG.standard_normal((4, 2, 3)), np.array([[1, 2], [2, 1]])
    both(
        lambda m, x, t, a, b: m.ctc_loss(x.log_softmax(-1), t, a, b, 0, reduction),
        log_probs,
        targets,
        *lengths,
    )


def test_without_a_number_nothing_is_reduced() -> None:
    both(lambda m, x, y: m.kl_div(x, y.detach().abs()), X, Y)
    both(lambda m, x, p: m.binary_cross_entropy_with_logits(x, p.detach()), X, P)
    both(lambda m, x, y, s: m.cosine_embedding_loss(x, y, s.detach()), X, Y, SIGN)
    both(lambda m, x, y: m.triplet_margin_loss(x, y, x + 1), X, Y)
    both(lambda m, x, y, s: m.margin_ranking_loss(x[:, 0], y[:, 0], s.detach()), X, Y, SIGN)


@pytest.mark.filterwarnings("ignore:at.:UserWarning")  # two that PyTorch calls deprecated
def test_normalisations() -> None:
    both(lambda m, x: m.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False), X)
    x3 = RNG.standard_normal((2, 3, 5))
    both(lambda m, x, w: m.instance_norm(x, w, w, None, None, True, 0.1, 1e-5, False), x3, P[0])
    both(lambda m, x: m.norm_except_dim(x, 2, 1), x3)
    both(lambda m, x: m.frobenius_norm(x, [0, 1], True), X)
    both(lambda m, x: m.nuclear_norm(x), X)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_embedding_bag(mode: int) -> None:
    both(
        lambda m, w, i, o: m.embedding_bag(w, i, o, mode=mode)[0],
        X,
        np.array([0, 2, 2, 1, 3]),
        np.array([0, 2, 2]),
    )


def _parameters(gates: int, layers: int, directions: int, biases: bool) -> list[Any]:
    made = []
    for layer in range(layers):
        for _ in range(directions):
            made += [
                RNG.standard_normal((gates * 2, 3 if layer == 0 else 2 * directions)),
                RNG.standard_normal((gates * 2, 2)),
            ]
            if biases:
                made += [RNG.standard_normal(gates * 2) for _ in range(2)]
    return made


@pytest.mark.parametrize(
    ("layers", "bidirectional", "biases"), [(1, False, True), (2, True, True), (1, False, False)]
)
@pytest.mark.parametrize(("name", "gates"), [("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)])
def test_recurrent_layers(name: str, gates: int, layers: int, bidirectional: bool, biases: bool) -> None:
    directions = 2 if bidirectional else 1
    x, state = RNG.standard_normal((5, 2, 3)), RNG.standard_normal((layers * directions, 2, 2))
    rest = (biases, layers, 0.0, False, bidirectional)

    def padded(m: Any, x: Any, h: Any, *params: Any) -> Any:
        return getattr(m, name)(x, (h, h) if name == "lstm" else h, params, *rest, False)

    def packed(m: Any, x: Any, h: Any, *params: Any) -> Any:
        data = m.cat([x[0], x[1], x[2, :1]])
        return getattr(m, name)(data, m.tensor([2, 2, 1]), (h, h) if name == "lstm" else h, params, *rest)

    for call in (padded, packed):
        both(call, x, state, *_parameters(gates, layers, directions, biases))


@pytest.mark.parametrize(
    ("name", "gates"), [("lstm_cell", 4), ("gru_cell", 3), ("rnn_tanh_cell", 1), ("rnn_relu_cell", 1)]
)
def test_recurrent_cells(name: str, gates: int) -> None:
    def call(m: Any, x: Any, h: Any, *params: Any) -> Any:
        return getattr(m, name)(x, (h, h) if name == "lstm_cell" else h, *params)

    both(call, RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2)), *_parameters(gates, 1, 1, True))
    with pytest.raises(RuntimeError):
        call(
            rushlight,
            rushlight.ones(4, 3),
            rushlight.ones(4, 2),
            rushlight.ones(gates * 2, 9),
            rushlight.ones(gates * 2, 2),
        )


@pytest.mark.parametrize("increasing", [False, True])
@pytest.mark.parametrize("columns", [None, 0, 1, 5])
def test_vander(increasing: bool, columns: int | None) -> None:
    # Detached: PyTorch's own vander fails in backward, because it overwrites what it saved.
    both(lambda m, x: m.vander(x.detach(), columns, increasing), X[0])
    both(lambda m, x: m.vander(x, columns, increasing), np.array([1, 2, 3]))


@pytest.mark.parametrize("reduce", ["sum", "mean", "min", "max", "prod"])
@pytest.mark.parametrize("initial", [None, 2.0])
def test_segment_reduce(reduce: str, initial: float | None) -> None:
    for lengths in ([2, 1, 1], [1, 0, 3]):
        if initial is not None and reduce == "mean":
            continue  # PyTorch adds the initial value to the sum, but documents a mean
        both(
            lambda m, x, n: m.segment_reduce(x, reduce, lengths=n, initial=initial).nan_to_num(9.0),
            X,
            np.array(lengths),
        )
    with pytest.raises(RuntimeError):
        rushlight.segment_reduce(rushlight.ones(3), reduce, lengths=rushlight.tensor([1, 1]))


def test_in_place_functions() -> None:
    for name in ("abs_", "sigmoid_", "exp_", "sqrt_", "round_", "neg_", "tanh_", "erf_", "log1p_"):
        x, y = torch.tensor(P), rushlight.tensor(P)
        given = getattr(rushlight, name)(y)
        assert given is y
        np.testing.assert_allclose(y.numpy(), getattr(torch, name)(x).numpy(), rtol=1e-12)


def test_numbers() -> None:
    assert (rushlight.pi, rushlight.e, rushlight.inf, rushlight.newaxis) == (
        torch.pi,
        torch.e,
        torch.inf,
        None,
    )
    assert rushlight.ones(2)[rushlight.newaxis].shape == (1, 2)
