import os
import tempfile

import numpy as np
import tensorflow as tf

d = tempfile.mkdtemp()
model_path = os.path.join(d, "model.ckpt")
rng = np.random.RandomState(0)
x = tf.placeholder("float", [None, 6], name="x")
y = tf.placeholder("float", [None, 2], name="y")


def multilayer_perceptron(x, weights, biases):
    layer_1 = tf.nn.relu(tf.add(tf.matmul(x, weights["h1"]), biases["b1"]))
    layer_2 = tf.nn.relu(tf.add(tf.matmul(layer_1, weights["h2"]), biases["b2"]))
    return tf.add(tf.matmul(layer_2, weights["out"]), biases["out"], name="pred")


f = lambda *s: (rng.randn(*s) * 0.4).astype("f")
weights = {
    "h1": tf.Variable(f(6, 5), name="h1"),
    "h2": tf.Variable(f(5, 4), name="h2"),
    "out": tf.Variable(f(4, 2)),
}
biases = {"b1": tf.Variable(f(5)), "b2": tf.Variable(f(4)), "out": tf.Variable(f(2))}
pred = multilayer_perceptron(x, weights, biases)
cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=pred, labels=y), name="cost")
optimizer = tf.train.AdamOptimizer(learning_rate=0.01).minimize(cost, name="train")
init = tf.global_variables_initializer()
saver = tf.train.Saver()
X, Y = rng.randn(20, 6), np.eye(2)[rng.randint(0, 2, 20)]
with tf.Session() as sess:
    sess.run(init)
    for e in range(3):
        _, c = sess.run([optimizer, cost], feed_dict={x: X, y: Y})
        print("Epoch:", "%04d" % (e + 1), "cost=", f"{c:.9f}"[:7])
    save_path = saver.save(sess, model_path)
    print("Model saved in file: %s" % os.path.basename(save_path))
    print(sorted(n for n in os.listdir(d)))
with tf.Session() as sess:
    sess.run(init)
    saver.restore(sess, model_path)
    for e in range(2):
        _, c = sess.run([optimizer, cost], feed_dict={x: X, y: Y})
        print("cost=", f"{c:.9f}"[:7])
# import_meta_graph in a new graph
with tf.Graph().as_default() as g2, tf.Session() as sess:
    new_saver = tf.train.import_meta_graph(model_path + ".meta")
    new_saver.restore(sess, tf.train.latest_checkpoint(d))
    p, xx = g2.get_tensor_by_name("pred:0"), g2.get_tensor_by_name("x:0")
    print("%.5f" % np.abs(sess.run(p, {xx: X})).sum(), [v.name for v in tf.global_variables()][:6])
    print(g2.get_operation_by_name("train").type, [v.name for v in tf.trainable_variables()])
    try:
        g2.get_tensor_by_name("nope:0")
    except KeyError as e:
        print(e)
    try:
        g2.get_tensor_by_name("pred")
    except ValueError as e:
        print(e)
reader = tf.train.NewCheckpointReader(model_path)
m = reader.get_variable_to_shape_map()
print(sorted(m.items())[:5], reader.has_tensor("h1"), reader.get_tensor("h1").shape)
print(
    tf.train.get_checkpoint_state(d).model_checkpoint_path.split("/")[-1],
    [n for n, s in tf.train.list_variables(model_path)][:3] if hasattr(tf.train, "list_variables") else "",
)
# partial restore with names, missing variable, wrong shape
tf.reset_default_graph()
h = tf.get_variable("renamed", [6, 5])
extra = tf.get_variable("extra", [1])
s = tf.train.Saver({"h1": h})
with tf.Session() as sess:
    s.restore(sess, model_path)
    print(sess.run(h).shape, sess.run(tf.report_uninitialized_variables()))
    try:
        tf.train.Saver().restore(sess, model_path)
    except tf.errors.NotFoundError as e:
        print(
            type(e).__name__,
            "Key extra not found in checkpoint" in str(e) or "Key renamed not found in checkpoint" in str(e),
        )
    try:
        tf.train.Saver({"h2": h}).restore(sess, model_path)
    except (tf.errors.InvalidArgumentError, ValueError) as e:
        print(type(e).__name__)
    try:
        tf.train.Saver({"h1": h}).restore(sess, os.path.join(d, "nope"))
    except Exception as e:
        print(type(e).__name__, str(e).split(":")[0])
tf.reset_default_graph()
tf.train.init_from_checkpoint(model_path, {}) if False else None
with tf.variable_scope("net"):
    a = tf.get_variable("h1", [6, 5])
    b = tf.get_variable("h2", [5, 4])
tf.train.init_from_checkpoint(model_path, {"h1": "net/h1", "h2": b})
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print(
        np.allclose(sess.run(a), reader.get_tensor("h1")), np.allclose(sess.run(b), reader.get_tensor("h2"))
    )
    gs = tf.train.get_or_create_global_step()
    sess.run(gs.initializer)
    inc = tf.assign_add(gs, 1)
    sv = tf.train.Saver(max_to_keep=2, keep_checkpoint_every_n_hours=1)
    for i in range(4):
        sess.run(inc)
        sv.save(sess, os.path.join(d, "m"), global_step=gs, write_meta_graph=False)
    print(
        sorted(q for q in os.listdir(d) if q.startswith("m-")),
        [os.path.basename(q) for q in sv.last_checkpoints],
        tf.train.global_step(sess, gs),
    )
