import numpy as np
import tensorflow as tf

x = tf.Variable(2.0, name="x")
assign = tf.assign(x, x * 2)
with tf.control_dependencies([assign]):
    y = x.read_value() * 10
    z = tf.identity(x)
cnt = tf.Variable(0)
inc = tf.assign_add(cnt, 1)
dec = tf.assign_sub(cnt, 5)
i = tf.constant(0)
r = tf.while_loop(lambda i: tf.less(i, 10), lambda i: tf.add(i, 1), [i])
a = tf.placeholder(tf.float32, [])
cond = tf.cond(a < 5.0, lambda: a * 2, lambda: tf.square(a))
g = tf.gradients(cond, a)[0]
pw = tf.while_loop(lambda k, acc: k < 3, lambda k, acc: (k + 1, acc * a), [0, tf.constant(1.0)])[1]
gp = tf.gradients(pw, a)[0]
case = tf.case(
    [(a < 1.0, lambda: tf.constant(1)), (a < 2.0, lambda: tf.constant(2))],
    default=lambda: tf.constant(3),
    exclusive=False,
)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    print(s.run(y), s.run(z), s.run(x))
    print(s.run([inc, cnt]) if False else s.run(inc), s.run(dec), s.run(cnt))
    print(s.run(r))
    for v in (1.0, 3.0, 7.0):
        print(s.run([cond, g, pw, gp, case], {a: v}))
    c = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    print(
        s.run(tf.map_fn(lambda q: tf.reduce_sum(q) * q, c)),
        s.run(tf.scan(lambda p, q: p + q, tf.constant([1, 2, 3, 4]))),
        s.run(tf.foldl(lambda p, q: p * 2 + q, tf.constant([1, 2, 3]))),
        s.run(tf.foldr(lambda p, q: p * 2 + q, tf.constant([1, 2, 3]))),
    )
    print(s.run(tf.map_fn(lambda t: (t[0] + t[1], t[0] * t[1]), (c, c), dtype=(tf.float32, tf.float32))))
    print(
        s.run(tf.scan(lambda p, q: (p[1], p[0] + p[1]), tf.range(6), initializer=(np.int32(0), np.int32(1))))
    )

    # fibonacci in TensorArray
    def body(i, ta):
        return i + 1, ta.write(i, ta.read(i - 1) + ta.read(i - 2))

    ta = tf.TensorArray(tf.int32, size=8, clear_after_read=False, element_shape=[]).write(0, 0).write(1, 1)
    _, ta = tf.while_loop(lambda i, t: i < 8, body, (2, ta))
    print(s.run(ta.stack()), s.run(ta.size()), s.run(ta.gather([7, 3])))
    t2 = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False).unstack(c)
    print(s.run([t2.read(1), t2.concat(), t2.stack()]), t2.stack().shape, t2.read(0).shape)
    w = tf.constant([2.0, 3.0])
    t3 = tf.TensorArray(tf.float32, 3)
    _, t3 = tf.while_loop(
        lambda k, _: k < 3, lambda k, t: (k + 1, t.write(k, w * tf.cast(k, tf.float32))), [0, t3]
    )
    print(s.run(tf.gradients(tf.reduce_sum(t3.stack() ** 2), w)))
    for f in (lambda: t3.read(7), lambda: tf.TensorArray(tf.float32, 2).write(5, 1.0).stack()):
        try:
            s.run(f())
        except tf.errors.OpError as e:
            print(type(e).__name__)
    try:
        s.run(tf.Assert(tf.constant(1.0) > 2.0, [tf.constant([1, 2, 3, 4]), "msg"]))
    except tf.errors.InvalidArgumentError as e:
        print("assertion failed" in str(e))
    with tf.control_dependencies([tf.assert_equal(x, 8.0, message="hm")]):
        k = tf.identity(x)
    print(s.run(k))
    try:
        s.run(tf.assert_less(x, 1.0))
    except tf.errors.InvalidArgumentError:
        print("less")
    pf = tf.py_func(lambda q: np.sinh(q).astype(np.float32), [c], tf.float32)
    print(s.run(pf), pf.shape)
    outs = tf.py_func(lambda q, n: (q.sum(), np.int64(n)), [c, 3], [tf.float32, tf.int64])
    print(s.run(outs))
    print(s.run(tf.group(inc, dec)), s.run(cnt))
    print(s.run(tf.tuple([c, c * 2], control_inputs=[inc]))[1][0], s.run(cnt))
    h = s.partial_run_setup([y2 := a * 3, z2 := y2 + 1], [a])
    print(s.partial_run(h, y2, {a: 2.0}), s.partial_run(h, z2))
    f = s.make_callable(a * 2, [a])
    print(f(3.0))
    print(s.run({"p": c, "q": [x, (cnt,)]}))
    print(s.run([]), s.run(()), s.run({}))
    from collections import namedtuple

    NT = namedtuple("NT", "u v")
    print(s.run(NT(x, cnt)))
    print(s.run(tf.gradients([x * 3, x * x], x, grad_ys=[tf.constant(2.0), tf.constant(1.0)])))
    print(s.run(tf.hessians(x**3, x)))
    print(s.run(tf.gradients(tf.stop_gradient(x) * x, x)))
    xx = tf.constant(3.0)
    yy = xx * xx
    print(
        s.run(tf.gradients(yy * xx, [xx], stop_gradients=[yy])),
        s.run(tf.gradients(yy, [xx, tf.constant(1.0)], unconnected_gradients="zero")),
    )
