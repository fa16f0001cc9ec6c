"""Steps that are run again and again run as static graphs, with the results of the eager ones, and nothing is done twice."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf
from rushlight.compat.tensorflow import static_step

pytestmark = pytest.mark.skipif(
    not __import__("rushlight.jit.attempt").jit.attempt.pays(), reason="needs llvmlite"
)


@pytest.fixture
def steps(monkeypatch):
    """The steps that are made, to see how they run."""
    made = []
    init = static_step.StaticStep.__init__

    def noted(self, *args):
        init(self, *args)
        made.append(self)

    monkeypatch.setattr(static_step.StaticStep, "__init__", noted)
    return made


def both_ways(monkeypatch, program):
    """What ``program(session, graph)`` gives eagerly and as it is."""
    results = []
    for eager_runs in (10**9, static_step._EAGER_RUNS):
        monkeypatch.setattr(static_step, "_EAGER_RUNS", eager_runs)
        np.random.seed(0)
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            results.append(program())
    return results


def close(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


OPTIMIZERS = {
    "sgd": lambda: tf.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
    "adam": lambda: tf.train.AdamOptimizer(0.05),
    "rmsprop": lambda: tf.train.RMSPropOptimizer(0.05),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training(monkeypatch, steps, name):
    def program():
        x, y = tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.int32, [None])
        hidden = tf.nn.dropout(tf.layers.dense(x, 8, tf.nn.relu), keep_prob=0.75, seed=3)
        logits = tf.layers.dense(hidden, 3)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        counter = tf.train.get_or_create_global_step()
        train = OPTIMIZERS[name]().minimize(loss, global_step=counter)
        found = []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for size in (6, 6, 6, 5, 6, 5):
                feeds = {x: np.random.randn(size, 4), y: np.random.randint(0, 3, size)}
                found += session.run([train, loss, counter], feeds)[1:]
            found += session.run(tf.trainable_variables())
        return found

    close(*both_ways(monkeypatch, program))
    assert any(step.recordings for step in steps)
    assert not any(step.given_up for step in steps)


def test_control_flow(monkeypatch, steps):
    def program():
        x = tf.placeholder(tf.float32, [3])
        w = tf.Variable([1.0, 2.0, 3.0])
        count = tf.Variable(0)

        def counted():
            with tf.control_dependencies([count.assign_add(1)]):
                return x * w

        chosen = tf.cond(tf.reduce_sum(x) > 0, counted, lambda: -w)
        _, powers = tf.while_loop(lambda i, v: i < 3, lambda i, v: [i + 1, v * chosen], [0, w])
        limited = tf.while_loop(
            lambda v: tf.reduce_sum(v) < 1e9, lambda v: v * 2.0, [w], maximum_iterations=4
        )
        mapped = tf.map_fn(lambda e: e * w[0], chosen)
        sums = tf.scan(lambda a, e: a + e * w[1], chosen)
        backwards = tf.scan(lambda a, e: a * 0.5 + e, chosen, initializer=0.0, reverse=True)
        folded = tf.foldl(lambda a, e: a + e, chosen)
        total = tf.reduce_sum(powers) + tf.reduce_sum(mapped) + tf.reduce_sum(sums * backwards) + folded
        (gradient,) = tf.gradients(total, w)
        found = []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for sign in (1, -1, 1, -1, 1):
                fed = {x: sign * np.arange(1.0, 4.0)}
                found += session.run(
                    [chosen, powers, limited, mapped, sums, backwards, folded, gradient, w], fed
                )
                found.append(session.run(count))
        return found

    eager, static = both_ways(monkeypatch, program)
    close(eager, static)
    assert static[-1] == 3
    assert any(step.recordings and step.given_up is None for step in steps)


def test_random_numbers_go_on(monkeypatch, steps):
    def program():
        numbers = [tf.random_normal([3], seed=5), tf.random_uniform([2]), tf.truncated_normal([2], seed=1)]
        with tf.Session() as session:
            return [value for _ in range(4) for value in session.run(numbers)]

    eager, static = both_ways(monkeypatch, program)
    for a, b in zip(eager, static, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(step.recordings for step in steps)


def test_giving_up_changes_nothing(steps):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None])
        count = tf.Variable(0)
        with tf.control_dependencies([count.assign_add(1)]):
            values = tf.unique(x).y  # how many there are is known only when it runs
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for n in range(1, 5):
                np.testing.assert_array_equal(session.run(values, {x: [1, 1, n]}), [1] if n == 1 else [1, n])
                assert session.run(count) == n
    assert any("value of a tensor is needed" in (step.given_up or "") for step in steps)


def test_functions_of_the_program_run_at_every_run():
    calls = []
    with tf.Graph().as_default():
        y = tf.py_func(lambda: np.float32(len(calls) + (calls.append(1) or 0)), [], tf.float32)
        count = tf.Variable(0.0)
        step = count.assign_add(y)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert [session.run(step) for _ in range(4)] == [0, 1, 3, 6]
    assert len(calls) == 4


def test_errors_of_compiled_steps(steps):
    with tf.Graph().as_default():
        i = tf.placeholder(tf.int32, [2])
        table = tf.Variable([1.0, 2.0, 3.0])
        rows = tf.gather(table, i)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for fed in ([0, 1], [1, 2], [2, 0]):
                np.testing.assert_array_equal(session.run(rows, {i: fed}), np.array(fed) + 1.0)
            with pytest.raises(tf.errors.InvalidArgumentError):
                session.run(rows, {i: [0, 3]})
            np.testing.assert_array_equal(session.run(rows, {i: [2, 2]}), [3.0, 3.0])
            with pytest.raises(tf.errors.InvalidArgumentError):
                session.run(rows)
    assert any(step.recordings for step in steps)


def test_values_that_were_fetched_stay():
    with tf.Graph().as_default():
        w = tf.Variable([0.0, 0.0])
        x = tf.placeholder(tf.float32, [2])
        step = w.assign_add(x)
        fetches = [w, step, x, tf.reshape(x, [2, 1]), tf.identity(w)]
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            rows = [session.run(fetches, {x: [n, 2.0 * n]}) for n in range(5)]
            for n, row in enumerate(rows):
                np.testing.assert_array_equal(row[1], [n * (n + 1) / 2, n * (n + 1.0)])
                np.testing.assert_array_equal(row[2], [n, 2 * n])
                np.testing.assert_array_equal(row[3], [[n], [2 * n]])
            rows[0][0][:] = 77
            np.testing.assert_array_equal(session.run(w), [10.0, 20.0])


def test_variables_of_changing_shape_and_feeds_of_changing_layout(steps):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, None])
        v = tf.Variable(np.zeros((1, 1), np.float32), validate_shape=False)
        grown = tf.assign(v, x * 2.0, validate_shape=False)
        doubled = x * 3.0
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for n in (1, 2, 2, 2, 3):
                fed = np.ones((n, n), np.float32)
                np.testing.assert_array_equal(session.run(grown, {x: fed}), 2 * fed)
                np.testing.assert_array_equal(session.run(v), 2 * fed)
            base = np.arange(36, dtype=np.float32).reshape(6, 6)
            for fed in (base, base, base.T, base.T, base, base[::2, ::2].repeat(2, 0).repeat(2, 1)):
                np.testing.assert_array_equal(session.run(doubled, {x: fed}), 3 * fed)


def test_variables_that_are_set_from_outside(steps):
    with tf.Graph().as_default():
        w = tf.Variable([1.0])
        y = w * 2.0
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for n in range(4):
                w.load([float(n)], session)
                np.testing.assert_array_equal(session.run(y), [2.0 * n])
    assert any(step.recordings for step in steps)


def test_uninitialised_variables_are_still_noticed():
    with tf.Graph().as_default():
        w = tf.Variable([1.0])
        with tf.Session() as session:
            for _ in range(3):
                with pytest.raises(tf.errors.FailedPreconditionError):
                    session.run(w * 2.0)
            start = tf.is_variable_initialized(w)
            assert [bool(session.run(start)) for _ in range(3)] == [False] * 3
            session.run(w.initializer)
            assert [bool(session.run(start)) for _ in range(3)] == [True] * 3


@pytest.mark.parametrize("with_lengths", [False, True])
def test_recurrent_nets(monkeypatch, steps, with_lengths):
    def program():
        x, y = tf.placeholder(tf.float32, [None, 5, 3]), tf.placeholder(tf.float32, [None, 4])
        lengths = tf.placeholder(tf.int32, [None]) if with_lengths else None
        outputs, state = tf.nn.dynamic_rnn(
            tf.nn.rnn_cell.BasicLSTMCell(4), x, sequence_length=lengths, dtype=tf.float32
        )
        loss = tf.reduce_mean(tf.square(state.h - y)) + tf.reduce_mean(tf.square(outputs))
        train = tf.train.AdamOptimizer(0.05).minimize(loss)
        found = []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(4):
                feeds = {x: np.random.randn(2, 5, 3), y: np.random.randn(2, 4)}
                if with_lengths:
                    feeds[lengths] = [3, 5]
                found += session.run([loss, outputs, train], feeds)[:2]
            found += session.run(tf.trainable_variables())
        return found

    close(*both_ways(monkeypatch, program))
    assert any(step.recordings for step in steps)
    assert not any(step.given_up for step in steps)


def test_fetched_parts_of_constants_and_feeds():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2, 3])
        c = tf.constant([[1.0, 2.0], [3.0, 4.0]])
        fetches = [
            c,
            tf.transpose(c),
            tf.stop_gradient(c),
            tf.identity(c),
            tf.unstack(c, axis=1)[1],
            tf.transpose(x),
            x,
        ]
        with tf.Session() as session:
            for n in range(4):
                fed = np.arange(6, dtype=np.float32).reshape(2, 3) + n
                values = session.run(fetches, {x: fed})
                plain = np.array([[1.0, 2.0], [3.0, 4.0]])
                for value, wanted in zip(
                    values, [plain, plain.T, plain, plain, [2, 4], fed.T, fed], strict=True
                ):
                    np.testing.assert_array_equal(value, wanted)
                    value[:] = 77
