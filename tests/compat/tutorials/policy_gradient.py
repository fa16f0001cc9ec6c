import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)


class Env:
    def reset(self):
        self.s = R.randn(4) * 0.05
        self.t = 0
        return self.s

    def step(self, a):
        self.s = self.s * 0.9 + (0.1 if a else -0.1) * np.array([1, 0.5, -0.5, 0.2])
        self.t += 1
        return self.s, float(-abs(self.s).sum() + 1), self.t >= 12, {}


class Agent:
    def __init__(self, lr, s_size, a_size, h_size):
        self.state_in = tf.placeholder(shape=[None, s_size], dtype=tf.float32)
        k = lambda *sh: tf.constant_initializer((np.random.RandomState(sum(sh)).randn(*sh) * 0.4).astype("f"))
        hidden = tf.layers.dense(
            self.state_in, h_size, activation=tf.nn.relu, kernel_initializer=k(s_size, h_size), use_bias=False
        )
        self.output = tf.layers.dense(
            hidden, a_size, activation=tf.nn.softmax, kernel_initializer=k(h_size, a_size), use_bias=False
        )
        self.chosen = tf.argmax(self.output, 1)
        self.reward_holder = tf.placeholder(shape=[None], dtype=tf.float32)
        self.action_holder = tf.placeholder(shape=[None], dtype=tf.int32)
        self.indexes = tf.range(0, tf.shape(self.output)[0]) * tf.shape(self.output)[1] + self.action_holder
        self.responsible = tf.gather(tf.reshape(self.output, [-1]), self.indexes)
        self.loss = -tf.reduce_mean(tf.log(self.responsible) * self.reward_holder)
        tvars = tf.trainable_variables()
        self.gradient_holders = []
        for idx, _var in enumerate(tvars):
            self.gradient_holders.append(tf.placeholder(tf.float32, name=str(idx) + "_holder"))
        self.gradients = tf.gradients(self.loss, tvars)
        self.update_batch = tf.train.AdamOptimizer(learning_rate=lr).apply_gradients(
            zip(self.gradient_holders, tvars, strict=False)
        )


def discount(r):
    d = np.zeros_like(r)
    run = 0
    for t in reversed(range(r.size)):
        run = run * 0.99 + r[t]
        d[t] = run
    return d


tf.reset_default_graph()
ag = Agent(1e-2, 4, 2, 8)
env = Env()
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    gb = sess.run(tf.trainable_variables())
    for ix, g in enumerate(gb):
        gb[ix] = g * 0
    for ep in range(15):
        s = env.reset()
        hist = []
        tot = 0
        while True:
            a_dist = sess.run(ag.output, feed_dict={ag.state_in: [s]})
            a = int(R.rand() < a_dist[0][1])
            s1, r, d, _ = env.step(a)
            hist.append([s, a, r])
            s = s1
            tot += r
            if d:
                hs = np.vstack([h[0] for h in hist])
                rw = discount(np.array([h[2] for h in hist]))
                ac = np.array([h[1] for h in hist])
                grads = sess.run(
                    ag.gradients, feed_dict={ag.reward_holder: rw, ag.action_holder: ac, ag.state_in: hs}
                )
                for i, g in enumerate(grads):
                    gb[i] += g
                if ep % 5 == 0 and ep:
                    sess.run(ag.update_batch, feed_dict=dict(zip(ag.gradient_holders, gb, strict=False)))
                    for i, g in enumerate(gb):
                        gb[i] = g * 0
                break
        if ep % 5 == 0:
            print(ep, f"{tot:.4f}")
    print(sess.run(ag.output, {ag.state_in: np.ones((1, 4))}))
# gaussian policy actor critic
st = tf.placeholder(tf.float32, [None, 3])
act = tf.placeholder(tf.float32, [None, 1])
adv = tf.placeholder(tf.float32, [None])
ki = tf.constant_initializer(0.1)
mu = tf.layers.dense(st, 1, tf.nn.tanh, kernel_initializer=ki)
sig = tf.layers.dense(st, 1, tf.nn.softplus, kernel_initializer=ki)
dist = tf.distributions.Normal(mu, sig + 1e-4)
lp = tf.reduce_sum(dist.log_prob(act), 1)
ent = dist.entropy()
sam = tf.clip_by_value(tf.squeeze(dist.sample(1), axis=0), -1.0, 1.0)
loss = tf.reduce_mean(-lp * adv - 0.01 * tf.squeeze(ent, 1))
cat = tf.distributions.Categorical(logits=st)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    f = {st: np.arange(6).reshape(2, 3), act: [[0.1], [0.2]], adv: [1.0, 2.0]}
    print(s.run([mu, sig, lp, ent, loss], f))
    print(s.run(sam, f).shape, sam.shape)
    print(
        s.run([cat.log_prob([0, 2]), cat.entropy()], f),
        s.run(cat.sample(), f).shape,
        s.run(tf.gradients(loss, tf.trainable_variables()[-4:]), f),
    )
    k = tf.distributions.kl_divergence(tf.distributions.Normal(0.0, 1.0), tf.distributions.Normal(1.0, 2.0))
    print(s.run(k))
    print(s.run([dist.mean(), dist.stddev(), dist.prob(act)], f))
