import os
import tempfile

import numpy as np
import tensorflow as tf

tf.logging.set_verbosity(tf.logging.ERROR)
d = tempfile.mkdtemp()
R = np.random.RandomState(0)
X = R.randn(20, 3).astype("f")
Y = (X.sum(1, keepdims=True)).astype("f")


def build():
    x = tf.placeholder(tf.float32, [None, 3])
    y = tf.placeholder(tf.float32, [None, 1])
    w = tf.get_variable("w", [3, 1], initializer=tf.zeros_initializer())
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - y))
    gs = tf.train.get_or_create_global_step()
    op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=gs)
    tf.summary.scalar("loss", loss)
    return x, y, w, loss, gs, op


class Hook(tf.train.SessionRunHook):
    def begin(self):
        print("begin")

    def after_create_session(self, s, c):
        print("created")

    def before_run(self, ctx):
        return tf.train.SessionRunArgs(self.loss)

    def after_run(self, ctx, v):
        self.last = float(v.results)

    def end(self, s):
        print(f"end {self.last:.5f}")


with tf.Graph().as_default():
    x, y, w, loss, gs, op = build()
    h = Hook()
    h.loss = loss
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=d,
        hooks=[tf.train.StopAtStepHook(last_step=5), tf.train.NanTensorHook(loss), h],
        save_checkpoint_steps=2,
        log_step_count_steps=None,
        save_summaries_steps=2,
    ) as s:
        while not s.should_stop():
            _, l = s.run([op, loss], {x: X, y: Y})
    print(os.path.basename(tf.train.latest_checkpoint(d)))
with tf.Graph().as_default():
    x, y, w, loss, gs, op = build()
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=d,
        hooks=[tf.train.StopAtStepHook(num_steps=3)],
        save_summaries_steps=None,
        save_summaries_secs=None,
    ) as s:
        n = 0
        while not s.should_stop():
            s.run(op, {x: X, y: Y})
            n += 1
    print(n, os.path.basename(tf.train.latest_checkpoint(d)))
with tf.Graph().as_default():
    n = tf.data.Dataset.range(3).make_one_shot_iterator().get_next()
    gs = tf.train.create_global_step()
    inc = tf.assign_add(gs, 1)
    with tf.train.MonitoredSession() as s:
        c = 0
        while not s.should_stop():
            s.run([n, inc])
            c += 1
    print("after", c)
    try:
        tf.constant(1)
    except RuntimeError:
        print("finalized")
with tf.Graph().as_default():
    x, y, w, loss, gs, op = build()
    with tf.train.SingularMonitoredSession() as s:
        print(s.run(gs), s.run(w).T)
# queues
with tf.Graph().as_default():
    q = tf.FIFOQueue(10, [tf.float32, tf.int32], shapes=[[2], []])
    e = q.enqueue([[1.0, 2.0], 3])
    em = q.enqueue_many([[[3.0, 4.0], [5.0, 6.0]], [4, 5]])
    dq = q.dequeue()
    dm = q.dequeue_many(2)
    sz = q.size()
    cl = q.close()
    print(dq, dm)
    with tf.Session() as s:
        s.run([e])
        s.run(em)
        print(s.run(sz), s.run(dq), s.run(dm), s.run(sz))
        s.run(e)
        s.run(cl)
        print(s.run(dq))
        try:
            s.run(dq)
        except tf.errors.OutOfRangeError:
            print("oor")
        try:
            s.run(e)
        except tf.errors.CancelledError:
            print("cancelled")
with tf.Graph().as_default():
    data = np.arange(12, dtype=np.float32).reshape(6, 2)
    lab = np.arange(6, dtype=np.int32)
    a, b = tf.train.slice_input_producer([data, lab], num_epochs=2, shuffle=False)
    xb, yb = tf.train.batch([a, b], batch_size=4)
    with tf.Session() as s:
        s.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        th = tf.train.start_queue_runners(sess=s, coord=coord)
        try:
            while not coord.should_stop():
                print(s.run([xb, yb])[1])
        except tf.errors.OutOfRangeError:
            print("done")
        finally:
            coord.request_stop()
        coord.join(th)
with tf.Graph().as_default():
    a = tf.train.string_input_producer(["u", "v"], shuffle=False).dequeue()
    sb = tf.train.shuffle_batch([tf.constant([1.0, 2.0])], 3, 50, 10)
    with tf.Session() as s:
        coord = tf.train.Coordinator()
        th = tf.train.start_queue_runners(s, coord)
        print([s.run(a) for _ in range(3)], s.run(sb).shape)
        coord.request_stop()
        coord.join(th)
