import numpy as np
import tensorflow as tf

tf.set_random_seed(1)

rng = np.random.RandomState(0)
num_input, timesteps, num_hidden, num_classes = 5, 6, 7, 3
X = tf.placeholder("float", [None, timesteps, num_input])
Y = tf.placeholder("float", [None, num_classes])
w = rng.randn(2 * num_hidden, num_classes).astype(np.float32) * 0.3
weights = {"out": tf.Variable(w)}
biases = {"out": tf.Variable(np.zeros(num_classes, np.float32))}
init = tf.constant_initializer(0.1)


def BiRNN(x, weights, biases):
    x = tf.unstack(x, timesteps, 1)
    with tf.variable_scope("bi", initializer=tf.random_uniform_initializer(-0.1, 0.1, seed=2)):
        lstm_fw_cell = tf.nn.rnn_cell.BasicLSTMCell(num_hidden, forget_bias=1.0)
        lstm_bw_cell = tf.nn.rnn_cell.BasicLSTMCell(num_hidden, forget_bias=1.0)
        try:
            outputs, _, _ = tf.nn.static_bidirectional_rnn(lstm_fw_cell, lstm_bw_cell, x, dtype=tf.float32)
        except Exception:
            outputs = tf.nn.static_bidirectional_rnn(lstm_fw_cell, lstm_bw_cell, x, dtype=tf.float32)
    return tf.matmul(outputs[-1], weights["out"]) + biases["out"]


logits = BiRNN(X, weights, biases)
prediction = tf.nn.softmax(logits)
loss_op = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(logits=logits, labels=Y))
optimizer = tf.train.GradientDescentOptimizer(learning_rate=0.5)
train_op = optimizer.minimize(loss_op)
fill = [(v, tf.placeholder(tf.float32, v.shape)) for v in tf.trainable_variables()]
assigns = [tf.assign(v, p) for v, p in fill]
print([(v.name, v.shape.as_list()) for v in tf.trainable_variables()])
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    r2 = np.random.RandomState(9)
    sess.run(assigns, {p: r2.randn(*v.shape.as_list()) * 0.2 for v, p in fill})
    bx = rng.rand(8, timesteps, num_input)
    by = np.eye(3)[rng.randint(0, 3, 8)]
    for step in range(5):
        sess.run(train_op, feed_dict={X: bx, Y: by})
        print(step, "%.5f" % sess.run(loss_op, feed_dict={X: bx, Y: by}))

# dynamic rnn of several lengths, last relevant output by gather
tf.reset_default_graph()
data = [[[i * 0.1 + j * 0.01] for j in range(n)] + [[0.0]] * (10 - n) for i, n in enumerate([3, 10, 5, 7])]
lens = [3, 10, 5, 7]
x = tf.placeholder("float", [None, 10, 1])
y = tf.placeholder("float", [None, 2])
seqlen = tf.placeholder(tf.int32, [None])


def dynamicRNN(x, seqlen):
    x = tf.unstack(x, 10, 1)
    cell = tf.nn.rnn_cell.BasicLSTMCell(4)
    outputs, states = tf.nn.static_rnn(cell, x, dtype=tf.float32, sequence_length=seqlen)
    outputs = tf.stack(outputs)
    outputs = tf.transpose(outputs, [1, 0, 2])
    batch_size = tf.shape(outputs)[0]
    index = tf.range(0, batch_size) * 10 + (seqlen - 1)
    outputs = tf.gather(tf.reshape(outputs, [-1, 4]), index)
    return outputs, states


o, st = dynamicRNN(x, seqlen)
loss = tf.reduce_sum(o**2)
grads = tf.gradients(loss, tf.trainable_variables())
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for v in tf.trainable_variables():
        v.load(np.linspace(-0.5, 0.5, int(np.prod(v.shape.as_list()))).reshape(v.shape.as_list()), sess)
    out, s_, g_ = sess.run([o, st, grads], {x: data, seqlen: lens})
    print(out)
    print(s_.c)
    print(s_.h - out)
    print([np.abs(g).sum() for g in g_])
    print(type(s_).__name__)

# bidirectional dynamic rnn, stacked, GRU, attention pooling
tf.reset_default_graph()
x = tf.placeholder(tf.float32, [2, None, 3])
n = tf.placeholder(tf.int64, [2])
fw = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.GRUCell(3), tf.nn.rnn_cell.GRUCell(2)])
bw = tf.nn.rnn_cell.DropoutWrapper(
    tf.nn.rnn_cell.LSTMCell(2, use_peepholes=True, state_is_tuple=True), output_keep_prob=1.0
)
(of, ob), (sf, sb) = tf.nn.bidirectional_dynamic_rnn(
    fw, bw, x, sequence_length=n, dtype=tf.float32, scope="b"
)
h = tf.concat([of, ob], 2)
u = tf.get_variable("u", [4], initializer=tf.constant_initializer([0.1, -0.2, 0.3, 0.4]))
a = tf.nn.softmax(tf.tensordot(tf.tanh(h), u, axes=1), name="alphas")
att = tf.reduce_sum(h * tf.expand_dims(a, -1), 1)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for v in tf.trainable_variables():
        print(v.name, v.shape)
        if v.op.name != "u":
            v.load(np.cos(np.arange(int(np.prod(v.shape.as_list())))).reshape(v.shape.as_list()) * 0.5, sess)
    f = {x: rng.rand(2, 4, 3), n: [2, 4]}
    print(sess.run(att, f))
    print(sess.run(sf, f))
    print(sess.run(sb, f))
    print(of, ob.shape, a)
