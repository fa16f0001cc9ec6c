import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)
# Deep Q-learning with target network and double DQN masks (DeepMind style)
n_s, n_a = 4, 3


def c(*s):
    return tf.constant_initializer(np.sin(np.arange(int(np.prod(s))) * 0.7).reshape(s) * 0.4)


def net(s, scope):
    with tf.variable_scope(scope):
        h = tf.layers.dense(s, 8, tf.nn.relu, kernel_initializer=c(4, 8))
        h2 = tf.layers.dense(h, 8, tf.nn.relu, kernel_initializer=c(8, 8))
        with tf.variable_scope("Value"):
            v = tf.layers.dense(h2, 1, kernel_initializer=c(8, 1))
        with tf.variable_scope("Advantage"):
            a = tf.layers.dense(h2, n_a, kernel_initializer=c(8, 3))
        return v + (a - tf.reduce_mean(a, axis=1, keep_dims=True))


s, s_, a, r, done = (
    tf.placeholder(tf.float32, [None, n_s]),
    tf.placeholder(tf.float32, [None, n_s]),
    tf.placeholder(tf.int32, [None]),
    tf.placeholder(tf.float32, [None]),
    tf.placeholder(tf.float32, [None]),
)
q, q_t = net(s, "eval_net"), net(s_, "target_net")
t_params = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope="target_net")
e_params = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope="eval_net")
replace = [tf.assign(t, e) for t, e in zip(t_params, e_params)]
soft = [tf.assign(t, 0.9 * t + 0.1 * e) for t, e in zip(t_params, e_params)]
target = tf.stop_gradient(r + 0.9 * (1.0 - done) * tf.reduce_max(q_t, axis=1))
a_idx = tf.stack([tf.range(tf.shape(a)[0], dtype=tf.int32), a], axis=1)
q_a = tf.gather_nd(params=q, indices=a_idx)
q_a2 = tf.reduce_sum(q * tf.one_hot(a, n_a, 1.0, 0.0), reduction_indices=1)
td = tf.abs(target - q_a)
clipped = tf.where(td < 1.0, 0.5 * tf.square(td), td - 0.5)
loss = (
    tf.reduce_mean(tf.squared_difference(target, q_a))
    + tf.reduce_mean(clipped)
    + tf.losses.huber_loss(target, q_a2)
)
opt = tf.train.RMSPropOptimizer(0.005, momentum=0.95, epsilon=0.01)
grads_and_vars = opt.compute_gradients(loss, var_list=e_params)
capped = [(tf.clip_by_norm(gr, 1.0), v) for gr, v in grads_and_vars if gr is not None]
train = opt.apply_gradients(capped)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(5):
        f = {
            s: rng.randn(16, 4),
            s_: rng.randn(16, 4),
            a: rng.randint(0, 3, 16),
            r: rng.randn(16),
            done: rng.rand(16) < 0.2,
        }
        _, l, p = sess.run([train, loss, q_a - q_a2], f)
        print(i, "%.5f" % l, np.abs(p).max() < 1e-6)
        sess.run(replace if i == 2 else soft)
    print(sess.run(q, {s: np.ones((1, 4))}), sess.run(tf.argmax(q, 1), f)[:5])
# REINFORCE with baseline
tf.reset_default_graph()
obs, act, adv = (
    tf.placeholder(tf.float32, [None, 4]),
    tf.placeholder(tf.int32, [None]),
    tf.placeholder(tf.float32, [None]),
)
logits = tf.layers.dense(
    tf.layers.dense(obs, 6, tf.nn.tanh, kernel_initializer=c(4, 6)), 2, kernel_initializer=c(6, 2)
)
neglog = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=act)
neglog2 = tf.reduce_sum(-tf.log(tf.nn.softmax(logits)) * tf.one_hot(act, 2), axis=1)
ls = tf.reduce_mean(neglog * adv)
tr = tf.train.AdamOptimizer(0.01).minimize(ls)
sample = tf.squeeze(tf.multinomial(logits, 1, seed=1), [1])
tvars = tf.trainable_variables()
holders = [tf.placeholder(tf.float32, name=str(i) + "_holder") for i in range(len(tvars))]
newg = tf.gradients(ls, tvars)
upd = tf.train.AdamOptimizer(0.01).apply_gradients(zip(holders, tvars))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    buf = sess.run(tvars)
    for i, g in enumerate(buf):
        buf[i] = g * 0
    for i in range(3):
        f = {obs: rng.randn(10, 4), act: rng.randint(0, 2, 10), adv: rng.randn(10)}
        l, d, _ = sess.run([ls, neglog - neglog2, tr], f)
        gs = sess.run(newg, f)
        for k, g in enumerate(gs):
            buf[k] += g
        print("%.5f" % l, np.abs(d).max() < 1e-5, sess.run(sample, f).shape)
    sess.run(upd, dict(zip(holders, buf)))
    print("%.5f" % sess.run(ls, f))
# A2C with Gaussian and categorical policies, PPO ratio, entropy
tf.reset_default_graph()
S = tf.placeholder(tf.float32, [None, 3])
A = tf.placeholder(tf.float32, [None, 1])
R = tf.placeholder(tf.float32, [None, 1])
ADV = tf.placeholder(tf.float32, [None, 1])


def pi(name, trainable):
    with tf.variable_scope(name):
        l1 = tf.layers.dense(S, 6, tf.nn.relu, trainable=trainable, kernel_initializer=c(3, 6))
        mu = 2 * tf.layers.dense(l1, 1, tf.nn.tanh, trainable=trainable, kernel_initializer=c(6, 1))
        sigma = tf.layers.dense(l1, 1, tf.nn.softplus, trainable=trainable, kernel_initializer=c(6, 1))
        return tf.distributions.Normal(loc=mu, scale=sigma + 0.1), tf.get_collection(
            tf.GraphKeys.GLOBAL_VARIABLES, scope=name
        )


v = tf.layers.dense(
    tf.layers.dense(S, 6, tf.nn.relu, kernel_initializer=c(3, 6)), 1, kernel_initializer=c(6, 1)
)
pi_, pp = pi("pi", True)
old, op = pi("oldpi", False)
sync = [o.assign(p) for p, o in zip(pp, op)]
ratio = pi_.prob(A) / (old.prob(A) + 1e-5)
surr = ratio * ADV
aloss = -tf.reduce_mean(tf.minimum(surr, tf.clip_by_value(ratio, 0.8, 1.2) * ADV)) - 0.01 * tf.reduce_mean(
    pi_.entropy()
)
kl = tf.reduce_mean(tf.distributions.kl_divergence(old, pi_))
closs = tf.reduce_mean(tf.square(R - v))
at = tf.train.AdamOptimizer(0.01).minimize(aloss, var_list=pp)
ct = tf.train.AdamOptimizer(0.02).minimize(closs)
global_norm_g, gn = tf.clip_by_global_norm(tf.gradients(aloss, pp), 0.5)
act = tf.squeeze(pi_.sample(1), axis=0)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    sess.run(sync)
    f = {S: rng.randn(12, 3), A: rng.randn(12, 1), R: rng.randn(12, 1), ADV: rng.randn(12, 1)}
    for i in range(4):
        print(["%.5f" % q for q in sess.run([aloss, closs, kl, gn], f)])
        sess.run([at, ct], f)
    print(sess.run(act, f).shape, sess.run(tf.clip_by_value(act, -1, 1), f).max() <= 1)
