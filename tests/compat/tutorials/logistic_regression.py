# Logistic regression in the manner of aymericdamien's examples, with summaries.
import glob
import os
import tempfile

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)


class DataSet:
    def __init__(self, n):
        self.images = rng.rand(n, 784).astype(np.float32)
        w = np.random.RandomState(5).randn(784, 10)
        self.labels = np.eye(10)[np.argmax((self.images - 0.5).dot(w), 1)].astype(np.float32)
        self.num_examples = n
        self._i = 0

    def next_batch(self, k):
        s = slice(self._i, self._i + k)
        self._i = (self._i + k) % self.num_examples
        return self.images[s], self.labels[s]


class mnist:
    train = DataSet(500)
    test = DataSet(100)


learning_rate = 0.05
training_epochs = 5
batch_size = 100
display_step = 1
logs_path = tempfile.mkdtemp()
x = tf.placeholder(tf.float32, [None, 784], name="InputData")
y = tf.placeholder(tf.float32, [None, 10], name="LabelData")
W = tf.Variable(tf.zeros([784, 10]), name="Weights")
b = tf.Variable(tf.zeros([10]), name="Bias")
with tf.name_scope("Model"):
    pred = tf.nn.softmax(tf.matmul(x, W) + b)
with tf.name_scope("Loss"):
    cost = tf.reduce_mean(-tf.reduce_sum(y * tf.log(pred), reduction_indices=1))
with tf.name_scope("SGD"):
    optimizer = tf.train.GradientDescentOptimizer(learning_rate).minimize(cost)
with tf.name_scope("Accuracy"):
    acc = tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1))
    acc = tf.reduce_mean(tf.cast(acc, tf.float32))
init = tf.global_variables_initializer()
tf.summary.scalar("loss", cost)
tf.summary.scalar("accuracy", acc)
for var in tf.trainable_variables():
    tf.summary.histogram(var.op.name, var)
merged_summary_op = tf.summary.merge_all()
with tf.Session() as sess:
    sess.run(init)
    summary_writer = tf.summary.FileWriter(logs_path, graph=tf.get_default_graph())
    for epoch in range(training_epochs):
        avg_cost = 0.0
        total_batch = int(mnist.train.num_examples / batch_size)
        for i in range(total_batch):
            batch_xs, batch_ys = mnist.train.next_batch(batch_size)
            _, c, summary = sess.run(
                [optimizer, cost, merged_summary_op], feed_dict={x: batch_xs, y: batch_ys}
            )
            summary_writer.add_summary(summary, epoch * total_batch + i)
            avg_cost += c / total_batch
        if (epoch + 1) % display_step == 0:
            print("Epoch:", "%04d" % (epoch + 1), "cost=", f"{avg_cost:.6f}")
    print("Optimization Finished!")
    print("Accuracy:", acc.eval({x: mnist.test.images, y: mnist.test.labels}))
    summary_writer.close()
    print(len(glob.glob(os.path.join(logs_path, "*tfevents*"))))
    s = tf.Summary(value=[tf.Summary.Value(tag="foo", simple_value=1.5)])
    print(s.value[0].tag, s.value[0].simple_value)
    s2 = tf.Summary()
    s2.ParseFromString(summary)
    print([v.tag for v in s2.value], "%.4f" % s2.value[0].simple_value)
    for e in tf.train.summary_iterator(glob.glob(os.path.join(logs_path, "*tfevents*"))[0]):
        for v in e.summary.value:
            if v.tag == "loss" or v.tag == "Loss/loss":
                if e.step % 10 == 0:
                    print(e.step, "%.5f" % v.simple_value)
