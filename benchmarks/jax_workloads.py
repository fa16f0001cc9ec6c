"""The compiled benchmark's programs as JAX has them: one jitted function for a whole step, arrays that the step replaces.

The same nets, sizes and updates as in ``workloads.py``; those that would be long without a library on top of JAX (the GPT-2
style, convolutional and recurrent nets) are not here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Step = Callable[[], Any]
_RNG = np.random.default_rng(0)


def _array(*shape: int, scale: float = 1.0) -> Any:
    return jnp.asarray((_RNG.standard_normal(shape) * scale).astype(np.float32))


def tutorial() -> Step:
    """The tutorial's net: forward, loss, backward, SGD; the loss is read as a float."""
    x, y = _array(64, 1000), _array(64, 10)
    weights = [_array(1000, 100), _array(100, 10)]

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        return ((jnp.maximum(x @ weights[0], 0) @ weights[1] - y) ** 2).sum()

    @jax.jit
    def step(weights: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        return loss, [w - 1e-12 * g for w, g in zip(weights, gradients, strict=True)]

    def run() -> float:
        nonlocal weights
        loss, weights = step(weights, x, y)
        return float(loss)

    return run


def _dense(weights: Any, x: Any) -> Any:
    *inner, last = weights
    for w, b in inner:
        x = jnp.maximum(x @ w + b, 0)
    return x @ last[0] + last[1]


def _layers(*sizes: int) -> Any:
    return [(_array(n, m, scale=n**-0.5), jnp.zeros(m)) for n, m in itertools.pairwise(sizes)]


def _with_adam(loss_of: Callable[..., Any], weights: Any, *data: Any) -> Step:
    """Training with Adam at a rate that changes nothing."""
    rate, beta1, beta2, epsilon = 1e-9, 0.9, 0.999, 1e-8

    @jax.jit
    def step(weights: Any, first: Any, second: Any, count: Any, *data: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(weights, *data)
        count = count + 1
        first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, first, gradients)
        second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, gradients)

        def moved(w: Any, m: Any, v: Any) -> Any:
            return w - rate * (m / (1 - beta1**count)) / (jnp.sqrt(v / (1 - beta2**count)) + epsilon)

        return loss, jax.tree.map(moved, weights, first, second), first, second, count

    first = second = jax.tree.map(jnp.zeros_like, weights)
    count = jnp.zeros((), jnp.float32)

    def run() -> float:
        nonlocal weights, first, second, count
        loss, weights, first, second, count = step(weights, first, second, count, *data)
        return float(loss)

    return run


def tutorial_adam() -> Step:
    """The same net with biases, a summed squared error and Adam."""
    return _with_adam(
        lambda weights, x, y: ((_dense(weights, x) - y) ** 2).sum(),
        _layers(1000, 100, 10),
        _array(64, 1000),
        _array(64, 10),
    )


def pointwise_chain() -> Step:
    """sum(gelu_tanh(1.5x + 0.25) · sigmoid(x)) of 1e7 floats, value and gradient."""
    x = _array(10_000_000)
    step = jax.jit(
        jax.value_and_grad(
            lambda x: (jax.nn.gelu(1.5 * x + 0.25, approximate=True) * jax.nn.sigmoid(x)).sum()
        )
    )

    def run() -> float:
        value, gradient = step(x)
        gradient.block_until_ready()
        return float(value)

    return run


def mlp() -> Step:
    """MLP 784-1024-1024-10, batch 256, cross-entropy, Adam."""
    y = jnp.asarray(_RNG.integers(0, 10, 256))

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        scores = jax.nn.log_softmax(_dense(weights, x))
        return -scores[jnp.arange(256), y].mean()

    return _with_adam(loss_of, _layers(784, 1024, 1024, 10), _array(256, 784), y)


def mlp_inference() -> Step:
    """The MLP on one input."""
    weights, x = _layers(784, 1024, 1024, 10), _array(1, 784)
    forward = jax.jit(_dense)
    return lambda: forward(weights, x).block_until_ready()


WORKLOADS: dict[str, Callable[[], Step]] = {
    "tutorial step": tutorial,
    "tutorial nn + Adam": tutorial_adam,
    "pointwise chain 1e7": pointwise_chain,
    "MLP 256": mlp,
    "MLP, one input": mlp_inference,
}
