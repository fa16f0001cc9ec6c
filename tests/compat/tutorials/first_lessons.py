# Stanford CS20 examples: linear / huber / dataset / logistic / word2vec with name scopes / lazy loading / style bits
import numpy as np
import tensorflow as tf

a = tf.constant(2, name="a")
b = tf.constant(3, name="b")
x = tf.add(a, b, name="add")
with tf.Session() as sess:
    print(sess.run(x), x, a.graph is tf.get_default_graph())
g = tf.Graph()
with g.as_default():
    y = tf.add(3, 5)
with tf.Session(graph=g) as sess:
    print(sess.run(y))
print(tf.get_default_graph().as_graph_def().node[0].name, len(g.as_graph_def().node))
t0 = 19
t1 = [b"apple", b"peach", b"banana"]
t2 = [[True, False, False], [False, False, True]]
z = [tf.zeros_like(t0), tf.zeros_like(t1), tf.ones_like(t2), tf.zeros_like(t2)]
with tf.Session() as sess:
    print(sess.run(z)[1:], z)
ab = tf.constant([2, 2], name="a")
bb = tf.constant([[0, 1], [2, 3]], name="b")
ops = [
    tf.div(bb, ab),
    tf.divide(bb, ab),
    tf.truediv(bb, ab),
    tf.floordiv(bb, ab),
    tf.truncatediv(bb, ab),
    tf.floor_div(bb, ab),
    tf.multiply(ab, bb),
    tf.add_n([ab, ab, ab]),
    tf.tensordot(tf.constant([10, 20]), ab, 1),
    tf.mod(bb, ab),
    tf.realdiv(tf.to_float(bb), 2.0),
]
with tf.Session() as sess:
    print(sess.run(ops))
    print([o.dtype.name for o in ops])
print(tf.int32 == np.int32, tf.float32.as_numpy_dtype, tf.Session().run(tf.ones([2, 2], np.float32)))
print(tf.range(3, 18, 3))
with tf.Session() as sess:
    print(
        sess.run(
            [
                tf.linspace(10.0, 13.0, 4),
                tf.range(3, 18, 3),
                tf.range(5),
                tf.range(3, 1, -0.5),
                tf.fill([2, 3], 8),
            ]
        )
    )
W = tf.Variable(10)
assign_op = W.assign(100)
my = tf.Variable(2, name="my")
twice = my.assign(2 * my)
with tf.Session() as sess:
    sess.run(W.initializer)
    print(W.eval())
    sess.run(assign_op)
    print(W.eval(), W)
    sess.run(my.initializer)
    print([sess.run(twice) for _ in range(3)])
    print(sess.run(W.assign_add(10)), sess.run(W.assign_sub(2)))
    try:
        print(sess.run(tf.Variable(3.0)))
    except tf.errors.FailedPreconditionError as e:
        print(type(e).__name__)
s1, s2 = tf.Session(), tf.Session()
s1.run(W.initializer)
s2.run(W.initializer)
print(s1.run(W.assign_add(10)), s2.run(W.assign_sub(2)), s1.run(W.assign_add(100)), s2.run(W.assign_sub(50)))
q = tf.add(tf.placeholder(tf.float32, [3], name="ph"), tf.constant([5.0, 5, 5]))
with tf.Session() as sess:
    try:
        sess.run(q)
    except tf.errors.InvalidArgumentError as e:
        print("You must feed a value for placeholder tensor" in str(e))
    print(tf.get_default_graph().is_feedable(q), sess.run(q * 2, {q: [1.0, 2, 3]}))


# linreg with huber by hand and cond
def huber_loss(labels, predictions, delta=14.0):
    residual = tf.abs(labels - predictions)

    def f1():
        return 0.5 * tf.square(residual)

    def f2():
        return delta * residual - 0.5 * tf.square(delta)

    return tf.cond(residual < delta, f1, f2)


tf.reset_default_graph()
data = np.stack([np.linspace(1, 6, 12), 80 - 6 * np.linspace(1, 6, 12) + np.sin(np.arange(12))], 1).astype(
    np.float32
)
dataset = tf.data.Dataset.from_tensor_slices((data[:, 0], data[:, 1]))
iterator = dataset.make_initializable_iterator()
X, Y = iterator.get_next()
w = tf.get_variable("weights", initializer=tf.constant(0.0))
b = tf.get_variable("bias", initializer=tf.constant(0.0))
Y_predicted = X * w + b
loss = huber_loss(Y, Y_predicted)
optimizer = tf.train.GradientDescentOptimizer(learning_rate=0.01).minimize(loss)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(3):
        sess.run(iterator.initializer)
        total_loss = 0
        n = 0
        try:
            while True:
                _, l = sess.run([optimizer, loss])
                total_loss += l
                n += 1
        except tf.errors.OutOfRangeError:
            pass
        print(f"Epoch {i}: {total_loss / n:.4f}")
    print(sess.run([w, b]))
# iterator from structure
tf.reset_default_graph()
tr = tf.data.Dataset.from_tensor_slices((np.arange(12.0).reshape(6, 2).astype("f"), np.arange(6))).batch(4)
te = tf.data.Dataset.from_tensor_slices((np.ones((3, 2), "f"), np.zeros(3, int))).batch(4)
it = tf.data.Iterator.from_structure(tr.output_types, tr.output_shapes)
img, label = it.get_next()
ti, tei = it.make_initializer(tr), it.make_initializer(te)
print(img, label, tr.output_types, tr.output_shapes)
with tf.Session() as sess:
    sess.run(ti)
    print(sess.run(label), sess.run(label))
    sess.run(tei)
    print(sess.run([img, label]))
    try:
        sess.run(label)
    except tf.errors.OutOfRangeError as e:
        print("End of sequence" in str(e))
# gradients of several, grad_ys, stop, control deps, partial run
x = tf.Variable(2.0)
y = 2.0 * (x**3)
zz = 3.0 + y**2
gz = tf.gradients(zz, [x, y])
with tf.Session() as sess:
    sess.run(x.initializer)
    print(sess.run(gz))
with tf.variable_scope("fully") as scope:
    v1 = tf.get_variable("v", [2], initializer=tf.truncated_normal_initializer(stddev=0.1))
try:
    tf.get_variable("fully/v")
except ValueError as e:
    print(str(e).splitlines()[0][:60])
with tf.variable_scope("fully", reuse=True):
    v2 = tf.get_variable("v", [2])
    print(v1 is v2, scope.name)
    try:
        tf.get_variable("w", [2])
    except ValueError as e:
        print(str(e)[:100])
try:
    tf.get_variable("fully/u", shape=[None, 2])
except ValueError:
    print("ValueError")
