"""Branches, loops, py_func and checks: values, gradients, what runs, and errors."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def test_cond_runs_one_branch_only() -> None:
    calls = []

    def branch(name, value):
        def function():
            return tf.py_func(lambda: calls.append(name) or np.float32(value), [], tf.float32)

        return function

    pred = tf.placeholder(tf.bool, [])
    outside = tf.py_func(lambda: calls.append("outside") or np.float32(1), [], tf.float32)
    result = tf.cond(pred, branch("yes", 1), lambda: branch("no", 2)() + outside)
    with tf.Session() as session:
        assert session.run(result, {pred: True}) == 1.0
        # What a branch uses from outside always runs, as in TensorFlow.
        assert calls == ["outside", "yes"]
        calls.clear()
        assert session.run(result, {pred: False}) == 3.0
        assert calls == ["outside", "no"]


def test_gradients_through_cond() -> None:
    x = tf.placeholder(tf.float32, [])
    w = tf.Variable(3.0)
    y = tf.cond(x > 0.0, lambda: w * x * x, lambda: -x)
    gradients = tf.gradients(y, [x, w])
    assert run(gradients, {x: 2.0}) == [12.0, 4.0]
    assert run(gradients, {x: -2.0}) == [-1.0, 0.0]
    assert run(tf.gradients(gradients[0], x)[0], {x: 2.0}) == 6.0


def test_cond_with_structures_updates_and_nesting() -> None:
    pred = tf.placeholder(tf.bool, [])
    w = tf.Variable(1.0)
    result = tf.cond(
        pred,
        lambda: {"a": (tf.constant(1), tf.constant(2.0))},
        lambda: {"a": (tf.constant(3), tf.constant(4.0))},
    )
    assert run(result, {pred: False}) == {"a": (3, 4.0)}
    changed = tf.cond(pred, lambda: w.assign_add(10.0), lambda: tf.identity(w))
    with tf.Session() as session:
        session.run(w.initializer)
        assert session.run(changed, {pred: False}) == 1.0 and session.run(w) == 1.0
        assert session.run(changed, {pred: True}) == 11.0 and session.run(w) == 11.0
    x = tf.placeholder(tf.float32, [])
    nested = tf.cond(x > 0.0, lambda: tf.cond(x > 10.0, lambda: x * 100.0, lambda: x * 10.0), lambda: x)
    assert [run(nested, {x: v}) for v in (-1.0, 2.0, 20.0)] == [-1.0, 20.0, 2000.0]
    assert run(tf.gradients(nested, x)[0], {x: 20.0}) == 100.0
    chosen = tf.case(
        [(x < 0.0, lambda: tf.constant(-1.0)), (x > 1.0, lambda: tf.constant(2.0))], default=lambda: x
    )
    assert [run(chosen, {x: v}) for v in (-5.0, 0.5, 3.0)] == [-1.0, 0.5, 2.0]


def test_variables_made_in_a_branch_live_outside() -> None:
    pred = tf.placeholder(tf.bool, [])
    y = tf.cond(pred, lambda: tf.layers.dense(tf.ones([1, 2]), 1, name="d"), lambda: tf.zeros([1, 1]))
    assert [v.name for v in tf.global_variables()] == ["d/kernel:0", "d/bias:0"]
    assert run(y, {pred: True}).shape == (1, 1)


def test_errors_of_cond() -> None:
    with pytest.raises(TypeError, match="pred must not be a Python bool"):
        tf.cond(True, lambda: 1, lambda: 2)
    with pytest.raises(TypeError, match="it must be bool"):
        tf.cond(tf.constant(1), lambda: 1, lambda: 2)
    with pytest.raises(ValueError, match="must have the same type: int32, float32"):
        tf.cond(tf.constant(True), lambda: 1, lambda: 2.0)
    with pytest.raises(ValueError, match="must return the same structure"):
        tf.cond(tf.constant(True), lambda: 1, lambda: (2, 3))
    with pytest.raises(TypeError, match="true_fn must be callable"):
        tf.cond(tf.constant(True), 1, 2)
    inner = []
    tf.cond(tf.constant(True), lambda: inner.append(tf.constant(1.0) + 1.0) or inner[0], lambda: 2.0)
    with pytest.raises(ValueError, match="has been marked as not fetchable"):
        run(inner[0])
    with pytest.raises(ValueError, match="inside the branch or loop body"):
        run(inner[0] + 1.0)
    wide = tf.cond(tf.placeholder_with_default([True, False], None), lambda: 1.0, lambda: 2.0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be a scalar"):
        run(wide)


def test_while_loop() -> None:
    n = tf.placeholder(tf.int32, [])
    x = tf.placeholder(tf.float32, [])
    i, y = tf.while_loop(lambda i, y: i < n, lambda i, y: [i + 1, y * x], [0, tf.constant(1.0)])
    (gradient,) = tf.gradients(y, x)
    (second,) = tf.gradients(gradient, x)
    assert run([i, y, gradient, second], {n: 5, x: 2.0}) == [5, 32.0, 80.0, 160.0]
    assert run([y, gradient], {n: 0, x: 2.0}) == [1.0, 0.0]
    alone = tf.while_loop(lambda i: tf.less(i, 10), lambda i: i + 3, [tf.constant(0)])
    assert run(alone) == 12
    limited = tf.while_loop(lambda i: tf.constant(True), lambda i: i + 1, [0], maximum_iterations=4)
    assert run(limited) == 4
    structure = tf.while_loop(
        lambda i, s: i < 3, lambda i, s: (i + 1, {"a": s["a"] * 2.0}), (0, {"a": tf.constant(1.0)})
    )
    assert run(structure) == (3, {"a": 8.0})
    stopped = tf.while_loop(lambda y: y < 10.0, lambda y: y * x, [x], back_prop=False)
    assert run(tf.gradients(stopped + x, x)[0], {x: 2.0}) == 1.0


def test_while_loop_with_a_growing_shape() -> None:
    start = tf.zeros([1])
    grown = tf.while_loop(
        lambda i, v: i < 3,
        lambda i, v: [i + 1, tf.concat([v, [tf.cast(i, tf.float32)]], 0)],
        [tf.constant(0), start],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )
    assert run(grown[1]).tolist() == [0, 0, 1, 2] and grown[1].shape.as_list() == [None]
    with pytest.raises(ValueError, match="shape invariant"):
        tf.while_loop(lambda i, v: i < 3, lambda i, v: [i + 1, tf.concat([v, v], 0)], [0, start])
    with pytest.raises(TypeError, match="has type int32, but the body gives float32"):
        tf.while_loop(lambda i: i < 3, lambda i: tf.cast(i, tf.float32), [0])


def test_while_loop_changes_variables() -> None:
    w = tf.Variable(1.0)

    def body(i):
        with tf.control_dependencies([w.assign(w * 2.0)]):
            return i + 1

    loop = tf.while_loop(lambda i: i < 5, body, [tf.constant(0)])
    with tf.Session() as session:
        session.run(w.initializer)
        session.run(loop)
        assert session.run(w) == 32.0


def test_a_gradient_inside_a_loop_body() -> None:
    x = tf.placeholder(tf.float32, [])

    def body(i, v):
        (slope,) = tf.gradients((v - x) ** 2.0, v)
        return i + 1, v - 0.25 * slope

    _, found = tf.while_loop(lambda i, v: i < 4, body, (0, tf.constant(0.0)))
    value, slope = run([found, tf.gradients(found, x)[0]], {x: 8.0})
    np.testing.assert_allclose(value, 8 * (1 - 0.5**4))
    np.testing.assert_allclose(slope, 1 - 0.5**4)


def test_map_fn_scan_and_folds() -> None:
    x = tf.placeholder(tf.float32, [None, 2])
    value = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)
    mapped = tf.map_fn(lambda row: row * row, x)
    sums = tf.map_fn(
        lambda pair: tf.reduce_sum(pair[0]) + pair[1], (x, tf.constant([1.0, 2.0, 3.0])), dtype=tf.float32
    )
    running = tf.scan(lambda a, row: a + row, x)
    from_start = tf.scan(lambda a, row: a * 2.0 + row[0], x, initializer=tf.constant(1.0))
    backwards = tf.scan(lambda a, row: a + row, x, reverse=True)
    total, other = tf.foldl(lambda a, row: a + row, x), tf.foldr(lambda a, row: a - row, x)
    found = run([mapped, sums, running, from_start, backwards, total, other], {x: value})
    np.testing.assert_allclose(found[0], value**2)
    np.testing.assert_allclose(found[1], [4, 9, 14])
    np.testing.assert_allclose(found[2], np.cumsum(value, 0))
    np.testing.assert_allclose(found[3], [3, 9, 23])
    np.testing.assert_allclose(found[4], np.cumsum(value[::-1], 0)[::-1])
    np.testing.assert_allclose(found[5], value.sum(0))
    np.testing.assert_allclose(found[6], value[2] - value[1] - value[0])
    assert mapped.shape.as_list() == [None, 2]
    np.testing.assert_allclose(run(tf.gradients(mapped, x)[0], {x: value}), 2 * value)
    np.testing.assert_allclose(run(tf.gradients(running, x)[0], {x: value}), [[3, 3], [2, 2], [1, 1]])
    with pytest.raises(ValueError, match="pass dtype="):
        tf.map_fn(lambda row: (row, row), x)


def test_py_func() -> None:
    x = tf.constant([1.0, 2.0])
    one, two = tf.py_func(lambda v: (v + 1, np.int64(7)), [x], [tf.float32, tf.int64])
    found = run([one, two])
    assert found[0].tolist() == [2, 3] and found[1] == 7
    assert tf.gradients(one, x) == [None]
    with pytest.raises(tf.errors.UnknownError, match="ZeroDivisionError: division by zero"):
        run(tf.py_func(lambda: 1 / 0, [], tf.float32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="ValueError: no good"):
        run(tf.py_func(lambda: (_ for _ in ()).throw(ValueError("no good")), [], tf.float32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="is float64, but expects float32"):
        run(tf.py_func(lambda: np.ones(2), [], tf.float32))

    def spoil(v):
        v[:] = 0
        return v

    assert run([tf.py_func(spoil, [x], tf.float32), x])[1].tolist() == [1, 2]


def test_assert_and_print(capsys: pytest.CaptureFixture[str]) -> None:
    x = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.Assert(x > 0.0, [x])]):
        y = tf.identity(x)
    assert run(y, {x: 1.0}) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[-1\]"):
        run(y, {x: -1.0})
    shown = tf.Print(x, [x, tf.range(5)], "x is ")
    assert run([shown, tf.gradients(shown, x)[0]], {x: 2.0}) == [2.0, 1.0]
    assert capsys.readouterr().err == "x is [2][0 1 2...]\n"
