"""tf.nn, tf.layers, tf.losses, tf.metrics and recurrent nets, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        tf.set_random_seed(0)
        yield made


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        return session.run(fetches, feeds)


def conv_by_hand(x, w, stride, padding):
    """NHWC convolution by loops, with TensorFlow's "SAME": the extra row and column of zeros come last."""
    height, width = w.shape[:2]
    if padding == "SAME":
        pads = []
        for extent, size in ((x.shape[1], height), (x.shape[2], width)):
            total = max((-(-extent // stride) - 1) * stride + size - extent, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    rows = (x.shape[1] - height) // stride + 1
    columns = (x.shape[2] - width) // stride + 1
    result = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
    for i in range(rows):
        for j in range(columns):
            part = x[:, i * stride : i * stride + height, j * stride : j * stride + width]
            result[:, i, j] = np.tensordot(part, w, 3)
    return result


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_conv2d(padding: str, stride: int, size: int) -> None:
    x = RNG.standard_normal((2, 7, 8, 3))
    w = RNG.standard_normal((size, size, 3, 4))
    y = tf.nn.conv2d(x, w, [1, stride, stride, 1], padding)
    expected = conv_by_hand(x, w, stride, padding)
    assert y.shape.as_list() == list(expected.shape)
    np.testing.assert_allclose(run(y), expected, atol=1e-12)
    first = tf.nn.conv2d(np.moveaxis(x, 3, 1).copy(), w, [1, 1, stride, stride], padding, data_format="NCHW")
    np.testing.assert_allclose(run(first), np.moveaxis(expected, 3, 1), atol=1e-12)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1)])
def test_pooling(padding: str, size: int, stride: int) -> None:
    x = RNG.standard_normal((2, 7, 6, 3)) - 5.0  # all below 0: zeros in the border would win
    window, step = [1, size, size, 1], [1, stride, stride, 1]
    largest, mean = tf.nn.max_pool(x, window, step, padding), tf.nn.avg_pool(x, window, step, padding)
    found = run([largest, mean])
    before = [0, 0]
    if padding == "SAME":
        before = [max((-(-e // stride) - 1) * stride + size - e, 0) // 2 for e in (7, 6)]
    for i in range(found[0].shape[1]):
        for j in range(found[0].shape[2]):
            top, left = i * stride - before[0], j * stride - before[1]
            part = x[:, max(top, 0) : top + size, max(left, 0) : left + size]
            np.testing.assert_allclose(found[0][:, i, j], part.max((1, 2)))
            np.testing.assert_allclose(found[1][:, i, j], part.mean((1, 2)))
    assert largest.shape.as_list() == list(found[0].shape)


def test_conv2d_transpose_is_the_transpose() -> None:
    for padding, extent in (("SAME", 7), ("VALID", 7), ("SAME", 8)):
        w = RNG.standard_normal((3, 3, 2, 4))
        x = tf.constant(RNG.standard_normal((1, extent, extent, 2)))
        y = tf.nn.conv2d(x, w, [1, 2, 2, 1], padding)
        cotangent = RNG.standard_normal(y.shape.as_list())
        expected = tf.gradients(y, x, grad_ys=cotangent)[0]
        found = tf.nn.conv2d_transpose(cotangent, w, x.shape.as_list(), [1, 2, 2, 1], padding)
        a, b = run([found, expected])
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_depthwise_and_one_dimensional_convolution() -> None:
    x, w = RNG.standard_normal((1, 5, 5, 2)), RNG.standard_normal((3, 3, 2, 2))
    found = run(tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "VALID"))
    for channel in range(2):
        expected = conv_by_hand(x[..., channel : channel + 1], w[:, :, channel : channel + 1], 1, "VALID")
        np.testing.assert_allclose(found[..., 2 * channel : 2 * channel + 2], expected, atol=1e-12)
    x1, w1 = RNG.standard_normal((2, 9, 3)), RNG.standard_normal((4, 3, 5))
    expected = conv_by_hand(x1[:, None], w1[None], 1, "VALID")[:, 0]
    np.testing.assert_allclose(run(tf.nn.conv1d(x1, w1, 1, "VALID")), expected, atol=1e-12)


def test_windows_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="Negative dimension size"):
        tf.nn.conv2d(tf.zeros([1, 2, 2, 1]), tf.zeros([3, 3, 1, 1]), [1, 1, 1, 1], "VALID")
    with pytest.raises(ValueError, match="'SAME' or 'VALID'"):
        tf.nn.conv2d(tf.zeros([1, 2, 2, 1]), tf.zeros([1, 1, 1, 1]), [1, 1, 1, 1], "same-ish")
    with pytest.raises(ValueError, match="is not a multiple of input depth"):
        tf.nn.conv2d(tf.zeros([1, 4, 4, 3]), tf.zeros([1, 1, 2, 1]), [1, 1, 1, 1], "SAME")


LOGITS = RNG.standard_normal((4, 3)).astype(np.float32)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_cross_entropies() -> None:
    labels = np.array([0, 2, 1, 1])
    onehot = np.eye(3, dtype=np.float32)[labels]
    expected = -log_softmax(LOGITS)[np.arange(4), labels]
    x = tf.constant(LOGITS)
    dense = tf.nn.softmax_cross_entropy_with_logits(labels=onehot, logits=x)
    v2 = tf.nn.softmax_cross_entropy_with_logits_v2(labels=onehot, logits=x)
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=x)
    for value in run([dense, v2, sparse]):
        np.testing.assert_allclose(value, expected, rtol=1e-5)
    for loss in (dense, sparse):
        np.testing.assert_allclose(
            run(tf.gradients(loss, x)[0]), np.exp(log_softmax(LOGITS)) - onehot, atol=1e-6
        )
    z = RNG.random((4, 3)).astype(np.float32)
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    expected = -z * np.log(sigmoid) - (1 - z) * np.log(1 - sigmoid)
    np.testing.assert_allclose(
        run(tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x)), expected, rtol=1e-5
    )
    weighted = -3 * z * np.log(sigmoid) - (1 - z) * np.log(1 - sigmoid)
    np.testing.assert_allclose(run(tf.nn.weighted_cross_entropy_with_logits(z, x, 3.0)), weighted, rtol=1e-5)


