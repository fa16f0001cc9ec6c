import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
image_dim = 10
gen_h = 8
disc_h = 8
noise_dim = 4


def glorot(shape):
    return (R.randn(*shape) / np.sqrt(shape[0] / 2.0)).astype("f")


weights = {
    "gen_hidden1": tf.Variable(glorot([noise_dim, gen_h])),
    "gen_out": tf.Variable(glorot([gen_h, image_dim])),
    "disc_hidden1": tf.Variable(glorot([image_dim, disc_h])),
    "disc_out": tf.Variable(glorot([disc_h, 1])),
}
biases = {
    "gen_hidden1": tf.Variable(tf.zeros([gen_h])),
    "gen_out": tf.Variable(tf.zeros([image_dim])),
    "disc_hidden1": tf.Variable(tf.zeros([disc_h])),
    "disc_out": tf.Variable(tf.zeros([1])),
}


def generator(x):
    h = tf.nn.relu(tf.add(tf.matmul(x, weights["gen_hidden1"]), biases["gen_hidden1"]))
    return tf.nn.sigmoid(tf.add(tf.matmul(h, weights["gen_out"]), biases["gen_out"]))


def discriminator(x):
    h = tf.nn.relu(tf.add(tf.matmul(x, weights["disc_hidden1"]), biases["disc_hidden1"]))
    return tf.nn.sigmoid(tf.add(tf.matmul(h, weights["disc_out"]), biases["disc_out"]))


gen_input = tf.placeholder(tf.float32, shape=[None, noise_dim], name="input_noise")
disc_input = tf.placeholder(tf.float32, shape=[None, image_dim], name="disc_input")
gen_sample = generator(gen_input)
disc_real = discriminator(disc_input)
disc_fake = discriminator(gen_sample)
gen_loss = -tf.reduce_mean(tf.log(disc_fake))
disc_loss = -tf.reduce_mean(tf.log(disc_real) + tf.log(1.0 - disc_fake))
og = tf.train.AdamOptimizer(learning_rate=0.002)
od = tf.train.AdamOptimizer(learning_rate=0.002)
gv = [weights["gen_hidden1"], weights["gen_out"], biases["gen_hidden1"], biases["gen_out"]]
dv = [weights["disc_hidden1"], weights["disc_out"], biases["disc_hidden1"], biases["disc_out"]]
tg = og.minimize(gen_loss, var_list=gv)
td = od.minimize(disc_loss, var_list=dv)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    for i in range(1, 21):
        bx = R.rand(16, image_dim)
        z = R.uniform(-1.0, 1.0, size=[16, noise_dim])
        # sequential so that both agree
        gl, dl = s.run([gen_loss, disc_loss], feed_dict={disc_input: bx, gen_input: z})
        s.run(td, feed_dict={disc_input: bx, gen_input: z})
        s.run(tg, feed_dict={gen_input: z})
        if i % 5 == 0 or i == 1:
            print("Step %i: Generator Loss: %f, Discriminator Loss: %f" % (i, gl, dl))
