"""A TensorFlow program on several processes: collectives in the graph that sessions run. Run by test_graphs.py."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import rushlight.compat.tensorflow as tf
import rushlight.distributed as dist

dist.init_process_group("mpi")
RANK, SIZE = dist.get_rank(), dist.get_world_size()
context = tf.distribute.get_replica_context()
assert (context.replica_id_in_sync_group, context.num_replicas_in_sync) == (RANK, SIZE)

random = np.random.default_rng(0)
X, Y = random.standard_normal((24, 5)), random.standard_normal((24, 2))
MINE = slice(RANK * (24 // SIZE), (RANK + 1) * (24 // SIZE))
START = random.standard_normal((5, 2))


def train(parallel: bool, x: Any, y: Any) -> tuple[Any, Any]:
    with tf.Graph().as_default():
        features, labels = tf.placeholder(tf.float64, [None, 5]), tf.placeholder(tf.float64, [None, 2])
        with tf.device("/cpu:0"):
            w = tf.Variable(START, name="w")
        loss = tf.reduce_mean(tf.square(tf.tanh(tf.matmul(features, w)) - labels))
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        pairs = optimizer.compute_gradients(loss)
        if parallel:
            means = context.all_reduce(tf.distribute.ReduceOp.MEAN, [gradient for gradient, _ in pairs])
            pairs = [(mean, v) for mean, (_, v) in zip(means, pairs, strict=True)]
            loss = context.all_reduce("mean", loss)
        update = optimizer.apply_gradients(pairs)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            losses = [session.run([loss, update], {features: x, labels: y})[0] for _ in range(8)]
            return session.run(w), losses


alone, own = train(False, X, Y), train(True, X[MINE], Y[MINE])
np.testing.assert_allclose(own[0], alone[0], rtol=1e-12, atol=1e-14)
np.testing.assert_allclose(own[1], alone[1], rtol=1e-12, atol=1e-14)

with tf.Graph().as_default(), tf.Session() as session:
    a = tf.constant([1.0, 2.0]) * (RANK + 1)
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, {"a": a, "b": (a * 2.0,)})
    gradient = tf.gradients(tf.reduce_sum(total["a"] * total["a"]), a)[0]
    for _ in range(3):
        found = session.run([total["a"], total["b"][0], gradient])
        every = SIZE * (SIZE + 1) / 2
        np.testing.assert_allclose(found[0], [every, 2 * every])
        np.testing.assert_allclose(found[1], [2 * every, 4 * every])
        np.testing.assert_allclose(found[2], [2 * every * SIZE, 4 * every * SIZE])
try:
    context.all_reduce("max", a)
except ValueError as error:
    assert "reduce_op must be in ['SUM', 'MEAN']" in str(error)
else:
    raise AssertionError("not refused")
sys.stdout.write(f"fine {RANK}\n")
