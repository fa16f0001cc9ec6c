"""Running graphs: fetches, feeds, variables, gradients, partial runs, and the errors of running."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def test_the_structure_of_fetches_comes_back() -> None:
    Pair = namedtuple("Pair", ["first", "second"])
    a, b = tf.constant(1), tf.constant([2.0, 3.0])
    with tf.Session() as session:
        result = session.run({"a": a, "rest": [b, (a, a.op)], "pair": Pair(a, b)})
        assert result["a"] == 1 and isinstance(result["a"], np.int32)
        assert result["rest"][0].tolist() == [2.0, 3.0] and result["rest"][0].dtype == np.float32
        assert result["rest"][1] == (1, None)
        assert isinstance(result["pair"], Pair) and result["pair"].first == 1
        assert session.run("Const:0") == 1
        assert session.run([]) == []
        assert list(session.run(OrderedDict([("z", a), ("y", a)]))) == ["z", "y"]


def test_what_is_not_needed_does_not_run() -> None:
    x = tf.placeholder(tf.float32)
    calls = []
    costly = tf.py_func(lambda: calls.append(1) or np.float32(1), [], tf.float32)
    with tf.Session() as session:
        assert session.run(tf.constant(2.0) * 2.0) == 4.0  # x is not fed, and need not be
        assert calls == []
        session.run([costly, costly + 1.0])
        assert calls == [1]
        assert session.run(x + 1.0, {x: 1.0}) == 2.0


def test_feeds() -> None:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    y = x * 2.0
    z = y + 1.0
    with tf.Session() as session:
        assert session.run(y, {x: [[1, 2]]}).tolist() == [[2.0, 4.0]]
        assert session.run(y, {"x:0": np.ones((1, 2), np.float64)}).dtype == np.float32
        assert session.run(z, {y: [[5.0, 6.0]]}).tolist() == [[6.0, 7.0]]  # any tensor can be fed
        constant = tf.constant(3.0)
        assert session.run(constant + 1.0, {constant: 5.0}) == 6.0
        default = tf.placeholder_with_default([1.0, 2.0], [None])
        assert session.run(default).tolist() == [1.0, 2.0] and session.run(
            default, {default: [7.0]}
        ).tolist() == [7.0]


def test_a_missing_feed() -> None:
    x = tf.placeholder(tf.float32, [None, 1000], name="x")
    with tf.Session() as session:
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=r"You must feed a value for placeholder tensor 'x' with dtype float and shape \[\?,1000\]",
        ) as caught:
            session.run(x * 2.0)
        assert caught.value.op is x.op and "[[node x (defined at" in caught.value.message


def test_feeds_that_do_not_fit() -> None:
    x = tf.placeholder(tf.float32, [2, 2], name="x")
    with tf.Session() as session:
        with pytest.raises(
            ValueError,
            match=r"Cannot feed value of shape \(3,\) for Tensor 'x:0', which has shape '\(2, 2\)'",
        ):
            session.run(x, {x: [1, 2, 3]})
        with pytest.raises(TypeError, match=r"The value of a feed cannot be a tf.Tensor object"):
            session.run(x, {x: tf.ones([2, 2])})
        with tf.Graph().as_default():
            other = tf.placeholder(tf.float32, name="o")
        with pytest.raises(
            TypeError,
            match=r"Cannot interpret feed_dict key as Tensor: Tensor .* is not an element of this graph",
        ):
            session.run(x, {other: 1.0})
        with pytest.raises(TypeError, match="Cannot interpret feed_dict key as Tensor"):
            session.run(x, {3: 1.0})


def test_fetches_that_are_none() -> None:
    x = tf.constant(1.0)
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with tf.Session() as session:
        with pytest.raises(TypeError, match=r"Fetch argument None has invalid type <class 'NoneType'>"):
            session.run(None)
        with pytest.raises(TypeError, match="has invalid type <class 'float'>, must be a string or Tensor"):
            session.run([x, 2.5])
        with pytest.raises(
            ValueError, match=r"cannot be interpreted as a Tensor. .* is not an element of this graph"
        ):
            session.run(other)
        with pytest.raises(ValueError, match="cannot be interpreted as a Tensor"):
            session.run("nothing:0")


def test_closed_and_empty_sessions() -> None:
    with pytest.raises(RuntimeError, match="The Session graph is empty"):
        tf.Session().run([])
    x = tf.constant(1.0)
    session = tf.Session()
    session.close()
    with pytest.raises(RuntimeError, match=r"Attempted to use a closed Session."):
        session.run(x)


def test_uninitialised_variables() -> None:
    w = tf.Variable(1.0, name="w")
    with tf.Session() as session:
        for fetch in (w, w + 1.0, w.assign_add(1.0), tf.gradients(w * w, w)[0]):
            with pytest.raises(
                tf.errors.FailedPreconditionError, match="Attempting to use uninitialized value w"
            ):
                session.run(fetch)
        assert session.run(tf.report_uninitialized_variables()).tolist() == [b"w"]
        assert not session.run(tf.is_variable_initialized(w))
        session.run(w.assign(5.0))  # assigning is initialising
        assert session.run(w) == 5.0 and session.run(tf.is_variable_initialized(w))
        assert session.run(tf.report_uninitialized_variables()).tolist() == []


def test_each_session_has_its_own_values() -> None:
    w = tf.Variable(1.0)
    first, second = tf.Session(), tf.Session()
    for session in (first, second):
        session.run(w.initializer)
    first.run(w.assign(2.0))
    assert (first.run(w), second.run(w)) == (2.0, 1.0)


def test_assignments() -> None:
    w = tf.Variable([1.0, 2.0])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(w.assign([3.0, 4.0])).tolist() == [3.0, 4.0]
        assert session.run(tf.assign_add(w, [1.0, 1.0])).tolist() == [4.0, 5.0]
        assert session.run(tf.assign_sub(w, [2.0, 2.0])).tolist() == [2.0, 3.0]
        assert session.run(tf.scatter_add(w, [0, 0], [1.0, 1.0])).tolist() == [4.0, 3.0]
        assert session.run(tf.scatter_update(w, [1], [9.0])).tolist() == [4.0, 9.0]
        w.load([0.0, 1.0], session)
        assert w.eval().tolist() == [0.0, 1.0]
        with tf.control_dependencies([w.assign([7.0, 7.0])]):
            after = w.read_value()
        assert session.run(after).tolist() == [7.0, 7.0]
        grown = tf.assign(w, [1.0, 2.0, 3.0], validate_shape=False)
        assert session.run(grown).tolist() == [1.0, 2.0, 3.0]


def test_fetched_arrays_are_the_programs_own() -> None:
    w = tf.Variable([1.0, 2.0])
    c = tf.constant([1.0, 2.0])
    x = tf.placeholder(tf.float32, [2])
    with tf.Session() as session:
        session.run(w.initializer)
        value = session.run(w)
        constant = session.run(c)
        reshaped = session.run(tf.reshape(w, [2, 1]))
        fed = np.array([1.0, 2.0], np.float32)
        back = session.run(tf.identity(x), {x: fed})
        session.run(w.assign_add([1.0, 1.0]))
        constant += 1
        back += 1
        assert value.tolist() == [1.0, 2.0] and reshaped.ravel().tolist() == [1.0, 2.0]
        assert session.run(c).tolist() == [1.0, 2.0] and fed.tolist() == [1.0, 2.0]
        value += 5
        assert session.run(w).tolist() == [2.0, 3.0]


def test_a_variables_memory_stays_the_same() -> None:
    w = tf.Variable([1.0, 2.0])
    step = tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(w * w))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        slot = session._state.slot(w)
        tensor, array = slot.tensor, slot.tensor._array
        for fetch in (step, w.assign([5.0, 5.0]), w.initializer):
            session.run(fetch)
        assert slot.tensor is tensor and slot.tensor._array is array
        assert not tensor.requires_grad


def test_initial_values_that_depend_on_other_variables() -> None:
    a = tf.Variable(tf.random_normal([2]), name="a")
    b = tf.Variable(a.initialized_value() * 2.0, name="b")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first, second = session.run([a, b])
        np.testing.assert_allclose(second, 2 * first)


def test_the_gradient_sees_the_values_from_before_an_update() -> None:
    w = tf.Variable(3.0)
    loss = w * w
    (gradient,) = tf.gradients(loss, w)
    update = w.assign(w - 0.5 * gradient)
    with tf.Session() as session:
        session.run(w.initializer)
        value, slope, new = session.run([loss, gradient, update])
        assert (value, slope, new) == (9.0, 6.0, 0.0)


def test_a_gradient_after_an_update_that_its_forward_pass_came_before() -> None:
    w = tf.Variable(3.0)
    loss = w * w * w
    update = w.assign(2.0)
    with tf.control_dependencies([loss, update]):
        late = tf.identity(loss)
    (gradient,) = tf.gradients(late, w)
    with tf.Session() as session:
        session.run(w.initializer)
        assert session.run([gradient, late]) == [27.0, 27.0]
        assert session.run(w) == 2.0


def test_an_operation_after_an_update_sees_the_new_value() -> None:
    w = tf.Variable(3.0)
    with tf.control_dependencies([w.assign(5.0)]):
        y = w * 2.0
    with tf.Session() as session:
        session.run(w.initializer)
        assert session.run([y, tf.gradients(y, w)[0]]) == [10.0, 2.0]


def test_gradients_against_calculus() -> None:
    x = tf.placeholder(tf.float64, [3])
    y = tf.reduce_sum(tf.sin(x) * x)
    (first,) = tf.gradients(y, x)
    (second,) = tf.gradients(first, x)
    (third,) = tf.gradients(second, x)
    value = np.array([0.3, -1.2, 2.0])
    with tf.Session() as session:
        found = session.run([first, second, third], {x: value})
    np.testing.assert_allclose(found[0], np.cos(value) * value + np.sin(value))
    np.testing.assert_allclose(found[1], 2 * np.cos(value) - value * np.sin(value))
    np.testing.assert_allclose(found[2], -3 * np.sin(value) - value * np.cos(value))


def test_gradients_of_intermediate_tensors_and_several_ys() -> None:
    a = tf.constant([1.0, 2.0])
    h = tf.identity(a)
    y = h * 2.0 + a * 3.0
    with tf.Session() as session:
        assert session.run(tf.gradients(y, h)[0]).tolist() == [2.0, 2.0]
        assert session.run(tf.gradients(y, a)[0]).tolist() == [5.0, 5.0]
        both = tf.gradients(y, [a, h])
        assert [g.tolist() for g in session.run(both)] == [[5.0, 5.0], [2.0, 2.0]]
        assert session.run(tf.gradients([y, h], a)[0]).tolist() == [6.0, 6.0]
        assert session.run(tf.gradients(y, a, grad_ys=[tf.constant([1.0, 10.0])])[0]).tolist() == [5.0, 50.0]


def test_what_has_no_gradient() -> None:
    x, unrelated = tf.constant(1.0), tf.constant(2.0)
    y = x * 2.0
    assert tf.gradients(y, unrelated) == [None]
    assert tf.gradients(tf.stop_gradient(y), x) == [None]
    assert tf.gradients(tf.floor(y), x) == [None]
    assert tf.gradients(tf.cast(tf.argmax(tf.stack([y, x])), tf.float32), x) == [None]
    (zero,) = tf.gradients(y, unrelated, unconnected_gradients="zero")
    with tf.Session() as session:
        assert session.run(zero) == 0.0
        assert session.run(tf.gradients(y * tf.stop_gradient(y), x)[0]) == 4.0


def test_the_forward_pass_runs_once_for_everybody() -> None:
    calls = []
    noise = tf.py_func(lambda: calls.append(1) or np.float32(3), [], tf.float32)
    noise.set_shape([])
    w = tf.Variable(2.0)
    loss = w * w * noise
    with tf.Session() as session:
        session.run(w.initializer)
        fetched = session.run([loss, tf.gradients(loss, w)[0], tf.gradients(loss * 2.0, w)[0]])
        assert fetched == [12.0, 12.0, 24.0] and calls == [1]


def test_a_gradient_is_not_taken_through_a_fed_value() -> None:
    w = tf.Variable(2.0)
    h = w * 3.0
    (gradient,) = tf.gradients(h * h, w)
    with tf.Session() as session:
        session.run(w.initializer)
        assert session.run(gradient) == 36.0
        with pytest.raises(tf.errors.UnimplementedError, match="a value is fed for it"):
            session.run(gradient, {h: 1.0})
        assert session.run(gradient, {w: 1.0}) == 18.0  # feeding what it is taken for is fine


def test_hessians() -> None:
    x = tf.constant([1.0, 2.0])
    (matrix,) = tf.hessians(x[0] * x[0] * x[1], x)
    with tf.Session() as session:
        assert session.run(matrix).tolist() == [[4.0, 2.0], [2.0, 0.0]]


def test_errors_of_operations_name_the_node() -> None:
    x = tf.placeholder(tf.float32, name="x")
    y = tf.placeholder(tf.float32, name="y")
    total = tf.add(x, y, name="total")
    with tf.Session() as session:
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"Incompatible shapes: \[2\] vs. \[3\]"
        ) as caught:
            session.run(total, {x: [1, 2], y: [1, 2, 3]})
        assert caught.value.op is total.op and "[[node total (defined at" in str(caught.value)
        assert isinstance(caught.value, tf.errors.OpError) and caught.value.error_code == 3
        with pytest.raises(tf.errors.InvalidArgumentError, match="MatMul"):
            session.run(tf.matmul(x, y), {x: np.ones((2, 3)), y: np.ones((4, 5))})
        picked = tf.gather([1.0, 2.0], tf.placeholder_with_default(7, []))
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(picked)


def test_a_failed_run_leaves_the_session_usable() -> None:
    x = tf.placeholder(tf.float32)
    w = tf.Variable(1.0)
    step = w.assign_add(tf.reduce_sum(x + tf.constant([1.0, 2.0])))
    import rushlight

    with tf.Session() as session:
        session.run(w.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(step, {x: [1, 2, 3]})
        assert rushlight.is_grad_enabled()
        assert session.run(w) == 1.0 and session.run(step, {x: 0.0}) == 4.0


def test_eval_and_default_sessions() -> None:
    x = tf.constant(2.0)
    with pytest.raises(
        ValueError, match=r"Cannot evaluate tensor using `eval\(\)`: No default session is registered"
    ):
        x.eval()
    with pytest.raises(ValueError, match=r"Cannot execute operation using `run\(\)`: No default session"):
        x.op.run()
    with tf.Session() as session:
        assert tf.get_default_session() is session and x.eval() == 2.0
    assert tf.get_default_session() is None
    session = tf.InteractiveSession()
    try:
        assert x.eval() == 2.0 and tf.get_default_session() is session
        with tf.Graph().as_default():
            other = tf.constant(1.0)
        with pytest.raises(ValueError, match="graph is different"):
            other.eval()
    finally:
        session.close()
    assert tf.get_default_session() is None
    session = tf.Session()
    with session.as_default():
        assert x.eval() == 2.0
    assert session.run(x) == 2.0  # as_default does not close it


def test_make_callable() -> None:
    x = tf.placeholder(tf.float32)
    with tf.Session() as session:
        call = session.make_callable([x + 1.0], feed_list=[x])
        assert call(1.0) == [2.0]
        with pytest.raises(ValueError, match="takes 1 values"):
            call()


def test_partial_runs() -> None:
    a = tf.placeholder(tf.float32, [])
    b = tf.placeholder(tf.float32, [])
    c = tf.placeholder(tf.float32, [])
    calls = []
    counted = tf.py_func(lambda v: calls.append(1) or v, [a + b], tf.float32)
    first = counted * 1.0
    second = first * c
    with tf.Session() as session:
        handle = session.partial_run_setup([first, second], [a, b, c])
        value = session.partial_run(handle, first, {a: 1.0, b: 2.0})
        assert value == 3.0
        assert session.partial_run(handle, second, {c: value * 10}) == 90.0
        assert calls == [1]
        with pytest.raises(tf.errors.InvalidArgumentError, match="already been fed"):
            session.partial_run(handle, second, {c: 1.0})
        with pytest.raises(tf.errors.InvalidArgumentError, match="was not specified in partial_run_setup"):
            session.partial_run(handle, counted)


def test_partial_run_with_a_gradient_and_an_update() -> None:
    x = tf.placeholder(tf.float32, [])
    y = tf.placeholder(tf.float32, [])
    w = tf.Variable(3.0)
    guess = w * x
    loss = tf.square(guess - y)
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.Session() as session:
        session.run(w.initializer)
        handle = session.partial_run_setup([guess, loss, step], [x, y])
        assert session.partial_run(handle, guess, {x: 2.0}) == 6.0
        assert session.partial_run(handle, [loss, step], {y: 5.0})[0] == 1.0
        np.testing.assert_allclose(session.run(w), 3.0 - 0.1 * 2 * 1.0 * 2.0, rtol=1e-6)


def test_control_dependencies_and_groups() -> None:
    order = []
    a = tf.py_func(lambda: order.append("a") or np.float32(0), [], tf.float32)
    with tf.control_dependencies([a]):
        b = tf.py_func(lambda: order.append("b") or np.float32(0), [], tf.float32)
        with tf.control_dependencies(None):
            free = tf.constant(1.0)
    with tf.Session() as session:
        session.run(b)
        assert order == ["a", "b"]
        session.run(free)
        assert order == ["a", "b"]
        assert session.run(tf.group(a, b)) is None
        assert session.run(tf.tuple([tf.constant(1.0), tf.constant(2.0)], control_inputs=[b])) == [1.0, 2.0]
        assert order[2:] == ["a", "b"] * 2


def test_strings() -> None:
    text = tf.constant("Hello, TensorFlow!")
    many = tf.constant(["a", "b"])
    fed = tf.placeholder(tf.string, [None])
    with tf.Session() as session:
        assert session.run(text) == b"Hello, TensorFlow!"
        assert session.run(many).tolist() == [b"a", b"b"]
        assert session.run(tf.identity(fed), {fed: ["x", "y"]}).tolist() == [b"x", b"y"]


def test_random_seeds() -> None:
    tf.set_random_seed(3)
    a, b = tf.random_normal([4]), tf.random_uniform([4], seed=1)
    with tf.Session() as one:
        first, again = one.run([a, b]), one.run([a, b])
    with tf.Session() as two:
        second = two.run([a, b])
    for x, y, z in zip(first, again, second, strict=True):
        np.testing.assert_array_equal(x, z)
        assert not np.array_equal(x, y)
    with tf.Graph().as_default():
        free = tf.random_normal([4])
        assert not np.array_equal(tf.Session().run(free), tf.Session().run(free))


def test_random_distributions() -> None:
    tf.set_random_seed(1)
    with tf.Session() as session:
        normal, cut, uniform, whole = session.run(
            [
                tf.random_normal([20000], mean=1.0, stddev=2.0),
                tf.truncated_normal([20000], stddev=2.0),
                tf.random_uniform([20000], -1.0, 3.0),
                tf.random_uniform([2000], 2, 5, tf.int32),
            ]
        )
        np.testing.assert_allclose([normal.mean(), normal.std()], [1.0, 2.0], atol=0.05)
        assert np.abs(cut).max() <= 4.0
        # The standard deviation of the standard normal distribution cut at ±2 is 0.8796.
        np.testing.assert_allclose([cut.mean(), cut.std()], [0.0, 2 * 0.8796], atol=0.05)
        assert uniform.min() >= -1 and uniform.max() < 3
        np.testing.assert_allclose(uniform.mean(), 1.0, atol=0.05)
        assert set(whole.tolist()) == {2, 3, 4} and whole.dtype == np.int32
        shuffled = session.run(tf.random_shuffle(tf.range(10)))
        assert sorted(shuffled.tolist()) == list(range(10))


def test_options_are_accepted() -> None:
    config = tf.ConfigProto(allow_soft_placement=True, gpu_options=tf.GPUOptions(allow_growth=True))
    config.gpu_options.allow_growth = True
    config.intra_op_parallelism_threads = 1
    with tf.Session(config=config) as session:
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        assert session.run(tf.constant(1.0), options=options, run_metadata=metadata) == 1.0
