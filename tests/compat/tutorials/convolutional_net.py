import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)


def r(*s):
    return (R.randn(*s) * 0.1).astype("f")


def weight_variable(shape):
    return tf.Variable(r(*shape))


def bias_variable(shape):
    return tf.Variable(tf.constant(0.1, shape=shape))


def conv2d(x, W):
    return tf.nn.conv2d(x, W, strides=[1, 1, 1, 1], padding="SAME")


def max_pool_2x2(x):
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


x = tf.placeholder(tf.float32, shape=[None, 784])
y_ = tf.placeholder(tf.float32, shape=[None, 10])
with tf.name_scope("reshape"):
    x_image = tf.reshape(x, [-1, 28, 28, 1])
with tf.name_scope("conv1"):
    W_conv1 = weight_variable([5, 5, 1, 4])
    b_conv1 = bias_variable([4])
    h_conv1 = tf.nn.relu(conv2d(x_image, W_conv1) + b_conv1)
with tf.name_scope("pool1"):
    h_pool1 = max_pool_2x2(h_conv1)
with tf.name_scope("conv2"):
    W_conv2 = weight_variable([5, 5, 4, 8])
    b_conv2 = bias_variable([8])
    h_conv2 = tf.nn.relu(conv2d(h_pool1, W_conv2) + b_conv2)
with tf.name_scope("pool2"):
    h_pool2 = max_pool_2x2(h_conv2)
with tf.name_scope("fc1"):
    W_fc1 = weight_variable([7 * 7 * 8, 32])
    b_fc1 = bias_variable([32])
    h_pool2_flat = tf.reshape(h_pool2, [-1, 7 * 7 * 8])
    h_fc1 = tf.nn.relu(tf.matmul(h_pool2_flat, W_fc1) + b_fc1)
with tf.name_scope("dropout"):
    keep_prob = tf.placeholder(tf.float32)
    h_fc1_drop = tf.nn.dropout(h_fc1, keep_prob)
with tf.name_scope("fc2"):
    W_fc2 = weight_variable([32, 10])
    b_fc2 = bias_variable([10])
    y_conv = tf.matmul(h_fc1_drop, W_fc2) + b_fc2
with tf.name_scope("loss"):
    cross_entropy = tf.nn.softmax_cross_entropy_with_logits(labels=y_, logits=y_conv)
cross_entropy = tf.reduce_mean(cross_entropy)
with tf.name_scope("adam_optimizer"):
    train_step = tf.train.AdamOptimizer(1e-3).minimize(cross_entropy)
with tf.name_scope("accuracy"):
    correct_prediction = tf.cast(tf.equal(tf.argmax(y_conv, 1), tf.argmax(y_, 1)), tf.float32)
accuracy = tf.reduce_mean(correct_prediction)
for t in (x_image, h_conv1, h_pool1, h_pool2, h_pool2_flat, h_fc1, h_fc1_drop, y_conv, cross_entropy):
    print(t.get_shape().as_list())
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    X = R.rand(40, 784).astype("f")
    Y = np.eye(10)[R.randint(0, 10, 40)]
    for i in range(6):
        if i % 2 == 0:
            print(
                "step %d, training accuracy %g" % (i, accuracy.eval(feed_dict={x: X, y_: Y, keep_prob: 1.0})),
                cross_entropy.eval({x: X, y_: Y, keep_prob: 1.0}),
            )
        train_step.run(feed_dict={x: X[:20], y_: Y[:20], keep_prob: 1.0})
    print(sess.run(y_conv, {x: X[:2], keep_prob: 1.0}))
