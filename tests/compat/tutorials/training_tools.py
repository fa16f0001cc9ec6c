import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
X = R.randn(32, 4).astype("f")
Y = (X @ R.randn(4, 1)).astype("f")
x = tf.placeholder(tf.float32, [None, 4])
y = tf.placeholder(tf.float32, [None, 1])
w = tf.get_variable("w", initializer=tf.constant(np.ones((4, 1), "f")))
b = tf.get_variable("b", [1], initializer=tf.zeros_initializer())
loss = tf.losses.mean_squared_error(y, tf.matmul(x, w) + b)
gs = tf.train.get_or_create_global_step()
lr = tf.train.exponential_decay(0.1, gs, 5, 0.9, staircase=True)
opt = tf.train.MomentumOptimizer(lr, 0.9)
gv = opt.compute_gradients(loss)
gr, vs = zip(*gv, strict=False)
cl, norm = tf.clip_by_global_norm(gr, 0.5)
train = opt.apply_gradients(zip(cl, vs, strict=False), global_step=gs)
ema = tf.train.ExponentialMovingAverage(0.9, num_updates=gs)
with tf.control_dependencies([train]):
    train_op = ema.apply([w, b])
lema = tf.train.ExponentialMovingAverage(0.5)
lo = lema.apply([loss])
lav = lema.average(loss)
print(ema.average(w).name, ema.average_name(w), lav.name, sorted(ema.variables_to_restore()))
acc, accu = tf.metrics.mean(loss)
with tf.Session() as s:
    s.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    for i in range(12):
        _, l, n, r, g = (
            s.run([train_op, loss, norm, lr, gs], {x: X, y: Y})
            if False
            else (None, *s.run([loss, norm, lr], {x: X, y: Y}), 0)
        )
        s.run(train_op, {x: X, y: Y})
        s.run([lo, accu], {x: X, y: Y})
        if i % 3 == 0:
            print(i, l, n, r)
    print(s.run([w, b, ema.average(w), ema.average(b), lav, acc]), s.run(gs), tf.train.global_step(s, gs))
step = tf.placeholder(tf.int64, [])
S = [
    tf.train.exponential_decay(1.0, step, 10, 0.5),
    tf.train.natural_exp_decay(1.0, step, 10, 0.5),
    tf.train.inverse_time_decay(1.0, step, 10, 0.5, staircase=True),
    tf.train.polynomial_decay(1.0, step, 10, 0.01, power=2.0),
    tf.train.polynomial_decay(1.0, step, 10, 0.01, cycle=True),
    tf.train.piecewise_constant(step, [5, 15], [1.0, 0.5, 0.1]),
    tf.train.cosine_decay(1.0, step, 20, 0.1),
    tf.train.cosine_decay_restarts(1.0, step, 8),
    tf.train.linear_cosine_decay(1.0, step, 20),
]
with tf.Session() as s:
    for k in (0, 5, 6, 15, 16, 25):
        print(s.run(S, {step: k}))
# stepwise debias, slots
o = tf.train.AdamOptimizer(0.1)
t = o.minimize(loss, global_step=gs)
print(sorted(o.get_slot_names()), o.get_slot(w, "m").name, [v.name for v in o.variables()][:4])
for _bad in ("abc",):
    try:
        o.apply_gradients([])
    except Exception as e:
        print(type(e).__name__, e)
# custom grads
gvs = [(tf.clip_by_value(g, -1.0, 1.0), v) for g, v in gv]
tr = tf.train.GradientDescentOptimizer(0.1).apply_gradients(gvs)
gvs = [(tf.clip_by_norm(g, 0.1), v) for g, v in gv if g is not None]
# grads accumulation
acc_g = [tf.Variable(tf.zeros_like(v.initialized_value()), trainable=False) for v in vs]
zero = [a.assign(tf.zeros_like(a)) for a in acc_g]
accum = [a.assign_add(g[0]) for a, g in zip(acc_g, gv, strict=False)]
ap = tf.train.GradientDescentOptimizer(0.1).apply_gradients(zip(acc_g, vs, strict=False))
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    s.run(zero)
    for q in range(4):
        s.run(accum, {x: X[q * 8 : q * 8 + 8], y: Y[q * 8 : q * 8 + 8]})
    s.run(ap)
    print(s.run(w).T)
# l2 loss over vars
print(tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables()]).shape)
# soft target updates (DDPG), target copies (DQN)
with tf.variable_scope("main"):
    m = tf.layers.dense(x, 3, name="l")
with tf.variable_scope("target"):
    tt = tf.layers.dense(x, 3, name="l")
mv = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, "main")
tv = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="target")
hard = [tf.assign(a, b_) for a, b_ in zip(tv, mv, strict=False)]
soft = tf.group(*[tf.assign(a, 0.9 * a + 0.1 * b_) for a, b_ in zip(tv, mv, strict=False)])
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    s.run(hard)
    print(np.allclose(*s.run([m, tt], {x: X})))
    s.run(mv[0].assign_add(tf.ones_like(mv[0])))
    s.run(soft)
    d = s.run(mv[0] - tv[0])
    print(np.allclose(d, 0.9))
