import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
try:
    from tensorflow.contrib import rnn
except Exception:
    rnn = tf.nn.rnn_cell
    rnn.static_rnn = tf.nn.static_rnn
    rnn.static_bidirectional_rnn = tf.nn.static_bidirectional_rnn
T, I, H, C = 5, 3, 6, 2
X = R.randn(8, T, I).astype("f")
Y = np.eye(C)[(X.sum((1, 2)) > 0).astype(int)]
L = np.array([5, 4, 3, 2, 1, 5, 5, 3])


def const():
    cnt = [0]

    def init(shape, dtype=None, partition_info=None):
        cnt[0] += 1
        return tf.constant((np.random.RandomState(cnt[0]).randn(*shape) * 0.3).astype("f"))

    return init


def run(make, name):
    g = tf.Graph()
    with g.as_default():
        x = tf.placeholder(tf.float32, [None, T, I])
        y = tf.placeholder(tf.float32, [None, C])
        l = tf.placeholder(tf.int32, [None])
        with tf.variable_scope("m", initializer=const()):
            out = make(x, l)
            w = tf.get_variable("w", [int(out.shape[-1]), C])
            logits = tf.matmul(out, w)
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=y))
        op = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        with tf.Session() as s:
            s.run(tf.global_variables_initializer())
            print(name, [f"{s.run([loss, op], {x: X, y: Y, l: L})[0]:.5f}" for _ in range(4)], out.shape)
            print([(v.name, v.shape.as_list()) for v in tf.trainable_variables()])


def last(o):
    return o[:, -1]


run(
    lambda x, l: rnn.static_rnn(rnn.BasicLSTMCell(H, forget_bias=1.0), tf.unstack(x, T, 1), dtype=tf.float32)[
        0
    ][-1],
    "static lstm",
)
run(lambda x, l: last(tf.nn.dynamic_rnn(rnn.BasicLSTMCell(H), x, dtype=tf.float32)[0]), "dyn lstm")
run(lambda x, l: tf.nn.dynamic_rnn(rnn.GRUCell(H), x, sequence_length=l, dtype=tf.float32)[1], "gru len")
run(lambda x, l: tf.nn.dynamic_rnn(rnn.BasicRNNCell(H), x, sequence_length=l, dtype=tf.float32)[1], "rnn len")
run(
    lambda x, l: (
        tf.nn.dynamic_rnn(
            rnn.LSTMCell(H, use_peepholes=True, num_proj=4), x, sequence_length=l, dtype=tf.float32
        )[1].h
    ),
    "lstm peep proj",
)
run(
    lambda x, l: (
        tf.nn.dynamic_rnn(
            rnn.MultiRNNCell([rnn.BasicLSTMCell(H), rnn.BasicLSTMCell(4)]), x, dtype=tf.float32
        )[1][-1].h
    ),
    "multi",
)
run(
    lambda x, l: tf.concat(
        tf.nn.bidirectional_dynamic_rnn(
            rnn.BasicLSTMCell(H), rnn.BasicLSTMCell(H), x, sequence_length=l, dtype=tf.float32
        )[0],
        2,
    )[:, 0],
    "bidi dyn",
)
run(
    lambda x, l: rnn.static_bidirectional_rnn(
        rnn.BasicLSTMCell(H), rnn.BasicLSTMCell(H), tf.unstack(x, T, 1), dtype=tf.float32
    )[0][-1],
    "bidi static",
)
run(
    lambda x, l: tf.nn.static_rnn(rnn.GRUCell(H), tf.unstack(x, T, 1), sequence_length=l, dtype=tf.float32)[
        1
    ],
    "static gru len",
)


def last_relevant(x, l):
    xs = tf.unstack(x, T, 1)
    outputs, _states = rnn.static_rnn(rnn.BasicLSTMCell(H), xs, dtype=tf.float32, sequence_length=l)
    outputs = tf.stack(outputs)
    outputs = tf.transpose(outputs, [1, 0, 2])
    batch_size = tf.shape(outputs)[0]
    index = tf.range(0, batch_size) * T + (l - 1)
    return tf.gather(tf.reshape(outputs, [-1, H]), index)


run(last_relevant, "last relevant")


def rawrnn(x, l):
    xt = tf.transpose(x, [1, 0, 2])
    ta = tf.TensorArray(tf.float32, size=T).unstack(xt)
    cell = rnn.BasicLSTMCell(H)
    bs = tf.shape(x)[0]

    def loop_fn(time, cell_output, cell_state, loop_state):
        emit = cell_output
        nxt = cell.zero_state(bs, tf.float32) if cell_output is None else cell_state
        finished = time >= l
        alldone = tf.reduce_all(finished)
        ni = tf.cond(alldone, lambda: tf.zeros([bs, I], tf.float32), lambda: ta.read(time))
        ni.set_shape([None, I])
        return finished, ni, nxt, emit, None

    ota, fs, _ = tf.nn.raw_rnn(cell, loop_fn)
    ota.stack()
    return fs.h


run(rawrnn, "raw")