def test_errors_of_cross_entropies() -> None:
    x = tf.constant(LOGITS)
    with pytest.raises(
        ValueError, match=r"Only call `softmax_cross_entropy_with_logits` with named arguments"
    ):
        tf.nn.softmax_cross_entropy_with_logits(x, x)
    with pytest.raises(ValueError, match="Rank mismatch"):
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[[0]], logits=x)
    bad = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 1, 2, 3], logits=x)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"label value of 3 which is outside the valid range of \[0, 3\)"
    ):
        run(bad)


def test_activations() -> None:
    x = LOGITS
    expected = {
        "relu": np.maximum(x, 0), "relu6": np.clip(x, 0, 6), "elu": np.where(x > 0, x, np.exp(x) - 1),
        "softsign": x / (1 + abs(x)), "softplus": np.log1p(np.exp(x)), "sigmoid": 1 / (1 + np.exp(-x)),
        "tanh": np.tanh(x), "softmax": np.exp(log_softmax(x)), "log_softmax": log_softmax(x),
        "leaky_relu": np.where(x > 0, x, 0.2 * x), "swish": x / (1 + np.exp(-x)),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(run(getattr(tf.nn, name)(x)), value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_dropout_keeps_the_mean_and_scales() -> None:
    x = tf.ones([200, 200])
    keep = tf.placeholder(tf.float32)
    y = tf.nn.dropout(x, keep_prob=keep)
    value = run(y, {keep: 0.25})
    assert set(np.unique(value)) == {0.0, 4.0}
    np.testing.assert_allclose(value.mean(), 1.0, atol=0.05)
    assert run(y, {keep: 1.0}).tolist() == np.ones((200, 200)).tolist()
    gradient, value = run([tf.gradients(y, x)[0], y], {keep: 0.25})
    np.testing.assert_array_equal(gradient, value)
    columns = run(tf.nn.dropout(x, 0.5, noise_shape=[1, 200]))
    assert (columns == columns[:1]).all()
    assert tf.nn.dropout(x, 1.0) is x
    with pytest.raises(ValueError, match=r"in the range \(0, 1\]"):
        tf.nn.dropout(x, 0.0)


def test_moments_and_batch_normalization() -> None:
    x = RNG.standard_normal((6, 3)).astype(np.float32)
    mean, variance = run(tf.nn.moments(tf.constant(x), [0]))
    np.testing.assert_allclose(mean, x.mean(0), atol=1e-6)
    np.testing.assert_allclose(variance, x.var(0), rtol=1e-5)
    inputs = tf.placeholder(tf.float32, [None, 3])
    training = tf.placeholder(tf.bool, [])
    y = tf.layers.batch_normalization(inputs, training=training)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    assert len(updates) == 2
    names = [v.name for v in tf.global_variables()]
    assert names == [
        f"batch_normalization/{n}:0" for n in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found, _ = session.run([y, updates], {inputs: x, training: True})
        np.testing.assert_allclose(found, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), atol=1e-5)
        moving = session.run("batch_normalization/moving_mean:0")
        np.testing.assert_allclose(moving, 0.01 * x.mean(0), atol=1e-6)
        found = session.run(y, {inputs: x, training: False})
        spread = 0.99 + 0.01 * x.var(0)
        np.testing.assert_allclose(found, (x - 0.01 * x.mean(0)) / np.sqrt(spread + 1e-3), atol=1e-5)


def test_layers_make_and_share_variables() -> None:
    x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    h = tf.layers.conv2d(x, 4, 5, activation=tf.nn.relu, padding="same")
    h = tf.layers.max_pooling2d(h, 2, 2)
    h = tf.layers.flatten(h)
    assert h.shape.as_list() == [None, 14 * 14 * 4]
    h = tf.layers.dense(h, 7, activation=tf.nn.relu, name="hidden")
    again = tf.layers.dense(tf.placeholder(tf.float32, [None, 784]), 7, name="hidden", reuse=True)
    y = tf.layers.dense(tf.layers.dropout(h, 0.5, training=True), 2)
    z = tf.layers.dense(y, 2)
    assert [v.name for v in tf.trainable_variables()] == [
        "conv2d/kernel:0", "conv2d/bias:0", "hidden/kernel:0", "hidden/bias:0", "dense/kernel:0", "dense/bias:0",
        "dense_1/kernel:0", "dense_1/bias:0",
    ]  # fmt: skip
    assert run([y, z], {x: np.ones((3, 28, 28, 1))})[1].shape == (3, 2)
    assert again.shape.as_list() == [None, 7]
    layer = tf.layers.Dense(3)
    first, second = layer(tf.ones([2, 4])), layer(tf.ones([2, 4]))
    assert len(layer.variables) == 2
    a, b = run([first, second])
    np.testing.assert_array_equal(a, b)
    deep = tf.layers.dense(tf.ones([2, 5, 4]), 3)
    assert run(deep).shape == (2, 5, 3)
    up = tf.layers.conv2d_transpose(tf.ones([1, 4, 4, 2]), 3, 3, 2, "same")
    assert run(up).shape == (1, 8, 8, 3) and up.shape.as_list() == [1, 8, 8, 3]


def test_losses() -> None:
    labels, guesses = np.array([1.0, 2.0, 4.0], np.float32), np.array([1.5, 1.0, 0.0], np.float32)
    d = guesses - labels
    weights = np.array([1.0, 0.0, 2.0], np.float32)
    assert run(tf.losses.mean_squared_error(labels, guesses)) == pytest.approx((d**2).mean())
    # The mean over what has a weight, not over the sum of the weights.
    assert run(tf.losses.mean_squared_error(labels, guesses, weights)) == pytest.approx(
        (weights * d**2).sum() / 2
    )
    assert run(tf.losses.absolute_difference(labels, guesses)) == pytest.approx(np.abs(d).mean())
    huber = np.where(np.abs(d) <= 1, d**2 / 2, np.abs(d) - 0.5).mean()
    assert run(tf.losses.huber_loss(labels, guesses)) == pytest.approx(huber)
    found = run(tf.losses.mean_squared_error(labels, guesses, reduction="none", loss_collection=None))
    np.testing.assert_allclose(found, d**2)
    classes = np.array([0, 2, 1, 1])
    expected = -log_softmax(LOGITS)[np.arange(4), classes].mean()
    assert run(tf.losses.sparse_softmax_cross_entropy(classes, LOGITS)) == pytest.approx(expected, rel=1e-5)
    assert run(tf.losses.softmax_cross_entropy(np.eye(3)[classes], LOGITS)) == pytest.approx(
        expected, rel=1e-5
    )
    every = tf.losses.get_losses()
    assert len(every) == 6
    assert run(tf.losses.get_total_loss()) == pytest.approx(sum(run(every)))
    with pytest.raises(ValueError, match="Invalid Reduction Key"):
        tf.losses.mean_squared_error(labels, guesses, reduction="sum of some")


def test_metrics() -> None:
    labels, guesses = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.int64, [None])
    value, update = tf.metrics.accuracy(labels, guesses)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(update, {labels: [1, 2], guesses: [1, 0]}) == 0.5
        assert session.run(update, {labels: [1, 2], guesses: [1, 2]}) == 0.75
        assert session.run(value) == 0.75
    assert [v.name for v in tf.local_variables()] == ["accuracy/total:0", "accuracy/count:0"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(x, kernel, bias, forget_bias=1.0, lengths=None):
    units = kernel.shape[1] // 4
    c = h = np.zeros((x.shape[0], units))
    outputs = []
    for t in range(x.shape[1]):
        i, j, f, o = np.split(np.concatenate([x[:, t], h], 1) @ kernel + bias, 4, 1)
        new_c = sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(j)
        new_h = sigmoid(o) * np.tanh(new_c)
        going = np.ones((len(x), 1), bool) if lengths is None else (t < lengths)[:, None]
        outputs.append(np.where(going, new_h, 0))
        c, h = np.where(going, new_c, c), np.where(going, new_h, h)
    return np.stack(outputs, 1), c, h


def test_dynamic_rnn_with_an_lstm() -> None:
    x = RNG.standard_normal((3, 5, 2))
    lengths = np.array([5, 2, 3])
    inputs = tf.placeholder(tf.float64, [None, 5, 2])
    with tf.variable_scope("net", dtype=tf.float64):
        outputs, state = tf.nn.dynamic_rnn(
            tf.nn.rnn_cell.BasicLSTMCell(4), inputs, sequence_length=lengths, dtype=tf.float64
        )
    assert [v.name for v in tf.trainable_variables()] == [
        "net/rnn/basic_lstm_cell/kernel:0", "net/rnn/basic_lstm_cell/bias:0",
    ]  # fmt: skip
    assert outputs.shape.as_list() == [None, 5, 4] and isinstance(state, tf.nn.rnn_cell.LSTMStateTuple)
    kernel, bias, found, last = run([*tf.trainable_variables(), outputs, state], {inputs: x})
    expected, c, h = lstm_by_hand(x, kernel, bias, lengths=lengths)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(last.c, c, atol=1e-12)
    np.testing.assert_allclose(last.h, h, atol=1e-12)


def test_static_and_dynamic_agree_in_values_and_gradients() -> None:
    x = tf.constant(RNG.standard_normal((2, 4, 3)).astype(np.float32))
    cell = tf.nn.rnn_cell.GRUCell(5)
    dynamic, last = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    with tf.variable_scope("other"):
        static, end = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32)
    variables = tf.trainable_variables()
    assert [v.name for v in variables] == [
        f"rnn/gru_cell/{part}:0"
        for part in ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")
    ]
    first = tf.gradients(tf.reduce_sum(dynamic * dynamic), variables)
    second = tf.gradients(tf.reduce_sum(tf.stack(static) ** 2.0), variables)
    a, b, c, d, e, f = run([dynamic, tf.stack(static, 1), last, end, first, second])
    np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(c, d, rtol=1e-5)
    for p, q in zip(e, f, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-6)


def test_other_cells() -> None:
    x = tf.ones([2, 3])
    basic = tf.nn.rnn_cell.BasicRNNCell(4)
    output, _state = basic(x, basic.zero_state(2, tf.float32))
    kernel, _, found = run([*basic.variables, output])
    np.testing.assert_allclose(found, np.tanh(np.ones((2, 3)) @ kernel[:3]), rtol=1e-5)
    layers = tf.nn.rnn_cell.MultiRNNCell(
        [
            tf.nn.rnn_cell.DropoutWrapper(
                tf.nn.rnn_cell.LSTMCell(n, use_peepholes=True, num_proj=2), output_keep_prob=0.5
            )
            for n in (4, 5)
        ]
    )
    outputs, states = tf.nn.dynamic_rnn(layers, tf.ones([2, 6, 3]), dtype=tf.float32)
    names = [v.name for v in tf.trainable_variables() if v.name.endswith("/kernel:0")]
    assert (
        "rnn/multi_rnn_cell/cell_0/lstm_cell/kernel:0" in names
        and "rnn/multi_rnn_cell/cell_1/lstm_cell/kernel:0" in names
    )
    assert run(outputs).shape == (2, 6, 2) and len(states) == 2 and states[1].c.shape.as_list() == [2, 5]
    both, _ = tf.nn.bidirectional_dynamic_rnn(
        tf.nn.rnn_cell.BasicRNNCell(2),
        tf.nn.rnn_cell.BasicRNNCell(2),
        tf.ones([2, 3, 1]),
        [3, 2],
        dtype=tf.float32,
    )
    assert run(tf.concat(both, 2)).shape == (2, 3, 4)
    with pytest.raises(ValueError, match="must give a dtype"):
        tf.nn.dynamic_rnn(basic, tf.ones([2, 6, 3]))
    with pytest.raises(TypeError, match="must be an instance of RNNCell"):
        tf.nn.dynamic_rnn(3, tf.ones([2, 6, 3]), dtype=tf.float32)


def test_embedding_lookup() -> None:
    table = tf.Variable(np.arange(6.0).reshape(3, 2))
    rows = tf.nn.embedding_lookup(table, [[0, 2], [2, 2]])
    value, gradient = run([rows, tf.gradients(rows, table)[0]])
    assert value.tolist() == [[[0, 1], [4, 5]], [[4, 5], [4, 5]]]
    assert gradient.tolist() == [[1, 1], [0, 0], [3, 3]]


def test_initializers() -> None:
    def made(initializer, shape=(300, 200)):
        return run(tf.get_variable("w", shape, initializer=initializer))

    with tf.variable_scope("a"):
        assert abs(made(None)).max() <= np.sqrt(6 / 500)  # Glorot's uniform numbers
    with tf.variable_scope("b"):
        np.testing.assert_allclose(made(tf.initializers.he_normal()).std(), np.sqrt(2 / 300), rtol=0.02)
    with tf.variable_scope("c"):
        q = made(tf.orthogonal_initializer(), (4, 3))
        np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-5)
    with tf.variable_scope("d"):
        np.testing.assert_allclose(made(tf.truncated_normal_initializer(stddev=0.1)).std(), 0.088, rtol=0.02)
    with tf.variable_scope("e"):
        assert made(tf.constant_initializer([1.0, 2.0]), (2,)).tolist() == [1, 2]
    with tf.variable_scope("f"):
        assert made(tf.zeros_initializer, (2,)).tolist() == [0, 0]
    with tf.variable_scope("g"):
        fans = made(tf.contrib.layers.xavier_initializer(), (5, 5, 10, 20))
        limit = np.sqrt(6 / (25 * 30))
        assert limit * 0.9 < abs(fans).max() <= limit
