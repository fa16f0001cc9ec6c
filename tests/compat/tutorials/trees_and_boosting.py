# A soft decision forest and gradient boosting of stumps, by hand
import numpy as np
import tensorflow as tf

rng = np.random.RandomState(2)
X = rng.rand(80, 4).astype("f")
t = ((X[:, 0] > 0.5) ^ (X[:, 1] > 0.4)).astype(np.int64)
x = tf.placeholder(tf.float32, [None, 4])
y = tf.placeholder(tf.int64, [None])
trees = []
for k in range(3):
    with tf.variable_scope("tree_%d" % k):
        W = tf.get_variable("W", initializer=tf.constant(rng.randn(4, 3).astype("f")))
        b = tf.get_variable("b", [3], initializer=tf.zeros_initializer())
        L = tf.get_variable("leaves", initializer=tf.constant(rng.randn(4, 2).astype("f") * 0.1))
        d = tf.sigmoid(tf.nn.xw_plus_b(x, W, b))
        d = tf.stack([d, 1 - d], axis=-1)
        mu = tf.ones([tf.shape(x)[0], 1, 1])
        begin, end = 0, 1
        for level in range(2):
            mu = tf.tile(tf.reshape(mu, [tf.shape(x)[0], -1, 1]), [1, 1, 2])
            dec = d[:, begin:end, :]
            mu = mu * dec
            begin, end = end, end + 2 ** (level + 1)
        mu = tf.reshape(mu, [-1, 4])
        trees.append(tf.matmul(mu, tf.nn.softmax(L)))
p = tf.reduce_mean(tf.stack(trees, 0), 0)
loss = -tf.reduce_mean(tf.log(tf.reduce_sum(p * tf.one_hot(y, 2), 1) + 1e-8))
train = tf.train.AdagradOptimizer(0.5).minimize(loss)
acc, acc_op = tf.metrics.accuracy(y, tf.argmax(p, 1))
auc, auc_op = tf.metrics.auc(tf.cast(y, tf.bool), p[:, 1])
with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    for i in range(30):
        _, l = sess.run([train, loss], {x: X, y: t})
    sess.run([acc_op, auc_op], {x: X, y: t})
    print("%.5f" % l, sess.run(acc), "%.4f" % sess.run(auc))
    print(sess.run(tf.confusion_matrix(t, tf.argmax(p, 1)), {x: X}))
# boosting: stumps chosen in the graph
tf.reset_default_graph()
Xc = tf.constant(X)
r = tf.placeholder(tf.float32, [None])
th = tf.linspace(0.1, 0.9, 9)
side = tf.to_float(tf.expand_dims(Xc, 2) > th)  # n, f, t
nr = tf.reduce_sum(side, 0)
nl = 80.0 - nr
sr = tf.tensordot(r, side, [[0], [0]])
sl = tf.reduce_sum(r) - sr
gain = sr**2 / tf.maximum(nr, 1.0) + sl**2 / tf.maximum(nl, 1.0)
flat = tf.argmax(tf.reshape(gain, [-1]))
f, k = tf.cast(flat // 9, tf.int32), tf.cast(flat % 9, tf.int32)
chosen = side[:, f, k]
vals = tf.where(
    chosen > 0, tf.fill(tf.shape(chosen), sr[f, k] / nr[f, k]), tf.fill(tf.shape(chosen), sl[f, k] / nl[f, k])
)
with tf.Session() as sess:
    F = np.zeros(80, "f")
    yy = 2.0 * t - 1
    for m in range(6):
        res = 2 * yy / (1 + np.exp(2 * yy * F))
        ff, kk, vv = sess.run([f, k, vals], {r: res})
        F += 0.8 * vv
        print(ff, kk, "%.4f" % np.log1p(np.exp(-2 * yy * F)).mean())
