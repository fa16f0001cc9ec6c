import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)


def glorot(shape):
    return (R.randn(*shape) / np.sqrt(shape[0] / 2.0)).astype("f")


D, H, Z = 12, 8, 2
weights = {
    "h1": tf.Variable(glorot([D, H])),
    "mu": tf.Variable(glorot([H, Z])),
    "sd": tf.Variable(glorot([H, Z])),
    "d1": tf.Variable(glorot([Z, H])),
    "o": tf.Variable(glorot([H, D])),
}
b = {"h1": tf.Variable(tf.zeros([H])), "o": tf.Variable(tf.zeros(D))}
x = tf.placeholder(tf.float32, [None, D])
eps = tf.placeholder(tf.float32, [None, Z])
enc = tf.nn.tanh(tf.matmul(x, weights["h1"]) + b["h1"])
mu = tf.matmul(enc, weights["mu"])
sd = tf.matmul(enc, weights["sd"])
z = mu + tf.exp(sd / 2) * eps
dec = tf.nn.sigmoid(tf.matmul(tf.nn.tanh(tf.matmul(z, weights["d1"])), weights["o"]) + b["o"])


def vae_loss(xr, xt):
    e = xt * tf.log(1e-10 + xr) + (1 - xt) * tf.log(1e-10 + 1 - xr)
    e = -tf.reduce_sum(e, 1)
    kl = 1 + sd - tf.square(mu) - tf.exp(sd)
    kl = -0.5 * tf.reduce_sum(kl, 1)
    return tf.reduce_mean(e + kl)


loss = vae_loss(dec, x)
op = tf.train.RMSPropOptimizer(0.01).minimize(loss)
X = (R.rand(64, D) > 0.5).astype("f")
E = R.randn(64, Z)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    for i in range(20):
        _, l = s.run([op, loss], feed_dict={x: X, eps: E})
        if i % 5 == 0:
            print("Step %i, Loss: %f" % (i, l))
    print(s.run(dec, feed_dict={z: [[0, 1.0]]}))
    n = tf.random_normal(shape=tf.shape(sd), mean=0.0, stddev=1.0)
    print(s.run(n, {x: X}).shape, n.shape)
