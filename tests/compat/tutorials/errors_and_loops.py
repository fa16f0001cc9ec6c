# VAE (aymericdamien), batchnorm with update ops, image & summary, gradient override, deep dream like, tf.Print/Assert, py_func, custom loops
import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)


def glorot(shape):
    return (rng.randn(*shape) / np.sqrt(shape[0] / 2.0)).astype("f")


weights = {
    "encoder_h1": tf.Variable(glorot([12, 8])),
    "z_mean": tf.Variable(glorot([8, 2])),
    "z_std": tf.Variable(glorot([8, 2])),
    "decoder_h1": tf.Variable(glorot([2, 8])),
    "decoder_out": tf.Variable(glorot([8, 12])),
}
biases = {
    k: tf.Variable(np.zeros(n, "f"))
    for k, n in [("encoder_b1", 8), ("z_mean", 2), ("z_std", 2), ("decoder_b1", 8), ("decoder_out", 12)]
}
input_image = tf.placeholder(tf.float32, shape=[None, 12])
eps = tf.placeholder_with_default(
    tf.random_normal((4, 2), dtype=tf.float32, mean=0.0, stddev=1.0, name="epsilon"), [None, 2]
)
encoder = tf.nn.tanh(tf.matmul(input_image, weights["encoder_h1"]) + biases["encoder_b1"])
z_mean = tf.matmul(encoder, weights["z_mean"]) + biases["z_mean"]
z_std = tf.matmul(encoder, weights["z_std"]) + biases["z_std"]
z = z_mean + tf.exp(z_std / 2) * eps
decoder = tf.nn.sigmoid(
    tf.matmul(tf.nn.tanh(tf.matmul(z, weights["decoder_h1"]) + biases["decoder_b1"]), weights["decoder_out"])
    + biases["decoder_out"]
)


def vae_loss(x_reconstructed, x_true):
    encode_decode_loss = x_true * tf.log(1e-10 + x_reconstructed) + (1 - x_true) * tf.log(
        1e-10 + 1 - x_reconstructed
    )
    encode_decode_loss = -tf.reduce_sum(encode_decode_loss, 1)
    kl_div_loss = -0.5 * tf.reduce_sum(1 + z_std - tf.square(z_mean) - tf.exp(z_std), 1)
    return tf.reduce_mean(encode_decode_loss + kl_div_loss)


loss_op = vae_loss(decoder, input_image)
train_op = tf.train.RMSPropOptimizer(learning_rate=0.01).minimize(loss_op)
X = rng.rand(4, 12)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(1, 5):
        _, l = sess.run([train_op, loss_op], feed_dict={input_image: X, eps: rng.randn(4, 2)})
        print("Step %i, Loss: %f" % (i, l))
    print(sess.run(z, {input_image: X}).shape, sess.run(decoder, {z: [[0.5, -0.5]]})[0, :3])
# Print, Assert, py_func, custom gradients, stop, control deps, tile/grid of images, map_fn, case, while with shape invariants
tf.reset_default_graph()
x = tf.placeholder(tf.float32, [None, 3], name="x")
p = tf.Print(x, [tf.shape(x)], message="shape: ")
with tf.control_dependencies([tf.Assert(tf.reduce_all(x > -100), [x]), tf.assert_rank(x, 2)]):
    y = tf.identity(p) * 2


def f(a):
    return np.cumsum(a, 0).astype(np.float32)


c = tf.py_func(f, [y], tf.float32)
c.set_shape([None, 3])


@tf.custom_gradient
def clipg(v):
    return v * 1.0, lambda dy: tf.clip_by_value(dy, -0.1, 0.1)


g = tf.gradients(tf.reduce_sum(clipg(x) ** 2), x)[0]
i0 = tf.constant(0)
m0 = tf.ones([2, 2])
_, m = tf.while_loop(
    lambda i, m: i < 3,
    lambda i, m: [i + 1, tf.concat([m, m[:1] * tf.cast(i + 2, tf.float32)], axis=0)],
    loop_vars=[i0, m0],
    shape_invariants=[i0.get_shape(), tf.TensorShape([None, 2])],
)
r = tf.case(
    [(tf.reduce_sum(x) > 10, lambda: tf.constant(1)), (tf.reduce_sum(x) < -10, lambda: tf.constant(-1))],
    default=lambda: tf.constant(0),
    exclusive=True,
)
fib = tf.scan(lambda a, _: (a[1], a[0] + a[1]), tf.range(6), initializer=(tf.constant(0), tf.constant(1)))
mp = tf.map_fn(
    lambda q: (q[0] + q[1], q[0] * q[1]),
    (tf.constant([1.0, 2]), tf.constant([3.0, 4])),
    dtype=(tf.float32, tf.float32),
)
fl = tf.foldl(lambda a, b: a * 2 + b, tf.constant([1, 2, 3]))
with tf.Session() as sess:
    fd = {x: [[1.0, 2, 3], [4, 5, 6]]}
    print(sess.run([c, g, r], fd))
    print(m.shape, sess.run(m))
    print(sess.run([fib, mp, fl]))
    try:
        sess.run(y, {x: [[-200.0, 0, 0]]})
    except tf.errors.InvalidArgumentError as e:
        print("assertion failed" in str(e))
    try:
        sess.run(y, {"x:0": [[1.0, 2, 3]], "nope:0": 1})
    except TypeError as e:
        print(str(e)[:60])
    print(sess.run("x:0", {"x:0": [[1.0, 2, 3]]}))
    try:
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))
    except ValueError as e:
        print(str(e)[:39])
    try:
        tf.constant(1) + tf.constant(1.0)
    except (TypeError, ValueError) as e:
        print(type(e).__name__)
    try:
        bool(x)
    except TypeError:
        print("bool")
    try:
        for _ in x:
            pass
    except TypeError:
        print("not iterable")
    with tf.Graph().as_default():
        z = tf.constant(1)
    try:
        sess.run(z)
    except ValueError as e:
        print("is not an element of this graph" in str(e))
    try:
        tf.reshape(tf.ones([6]), [4, 2])
    except ValueError as e:
        print(str(e)[:55])
