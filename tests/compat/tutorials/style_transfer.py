import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
tf.reset_default_graph()


class Net:
    def __init__(self, img):
        self.img = img
        self.W = [R.randn(3, 3, 3, 4).astype("f") * 0.3, R.randn(3, 3, 4, 6).astype("f") * 0.3]
        x = img
        for i, w in enumerate(self.W):
            with tf.variable_scope("conv%d" % i):
                W = tf.constant(w, name="weights")
                b = tf.constant(np.zeros(w.shape[-1], "f"), name="bias")
                x = tf.nn.relu(tf.nn.conv2d(x, W, strides=[1, 1, 1, 1], padding="SAME") + b)
                setattr(self, "conv%d" % i, x)
            x = tf.nn.avg_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


img = tf.get_variable("in_img", shape=([1, 12, 12, 3]), dtype=tf.float32, initializer=tf.zeros_initializer())
n = Net(img)
content = R.rand(1, 12, 12, 3).astype("f")
style = R.rand(1, 12, 12, 3).astype("f")


def gram(F, N, M):
    F = tf.reshape(F, (M, N))
    return tf.matmul(tf.transpose(F), F)


with tf.Session() as s:
    s.run(img.assign(content))
    ci = s.run(n.conv1)
    closs = tf.reduce_sum((n.conv1 - ci) ** 2) / (4.0 * ci.size)
    s.run(img.assign(style))
    A = s.run([n.conv0, n.conv1])
    E = []
    for a, g in zip(A, [n.conv0, n.conv1], strict=False):
        N = a.shape[3]
        M = a.shape[1] * a.shape[2]
        E.append(tf.reduce_sum((gram(g, N, M) - gram(a, N, M)) ** 2) / (2 * N * M) ** 2)
    sloss = sum([w * e for w, e in zip([0.5, 1.0], E, strict=False)])
    total = 0.01 * closs + sloss
    gs = tf.Variable(0, trainable=False)
    opt = tf.train.AdamOptimizer(0.05).minimize(total, global_step=gs)
    s.run(tf.global_variables_initializer())
    s.run(img.assign(content))
    tv = tf.image.total_variation(img)
    for i in range(8):
        s.run(opt)
        if i % 3 == 0:
            print(
                "Step %d Sum: %5.3f  Loss: %.5f  %.5f %.5f"
                % (i + 1, np.sum(s.run(img)), *s.run([total, closs, sloss]))
            )
    print(s.run(tv), gs.eval())
