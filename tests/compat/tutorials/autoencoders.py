import numpy as np
import tensorflow as tf

rng = np.random.RandomState(3)
num_hidden_1, num_hidden_2, num_input = 12, 6, 20
X = tf.placeholder("float", [None, num_input])
mk = lambda *s: tf.Variable((rng.randn(*s) * 0.5).astype("f"))
weights = {
    "encoder_h1": mk(num_input, num_hidden_1),
    "encoder_h2": mk(num_hidden_1, num_hidden_2),
    "decoder_h1": mk(num_hidden_2, num_hidden_1),
    "decoder_h2": mk(num_hidden_1, num_input),
}
biases = {
    "encoder_b1": mk(num_hidden_1),
    "encoder_b2": mk(num_hidden_2),
    "decoder_b1": mk(num_hidden_1),
    "decoder_b2": mk(num_input),
}


def encoder(x):
    layer_1 = tf.nn.sigmoid(tf.add(tf.matmul(x, weights["encoder_h1"]), biases["encoder_b1"]))
    return tf.nn.sigmoid(tf.add(tf.matmul(layer_1, weights["encoder_h2"]), biases["encoder_b2"]))


def decoder(x):
    layer_1 = tf.nn.sigmoid(tf.add(tf.matmul(x, weights["decoder_h1"]), biases["decoder_b1"]))
    return tf.nn.sigmoid(tf.add(tf.matmul(layer_1, weights["decoder_h2"]), biases["decoder_b2"]))


y_pred = decoder(encoder(X))
y_true = X
loss = tf.reduce_mean(tf.pow(y_true - y_pred, 2))
optimizer = tf.train.RMSPropOptimizer(0.01).minimize(loss)
data = rng.rand(64, num_input)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(1, 6):
        _, l = sess.run([optimizer, loss], feed_dict={X: data[:32]})
        print("Step %i: Minibatch Loss: %f" % (i, l))
    print(sess.run(y_pred, {X: data[:1]})[0][:4])


# denoising, tied weights, class style (tensorflow/models/autoencoder)
class Autoencoder:
    def __init__(
        self, n_input, n_hidden, transfer_function=tf.nn.softplus, optimizer=tf.train.AdamOptimizer()
    ):
        self.n_input = n_input
        self.n_hidden = n_hidden
        self.transfer = transfer_function
        self.scale = tf.placeholder(tf.float32)
        self.weights = self._initialize_weights()
        self.x = tf.placeholder(tf.float32, [None, self.n_input])
        self.hidden = self.transfer(
            tf.add(
                tf.matmul(self.x + 0.0 * tf.random_normal((n_input,)), self.weights["w1"]), self.weights["b1"]
            )
        )
        self.reconstruction = tf.add(
            tf.matmul(self.hidden, tf.transpose(self.weights["w1"])), self.weights["b2"]
        )
        self.cost = 0.5 * tf.reduce_sum(tf.pow(tf.subtract(self.reconstruction, self.x), 2.0))
        self.optimizer = optimizer.minimize(self.cost)
        self.sess = tf.Session()
        self.sess.run(tf.global_variables_initializer())

    def _initialize_weights(self):
        all_weights = dict()
        all_weights["w1"] = tf.get_variable(
            "w1",
            shape=[self.n_input, self.n_hidden],
            initializer=tf.constant_initializer(
                np.sin(np.arange(self.n_input * self.n_hidden)).reshape(self.n_input, self.n_hidden)
            ),
        )
        all_weights["b1"] = tf.Variable(tf.zeros([self.n_hidden], dtype=tf.float32))
        all_weights["b2"] = tf.Variable(tf.zeros([self.n_input], dtype=tf.float32))
        return all_weights

    def partial_fit(self, X):
        cost, opt = self.sess.run((self.cost, self.optimizer), feed_dict={self.x: X, self.scale: 0.01})
        return cost

    def transform(self, X):
        return self.sess.run(self.hidden, feed_dict={self.x: X, self.scale: 0.01})

    def generate(self, hidden=None):
        if hidden is None:
            hidden = self.sess.run(tf.random_normal([1, self.n_hidden]))
        return self.sess.run(self.reconstruction, feed_dict={self.hidden: hidden})

    def getWeights(self):
        return self.sess.run(self.weights["w1"])


ae = Autoencoder(20, 8, optimizer=tf.train.AdamOptimizer(learning_rate=0.01))
for i in range(4):
    print("%.4f" % ae.partial_fit(data))
print(ae.transform(data[:1])[0][:3], ae.generate(np.ones((1, 8)))[0][:3], ae.getWeights().shape)
print(ae.generate().shape)
# RBM-ish / contractive: jacobian by stacking gradients; sparse penalty KL
h = ae.hidden
rho = tf.reduce_mean(tf.sigmoid(h), 0)
kl = tf.reduce_sum(0.05 * tf.log(0.05 / rho) + 0.95 * tf.log(0.95 / (1 - rho)))
jac = tf.stack([tf.gradients(h[:, i], ae.x)[0] for i in range(3)], axis=1)
print(ae.sess.run([kl, tf.reduce_sum(jac**2)], {ae.x: data}))
# convolutional
tf.reset_default_graph()
img = tf.placeholder(tf.float32, [None, 8, 8, 1])
k = tf.constant_initializer(np.cos(np.arange(9 * 4)).reshape(3, 3, 1, 4) * 0.3)
k2 = tf.constant_initializer(np.cos(np.arange(9 * 4 * 4)).reshape(3, 3, 4, 4) * 0.3)
c1 = tf.layers.conv2d(img, 4, (3, 3), padding="same", activation=tf.nn.relu, kernel_initializer=k)
m1 = tf.layers.max_pooling2d(c1, (2, 2), (2, 2), padding="same")
up = tf.image.resize_nearest_neighbor(m1, (8, 8))
up2 = tf.image.resize_images(m1, size=(8, 8), method=tf.image.ResizeMethod.NEAREST_NEIGHBOR)
d1 = tf.layers.conv2d(up, 4, (3, 3), padding="same", activation=tf.nn.relu, kernel_initializer=k2)
t1 = tf.layers.conv2d_transpose(
    m1, 1, 3, strides=2, padding="same", kernel_initializer=tf.constant_initializer(0.1)
)
logits = (
    tf.layers.conv2d(
        d1, 1, (3, 3), padding="same", activation=None, kernel_initializer=tf.constant_initializer(0.05)
    )
    + t1
)
decoded = tf.nn.sigmoid(logits, name="decoded")
loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=img, logits=logits)
cost = tf.reduce_mean(loss)
opt = tf.train.AdamOptimizer(0.01).minimize(cost)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    im = rng.rand(4, 8, 8, 1)
    for e in range(3):
        c, _ = sess.run([cost, opt], feed_dict={img: im})
        print(f"Epoch: {e + 1}/{3}...", f"Training loss: {c:.4f}")
    print(sess.run(tf.reduce_max(tf.abs(up - up2)), {img: im}))
    print([v.name for v in tf.trainable_variables()])
