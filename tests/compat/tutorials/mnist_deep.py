"""TF's own mnist_deep.py with tf.app.flags and input_data-like reader."""

import sys
import tempfile

import numpy as np
import tensorflow as tf

flags = tf.app.flags
FLAGS = flags.FLAGS
flags.DEFINE_float("learning_rate", 0.01, "Initial learning rate.")
flags.DEFINE_integer("max_steps", 4, "Number of steps to run trainer.")
flags.DEFINE_string("train_dir", "", "Directory")
flags.DEFINE_boolean("fake_data", False, "If true, uses fake data for unit testing.")
flags.DEFINE_bool("use_fp16", False, "Train the model using fp16.")
flags.DEFINE_enum("mode", "train", ["train", "eval"], "mode")
flags.DEFINE_list("layers", "128,32", "sizes")
rng = np.random.RandomState(0)


def deepnn(x):
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
    return y_conv, keep_prob


def conv2d(x, W):
    return tf.nn.conv2d(x, W, strides=[1, 1, 1, 1], padding="SAME")


def max_pool_2x2(x):
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def weight_variable(shape):
    initial = tf.constant(rng.randn(*shape) * 0.1, tf.float32)
    return tf.Variable(initial)


def bias_variable(shape):
    return tf.Variable(tf.constant(0.1, shape=shape))


def variable_summaries(var):
    with tf.name_scope("summaries"):
        mean = tf.reduce_mean(var)
        tf.summary.scalar("mean", mean)
        with tf.name_scope("stddev"):
            stddev = tf.sqrt(tf.reduce_mean(tf.square(var - mean)))
        tf.summary.scalar("stddev", stddev)
        tf.summary.scalar("max", tf.reduce_max(var))
        tf.summary.histogram("histogram", var)


def main(_):
    print(FLAGS.learning_rate, FLAGS.max_steps, FLAGS.fake_data, FLAGS.mode, FLAGS.layers, len(_))
    x = tf.placeholder(tf.float32, [None, 784])
    y_ = tf.placeholder(tf.int64, [None])
    y_conv, keep_prob = deepnn(x)
    with tf.name_scope("loss"):
        cross_entropy = tf.losses.sparse_softmax_cross_entropy(labels=y_, logits=y_conv)
    cross_entropy = tf.reduce_mean(cross_entropy)
    with tf.name_scope("adam_optimizer"):
        train_step = tf.train.AdamOptimizer(FLAGS.learning_rate).minimize(cross_entropy)
    with tf.name_scope("accuracy"):
        correct_prediction = tf.cast(tf.equal(tf.argmax(y_conv, 1), y_), tf.float32)
    accuracy = tf.reduce_mean(correct_prediction)
    variable_summaries(y_conv)
    tf.summary.image("in", tf.reshape(x, [-1, 28, 28, 1]), 2)
    merged = tf.summary.merge_all()
    graph_location = tempfile.mkdtemp()
    train_writer = tf.summary.FileWriter(graph_location)
    train_writer.add_graph(tf.get_default_graph())
    data = rng.rand(50, 784)
    lab = rng.randint(0, 10, 50)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(FLAGS.max_steps):
            if i % 2 == 0:
                train_accuracy = accuracy.eval(feed_dict={x: data, y_: lab, keep_prob: 1.0})
                print("step %d, training accuracy %g" % (i, train_accuracy))
            train_step.run(feed_dict={x: data, y_: lab, keep_prob: 1.0})
        run_options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        run_metadata = tf.RunMetadata()
        summary, ce = sess.run(
            [merged, cross_entropy],
            {x: data, y_: lab, keep_prob: 1.0},
            options=run_options,
            run_metadata=run_metadata,
        )
        train_writer.add_run_metadata(run_metadata, "step%03d" % i)
        train_writer.add_summary(summary, i)
        print(
            "test accuracy %g loss %.5f" % (accuracy.eval(feed_dict={x: data, y_: lab, keep_prob: 1.0}), ce)
        )
        print([v.name for v in tf.trainable_variables()])
        print([t.name for t in tf.get_collection(tf.GraphKeys.LOSSES)], tf.losses.get_total_loss().name)
        w = sess.run(keep_prob * 2, {keep_prob: 0.5})
        print(w)


if __name__ == "__main__":
    tf.app.run(main=main, argv=[sys.argv[0]])
