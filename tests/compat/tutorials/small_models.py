import numpy as np
import tensorflow as tf

a = tf.placeholder("float")
b = tf.placeholder("float")
y = tf.multiply(a, b)
with tf.Session() as sess:
    print("%f should equal 2.0" % sess.run(y, feed_dict={a: 1, b: 2}))
    print("%f should equal 9.0" % sess.run(y, feed_dict={a: 3, b: 3}))
trX = np.linspace(-1, 1, 11)
trY = 2 * trX + np.sin(np.arange(11)) * 0.33
X = tf.placeholder("float")
Y = tf.placeholder("float")


def model(X, w):
    return tf.multiply(X, w)


w = tf.Variable(0.0, name="weights")
cost = tf.square(Y - model(X, w))
train_op = tf.train.GradientDescentOptimizer(0.01).minimize(cost)
with tf.Session() as sess:
    tf.global_variables_initializer().run()
    for i in range(5):
        for x, yy in zip(trX, trY):
            sess.run(train_op, feed_dict={X: x, Y: yy})
    print(sess.run(w))
# modern net + dropout + name scopes + histogram + conv net
tf.reset_default_graph()
rng = np.random.RandomState(0)


def init_weights(shape, name):
    return tf.Variable(tf.constant((rng.randn(*shape) * 0.1).astype("f")), name=name)


def model(X, w_h, w_h2, w_o, p_keep_input, p_keep_hidden):
    with tf.name_scope("layer1"):
        X = tf.nn.dropout(X, p_keep_input)
        h = tf.nn.relu(tf.matmul(X, w_h))
    with tf.name_scope("layer2"):
        h = tf.nn.dropout(h, p_keep_hidden)
        h2 = tf.nn.relu(tf.matmul(h, w_h2))
    with tf.name_scope("layer3"):
        h2 = tf.nn.dropout(h2, p_keep_hidden)
        return tf.matmul(h2, w_o)


X = tf.placeholder("float", [None, 20], name="X")
Y = tf.placeholder("float", [None, 4], name="Y")
w_h = init_weights([20, 12], "w_h")
w_h2 = init_weights([12, 12], "w_h2")
w_o = init_weights([12, 4], "w_o")
tf.summary.histogram("w_h_summ", w_h)
tf.summary.histogram("w_o_summ", w_o)
p_keep_input = tf.placeholder("float", name="p_keep_input")
p_keep_hidden = tf.placeholder("float", name="p_keep_hidden")
py_x = model(X, w_h, w_h2, w_o, p_keep_input, p_keep_hidden)
with tf.name_scope("cost"):
    cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(logits=py_x, labels=Y))
    train_op = tf.train.RMSPropOptimizer(0.001, 0.9).minimize(cost)
    tf.summary.scalar("cost", cost)
with tf.name_scope("accuracy"):
    correct_pred = tf.equal(tf.argmax(Y, 1), tf.argmax(py_x, 1))
    acc_op = tf.reduce_mean(tf.cast(correct_pred, "float"))
    tf.summary.scalar("accuracy", acc_op)
xs, ys = rng.rand(40, 20), np.eye(4)[rng.randint(0, 4, 40)]
with tf.Session() as sess:
    merged = tf.summary.merge_all()
    tf.global_variables_initializer().run()
    for i in range(3):
        for start, end in zip(range(0, len(xs), 10), range(10, len(xs) + 1, 10)):
            sess.run(
                train_op,
                feed_dict={X: xs[start:end], Y: ys[start:end], p_keep_input: 1.0, p_keep_hidden: 1.0},
            )
        summary, acc = sess.run(
            [merged, acc_op], feed_dict={X: xs, Y: ys, p_keep_input: 1.0, p_keep_hidden: 1.0}
        )
        print(
            i, acc, "%.5f" % sess.run(cost, feed_dict={X: xs, Y: ys, p_keep_input: 1.0, p_keep_hidden: 1.0})
        )
    s = tf.Summary.FromString(summary)
    print(
        [v.tag for v in s.value],
        s.value[0].HasField("histo"),
        s.value[2].HasField("simple_value"),
        "%.4f" % s.value[2].simple_value,
    )
    dr = sess.run(tf.nn.dropout(tf.ones([1000]), 0.5))
    print(sorted(set(dr.tolist())), 400 < (dr > 0).sum() < 600)
    print(
        sess.run(tf.nn.dropout(tf.ones([4]), rate=0.0)),
        sess.run(tf.nn.dropout(tf.ones([4, 3]), 0.5, noise_shape=[4, 1])).std(1).sum(),
    )
# autoencoder with corruption mask, SVD/PCA, sgd with momentum; polynomial regression; softmax with class weights
tf.reset_default_graph()
X = tf.placeholder("float", [None, 9], name="X")
mask = tf.placeholder("float", [None, 9], name="mask")
W_init_max = 4 * np.sqrt(6.0 / (9 + 5))
W = tf.Variable((rng.rand(9, 5) * 2 - 1).astype("f") * float(W_init_max * 0.1), name="W")
b = tf.Variable(tf.zeros([5]), name="b")
W_prime = tf.transpose(W)
b_prime = tf.Variable(tf.zeros([9]), name="b_prime")
Z = tf.nn.sigmoid(tf.matmul(tf.nn.sigmoid(tf.matmul(mask * X, W) + b), W_prime) + b_prime)
cost = tf.reduce_sum(tf.pow(X - Z, 2))
train = tf.train.GradientDescentOptimizer(0.02).minimize(cost)
s, u, v = tf.svd(tf.constant(xs[:, :5]))
pca = tf.matmul(u[:, :2], tf.diag(s[:2]))
poly = tf.add_n([tf.pow(X, k) * 0.1 for k in range(1, 4)])
cw = tf.losses.softmax_cross_entropy(np.eye(4)[[0, 1, 2]], rng.randn(3, 4), weights=np.array([1.0, 2, 0.5]))
with tf.Session() as sess:
    tf.global_variables_initializer().run()
    for i in range(3):
        print(
            "%.4f"
            % sess.run(
                [cost, train], {X: xs[:, :9], mask: np.random.RandomState(i).binomial(1, 0.7, (40, 9))}
            )[0]
        )
    print(
        sess.run(s), np.abs(sess.run(pca)).sum(), sess.run(tf.reduce_sum(poly), {X: xs[:2, :9]}), sess.run(cw)
    )
