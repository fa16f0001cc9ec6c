import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
X = R.randn(30, 6).astype("f") * 2 + 1
Y = R.randint(0, 3, 30)
x = tf.placeholder(tf.float32, [None, 6])
y = tf.placeholder(tf.int64, [None])
tr = tf.placeholder_with_default(False, [])
ki = lambda s: tf.constant_initializer((np.random.RandomState(s).randn(100) * 0.3).astype("f")[:0])


def init(shape, dtype=None, partition_info=None):
    return tf.constant((np.random.RandomState(sum(shape)).randn(*shape) * 0.3).astype("f"))


h = tf.layers.dense(x, 8, kernel_initializer=init, use_bias=False)
h = tf.layers.batch_normalization(h, training=tr, momentum=0.9, name="bn")
h = tf.nn.elu(h)
h = tf.layers.dropout(h, 0.0, training=tr)
lo = tf.layers.dense(h, 3, kernel_initializer=init, kernel_regularizer=lambda w: 0.01 * tf.nn.l2_loss(w))
# manual batchnorm with ema (CS20 / hands-on)
mean, var = tf.nn.moments(x, [0])
ema = tf.train.ExponentialMovingAverage(0.5)


def upd():
    a = ema.apply([mean, var])
    with tf.control_dependencies([a]):
        return tf.identity(mean), tf.identity(var)


m, v = tf.cond(tr, upd, lambda: (ema.average(mean), ema.average(var)))
nrm = tf.nn.batch_normalization(x, m, v, None, None, 1e-3)
xe = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=lo))
loss = tf.add_n([xe, *tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)])
ups = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
with tf.control_dependencies(ups):
    op = tf.train.AdamOptimizer(0.05).minimize(loss)
corr = tf.nn.in_top_k(lo, y, 1)
acc = tf.reduce_mean(tf.cast(corr, tf.float32))
print(len(ups), [v.name for v in tf.trainable_variables()])
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    for i in range(15):
        s.run(op, {x: X, y: Y, tr: True})
        if i % 5 == 0:
            print(s.run([loss, acc], {x: X, y: Y}), s.run(loss, {x: X, y: Y, tr: True}))
    print(s.run("bn/moving_mean:0"), s.run("bn/moving_variance:0"))
    s.run(nrm, {x: X, tr: True})
    s.run(nrm, {x: X + 1, tr: True})
    print(s.run(nrm, {x: X})[0], s.run(ema.average(mean)))
