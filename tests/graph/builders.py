"""Graphs of the workloads that matter, made by hand: ``name() -> (graph, inputs)``."""

from __future__ import annotations

import math

import numpy as np

from rushlight.compiler.lowering.builder import GraphBuilder
from rushlight.ir.scalar import ScalarOp

F32 = np.dtype(np.float32)


def _arrays(graph, seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    return [
        np.asarray(rng.standard_normal(graph.nodes[i].shape) * scale).astype(graph.nodes[i].dtype)
        for i in graph.inputs
    ]


def tutorial(batch=64, width=1000, hidden=100, outputs=10):
    """Two layers, relu, squared error, SGD."""
    b = GraphBuilder()
    x, w1, w2 = b.input((batch, width), F32), b.input((width, hidden), F32), b.input((hidden, outputs), F32)
    y, rate = b.input((batch, outputs), F32), b.input((), F32)
    h = x.matmul(w1)
    r = h.maximum(0)
    gap = r.matmul(w2) - y
    loss = (gap * gap).sum(None, False)
    g = gap * 2.0
    g_r = g.matmul(w2.transpose())
    g_h = b.where(h.greater(0), g_r, g_r.like(0))
    new_1 = w1 - x.transpose().matmul(g_h) * rate
    new_2 = w2 - r.transpose().matmul(g) * rate
    graph = b.graph([loss, (new_1, 1), (new_2, 2)])
    inputs = _arrays(graph, scale=0.1)
    inputs[4] = np.array(1e-3, np.float32)
    return graph, inputs


def gelu_chain(n=200_000):
    """sum(gelu_tanh(1.5 x + 0.25) · sigmoid(x)), forward and backward."""
    b = GraphBuilder()
    x = b.input((n,), F32)
    z = x * 1.5 + 0.25
    root = math.sqrt(2 / math.pi)
    inner = (z + z * z * z * 0.044715) * root
    t = inner.map(ScalarOp.TANH)
    gelu = z * 0.5 * (t + 1.0)
    s = x.map(ScalarOp.SIGMOID)
    total = (gelu * s).sum(None, False)
    one = b.const(1.0, F32).expand((n,))
    g_gelu, g_s = one * s, one * gelu
    slope = (t + 1.0) * 0.5 + z * 0.5 * (1.0 - t * t) * (z * z * (3 * 0.044715) + 1.0) * root
    g_x = g_gelu * slope * 1.5 + g_s * s * (1.0 - s)
    graph = b.graph([total, g_x])
    return graph, _arrays(graph, scale=1.0)


def adam(shape=(300, 40)):
    """One parameter's update, with the step count as an input."""
    b = GraphBuilder()
    p, g, m, v = [b.input(shape, F32) for _ in range(4)]
    step = b.input((), F32)
    new_m = m + (g - m) * (1 - 0.9)
    new_v = v * 0.999 + g * g * (1 - 0.999)
    correction = 1.0 - step.like(0.9).map(ScalarOp.POW, step)
    root = (1.0 - step.like(0.999).map(ScalarOp.POW, step)).sqrt()
    denominator = new_v.sqrt() / root + 1e-8
    new_p = p - (1e-3 / correction) * new_m / denominator
    graph = b.graph([(new_p, 0), (new_m, 2), (new_v, 3)])
    inputs = _arrays(graph)
    inputs[3] = np.abs(inputs[3])
    inputs[4] = np.array(3.0, np.float32)
    return graph, inputs


def layer_norm(rows=48, width=64):
    """Forward and backward with weight and bias."""
    b = GraphBuilder()
    x, w, bias, g = (
        b.input((rows, width), F32),
        b.input((width,), F32),
        b.input((width,), F32),
        b.input((rows, width), F32),
    )
    mean = x.sum(1) * (1 / width)
    centred = x - mean
    variance = (centred * centred).sum(1) * (1 / width)
    inverse = 1.0 / (variance + 1e-5).sqrt()
    standard = centred * inverse
    y = standard * w + bias
    weighted = g * w
    g_x = (
        weighted - weighted.sum(1) * (1 / width) - standard * ((weighted * standard).sum(1) * (1 / width))
    ) * inverse
    graph = b.graph([y, g_x, (g * standard).sum(0, False), g.sum(0, False)])
    return graph, _arrays(graph)


def attention(batch=2, heads=3, length=10, size=8):
    """softmax(q kᵀ) v with a causal mask from one projection, forward and the gradient of the scores."""
    b = GraphBuilder()
    width = heads * size
    x, w = b.input((batch, length, width), F32), b.input((width, 3 * width), F32)
    g = b.input((batch, length, width), F32)
    qkv = x.matmul(w)
    parts = []
    for i in range(3):
        part = qkv.view((batch, length, width), (length * 3 * width, 3 * width, 1), i * width)
        parts.append(part.reshape((batch, length, heads, size)).permute((0, 2, 1, 3)))
    q, k, v = parts
    scores = q.matmul(k.transpose()) * (1 / math.sqrt(size))
    mask = b.index(scores.shape, 3).map(ScalarOp.LESS_EQUAL, b.index(scores.shape, 2))
    scores = b.where(mask, scores, scores.like(-math.inf))
    powers = (scores - scores.max(3)).exp()
    p = powers / powers.sum(3)
    out = p.matmul(v).permute((0, 2, 1, 3)).reshape((batch, length, width))
    g_out = g.reshape((batch, length, heads, size)).permute((0, 2, 1, 3))
    g_v = p.transpose().matmul(g_out)
    g_p = g_out.matmul(v.transpose())
    g_s = p * (g_p - (g_p * p).sum(3))
    g_s = b.where(mask, g_s, g_s.like(0.0)) * (1 / math.sqrt(size))
    g_q, g_k = g_s.matmul(k), g_s.transpose().matmul(q)
    total = None
    for i, part in enumerate((g_q, g_k, g_v)):
        back = part.permute((0, 2, 1, 3)).reshape((batch, length, width))
        zeros = b.const(0.0, F32, qkv.shape).write(back, (length * 3 * width, 3 * width, 1), i * width)
        total = zeros if total is None else total + zeros
    g_w = x.reshape((batch * length, width)).transpose().matmul(total.reshape((batch * length, 3 * width)))
    graph = b.graph([out, g_w, total.reshape((batch * length, 3 * width)).sum(0, False)])
    return graph, _arrays(graph)


def classifier(batch=32, width=50, classes=10):
    """A layer with bias and relu, cross-entropy, and the gradients of all."""
    b = GraphBuilder()
    x, w, bias = b.input((batch, width), F32), b.input((classes, width), F32), b.input((classes,), F32)
    target = b.input((batch,), np.int64)
    logits = (x.matmul(w.transpose()) + bias).maximum(0)
    hit = b.index((batch, classes), 1).equal(target.reshape((batch, 1)))
    shifted = logits - logits.max(1)
    powers = shifted.exp()
    sums = powers.sum(1)
    losses = sums.log() - b.where(hit, shifted, shifted.like(0.0)).sum(1)
    loss = losses.sum(None, False) / float(batch)
    g = (powers / sums - hit.cast(F32)) * (1 / batch)
    g = b.where(logits.greater(0), g, g.like(0))
    graph = b.graph([loss, g.transpose().matmul(x), g.sum(0, False), g.matmul(w)])
    inputs = _arrays(graph)
    inputs[3] = np.arange(batch) % classes
    return graph, inputs


def batch_norm(samples=8, channels=6, plane=20):
    """Per channel, then relu; forward and backward."""
    b = GraphBuilder()
    shape = (samples, channels, plane)
    x, w, bias, g = (
        b.input(shape, F32),
        b.input((channels,), F32),
        b.input((channels,), F32),
        b.input(shape, F32),
    )
    n = samples * plane
    mean = x.sum((0, 2)) * (1 / n)
    centred = x - mean
    variance = (centred * centred).sum((0, 2)) * (1 / n)
    inverse = 1.0 / (variance + 1e-5).sqrt()
    standard = centred * inverse
    column = (1, channels, 1)
    y = (standard * w.reshape(column) + bias.reshape(column)).maximum(0)
    g_y = b.where(y.greater(0), g, g.like(0))
    scale, shift = (g_y * standard).sum((0, 2)), g_y.sum((0, 2))
    g_x = (g_y - standard * (scale * (1 / n)) - shift * (1 / n)) * (inverse * w.reshape(column))
    graph = b.graph([y, g_x, scale.reshape((channels,)), shift.reshape((channels,))])
    return graph, _arrays(graph)


def bias_update(rows=64, width=100):
    """A bias' gradient (a sum over rows), and its update with momentum and decay, in place."""
    b = GraphBuilder()
    g, p, m, decay = (
        b.input((rows, width), F32),
        b.input((width,), F32),
        b.input((width,), F32),
        b.input((), F32),
    )
    new_m = m * 0.9 + (g.sum(0, False) + p * decay)
    graph = b.graph([(p - new_m * 0.01, 1), (new_m, 2)])
    return graph, _arrays(graph)


WORKLOADS = {
    f.__name__: f
    for f in (tutorial, gelu_chain, adam, layer_norm, attention, classifier, batch_norm, bias_update)
}
