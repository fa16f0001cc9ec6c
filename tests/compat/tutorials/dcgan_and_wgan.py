import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)


def det(shape, dtype=None, partition_info=None):
    n = int(np.prod(shape))
    return tf.constant((np.sin(np.arange(n) * 1.7) * 0.1).reshape(shape), tf.float32)


image_dim, noise_dim = 64, 10


def generator(x, reuse=False):
    with tf.variable_scope("Generator", reuse=reuse):
        x = tf.layers.dense(x, units=2 * 2 * 8, kernel_initializer=det)
        x = tf.layers.batch_normalization(x, training=is_training)
        x = tf.nn.relu(x)
        x = tf.reshape(x, shape=[-1, 2, 2, 8])
        x = tf.layers.conv2d_transpose(x, 4, 5, strides=2, padding="same", kernel_initializer=det)
        x = tf.layers.batch_normalization(x, training=is_training)
        x = tf.nn.relu(x)
        x = tf.layers.conv2d_transpose(x, 1, 5, strides=2, padding="same", kernel_initializer=det)
        return tf.nn.tanh(x)


def discriminator(x, reuse=False):
    with tf.variable_scope("Discriminator", reuse=reuse):
        x = tf.layers.conv2d(x, 4, 5, strides=2, padding="same", kernel_initializer=det)
        x = tf.layers.batch_normalization(x, training=is_training)
        x = leakyrelu(x)
        x = tf.layers.flatten(x)
        x = tf.layers.dense(x, 16, kernel_initializer=det)
        x = leakyrelu(x)
        x = tf.layers.dense(x, 2, kernel_initializer=det)
    return x


def leakyrelu(x, alpha=0.2):
    return 0.5 * (1 + alpha) * x + 0.5 * (1 - alpha) * abs(x)


noise_input = tf.placeholder(tf.float32, shape=[None, noise_dim])
real_image_input = tf.placeholder(tf.float32, shape=[None, 8, 8, 1])
is_training = tf.placeholder(tf.bool)
gen_sample = generator(noise_input)
disc_real = discriminator(real_image_input)
disc_fake = discriminator(gen_sample, reuse=True)
stacked_gan = discriminator(gen_sample, reuse=True)
disc_loss_real = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(logits=disc_real, labels=tf.ones([4], dtype=tf.int32))
)
disc_loss_fake = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(logits=disc_fake, labels=tf.zeros([4], dtype=tf.int32))
)
disc_loss = disc_loss_real + disc_loss_fake
gen_loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(logits=stacked_gan, labels=tf.ones([4], dtype=tf.int32))
)
optimizer_gen = tf.train.AdamOptimizer(learning_rate=0.01, beta1=0.5, beta2=0.999)
optimizer_disc = tf.train.AdamOptimizer(learning_rate=0.01, beta1=0.5, beta2=0.999)
gen_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="Generator")
disc_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="Discriminator")
gen_update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope="Generator")
with tf.control_dependencies(gen_update_ops):
    train_gen = optimizer_gen.minimize(gen_loss, var_list=gen_vars)
disc_update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope="Discriminator")
with tf.control_dependencies(disc_update_ops):
    train_disc = optimizer_disc.minimize(disc_loss, var_list=disc_vars)
print(len(gen_vars), len(disc_vars), len(gen_update_ops), len(disc_update_ops))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(1, 4):
        batch_x = rng.rand(4, 8, 8, 1) * 2 - 1
        z = rng.uniform(-1.0, 1.0, size=[4, noise_dim])
        _, dl = sess.run(
            [train_disc, disc_loss], feed_dict={real_image_input: batch_x, noise_input: z, is_training: True}
        )
        _, gl = sess.run([train_gen, gen_loss], feed_dict={noise_input: z, is_training: True})
        print("Step %i: Generator Loss: %f, Discriminator Loss: %f" % (i, gl, dl))
    print(sess.run(gen_sample, feed_dict={noise_input: z[:1], is_training: False}).shape)

# WGAN-GP with a gradient penalty
tf.reset_default_graph()
z = tf.placeholder(tf.float32, [6, 3])
real = tf.placeholder(tf.float32, [6, 2])
eps = tf.placeholder(tf.float32, [6, 1])


def G(z):
    with tf.variable_scope("G", reuse=tf.AUTO_REUSE):
        return tf.layers.dense(
            tf.layers.dense(z, 8, tf.nn.tanh, kernel_initializer=det, name="a"),
            2,
            kernel_initializer=det,
            name="b",
        )


def D(x):
    with tf.variable_scope("D", reuse=tf.AUTO_REUSE):
        return tf.layers.dense(
            tf.layers.dense(x, 8, tf.nn.tanh, kernel_initializer=det, name="a"),
            1,
            kernel_initializer=det,
            name="b",
        )


fake = G(z)
interp = eps * real + (1 - eps) * fake
grad = tf.gradients(D(interp), [interp])[0]
slopes = tf.sqrt(tf.reduce_sum(tf.square(grad), reduction_indices=[1]))
gp = tf.reduce_mean((slopes - 1.0) ** 2)
d_loss = tf.reduce_mean(D(fake)) - tf.reduce_mean(D(real)) + 10.0 * gp
g_loss = -tf.reduce_mean(D(fake))
theta_G = [v for v in tf.trainable_variables() if v.name.startswith("G/")]
theta_D = [v for v in tf.trainable_variables() if v.name.startswith("D/")]
d_opt = tf.train.AdamOptimizer(1e-2, beta1=0.0, beta2=0.9).minimize(d_loss, var_list=theta_D)
g_opt = tf.train.RMSPropOptimizer(1e-2).minimize(g_loss, var_list=theta_G)
clip_D = [p.assign(tf.clip_by_value(p, -0.5, 0.5)) for p in theta_D]
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for it in range(4):
        fd = {z: rng.randn(6, 3), real: rng.randn(6, 2), eps: rng.rand(6, 1)}
        _, a, _ = sess.run([d_opt, d_loss, clip_D], fd)
        _, b_ = sess.run([g_opt, g_loss], fd)
        print(f"Iter: {it}; D loss: {a:.5}; G_loss: {b_:.5}")
