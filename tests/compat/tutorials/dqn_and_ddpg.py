import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)


class DQN:
    def __init__(self, n_a, n_f, lr=0.01, gamma=0.9):
        self.n_a, self.n_f, self.gamma = n_a, n_f, gamma
        self.k = 0
        self.build()
        t = tf.get_collection("target_net_params")
        e = tf.get_collection("eval_net_params")
        self.replace = [tf.assign(a, b) for a, b in zip(t, e, strict=False)]
        self.sess = tf.Session()
        self.sess.run(tf.global_variables_initializer())
        self.cost = []

    def build(self):
        self.s = tf.placeholder(tf.float32, [None, self.n_f], name="s")
        self.s_ = tf.placeholder(tf.float32, [None, self.n_f], name="s_")
        self.r = tf.placeholder(
            tf.float32,
            [
                None,
            ],
            name="r",
        )
        self.a = tf.placeholder(
            tf.int32,
            [
                None,
            ],
            name="a",
        )

        def net(s, c, seed):
            wi = tf.constant_initializer((np.random.RandomState(seed).randn(self.n_f, 10) * 0.3).astype("f"))
            wj = tf.constant_initializer(
                (np.random.RandomState(seed + 1).randn(10, self.n_a) * 0.3).astype("f")
            )
            bi = tf.constant_initializer(0.1)
            with tf.variable_scope("l1"):
                w1 = tf.get_variable("w1", [self.n_f, 10], initializer=wi, collections=c)
                b1 = tf.get_variable("b1", [1, 10], initializer=bi, collections=c)
                l1 = tf.nn.relu(tf.matmul(s, w1) + b1)
            with tf.variable_scope("l2"):
                w2 = tf.get_variable("w2", [10, self.n_a], initializer=wj, collections=c)
                b2 = tf.get_variable("b2", [1, self.n_a], initializer=bi, collections=c)
                return tf.matmul(l1, w2) + b2

        with tf.variable_scope("eval_net"):
            self.q_eval = net(self.s, ["eval_net_params", tf.GraphKeys.GLOBAL_VARIABLES], 0)
        with tf.variable_scope("target_net"):
            self.q_next = net(self.s_, ["target_net_params", tf.GraphKeys.GLOBAL_VARIABLES], 5)
        with tf.variable_scope("q_target"):
            qt = self.r + self.gamma * tf.reduce_max(self.q_next, axis=1, name="Qmax_s_")
            self.q_target = tf.stop_gradient(qt)
        with tf.variable_scope("q_eval"):
            ai = tf.stack([tf.range(tf.shape(self.a)[0], dtype=tf.int32), self.a], axis=1)
            self.q_wrt = tf.gather_nd(params=self.q_eval, indices=ai)
        with tf.variable_scope("loss"):
            self.loss = tf.reduce_mean(tf.squared_difference(self.q_target, self.q_wrt, name="TD_error"))
        with tf.variable_scope("train"):
            self.op = tf.train.RMSPropOptimizer(0.01).minimize(self.loss)

    def learn(self, b):
        if self.k % 5 == 0:
            self.sess.run(self.replace)
        _, c = self.sess.run(
            [self.op, self.loss], feed_dict={self.s: b[0], self.a: b[1], self.r: b[2], self.s_: b[3]}
        )
        self.cost.append(c)
        self.k += 1


d = DQN(4, 3)
print(d.q_wrt, [v.name for v in tf.trainable_variables()], len(tf.global_variables()))
for i in range(16):
    d.learn((R.randn(8, 3), R.randint(0, 4, 8), R.randn(8), R.randn(8, 3)))
print([f"{c:.4f}" for c in d.cost])
print(d.sess.run(d.q_eval, {d.s: np.ones((1, 3))}))
# DDPG
tf.reset_default_graph()
S = tf.placeholder(tf.float32, [None, 3])
S_ = tf.placeholder(tf.float32, [None, 3])
Rw = tf.placeholder(tf.float32, [None, 1])


def ki(*s):
    return tf.constant_initializer((np.random.RandomState(sum(s)).randn(*s) * 0.2).astype("f"))


def actor(s, reuse=None, custom_getter=None):
    t = reuse is None
    with tf.variable_scope("Actor", reuse=reuse, custom_getter=custom_getter):
        n = tf.layers.dense(s, 6, activation=tf.nn.relu, name="l1", trainable=t, kernel_initializer=ki(3, 6))
        return tf.multiply(
            tf.layers.dense(n, 1, activation=tf.nn.tanh, name="a", trainable=t, kernel_initializer=ki(6, 1)),
            2.0,
            name="scaled_a",
        )


def critic(s, a, reuse=None, custom_getter=None):
    t = reuse is None
    with tf.variable_scope("Critic", reuse=reuse, custom_getter=custom_getter):
        w1s = tf.get_variable("w1_s", [3, 6], trainable=t, initializer=ki(3, 6))
        w1a = tf.get_variable("w1_a", [1, 6], trainable=t, initializer=ki(1, 6))
        b1 = tf.get_variable("b1", [1, 6], trainable=t, initializer=tf.zeros_initializer())
        return tf.layers.dense(
            tf.nn.relu(tf.matmul(s, w1s) + tf.matmul(a, w1a) + b1),
            1,
            trainable=t,
            kernel_initializer=ki(6, 1),
        )


a = actor(S)
q = critic(S, a)
ap = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="Actor")
cp = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="Critic")
ema = tf.train.ExponentialMovingAverage(decay=0.99)


def ema_getter(getter, name, *args, **kwargs):
    return ema.average(getter(name, *args, **kwargs))


tu = [ema.apply(ap), ema.apply(cp)]
a_ = actor(S_, reuse=True, custom_getter=ema_getter)
q_ = critic(S_, a_, reuse=True, custom_getter=ema_getter)
al = -tf.reduce_mean(q)
at = tf.train.AdamOptimizer(0.01).minimize(al, var_list=ap)
with tf.control_dependencies(tu):
    qt = Rw + 0.9 * q_
    td = tf.losses.mean_squared_error(labels=qt, predictions=q)
    ct = tf.train.AdamOptimizer(0.02).minimize(td, var_list=cp)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    s.run([v.initializer for v in tf.global_variables()])
    for i in range(6):
        s.run(at, {S: R.randn(8, 3)})
        l, _ = s.run(
            [td, ct], {S: (z := R.randn(8, 3)), a: R.randn(8, 1), Rw: R.randn(8, 1), S_: R.randn(8, 3)}
        )
        print(f"{l:.5f}" if i == 0 else "", end=" ")
    print(s.run(a, {S: np.ones((1, 3))}), [v.name for v in tf.global_variables() if "Moving" in v.name])
