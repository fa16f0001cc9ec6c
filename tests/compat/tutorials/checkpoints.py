import os
import tempfile

import numpy as np
import tensorflow as tf

d = tempfile.mkdtemp()
p = os.path.join(d, "model.ckpt")
v1 = tf.get_variable("v1", shape=[3], initializer=tf.zeros_initializer)
v2 = tf.get_variable("v2", shape=[5], initializer=tf.zeros_initializer)
inc = v1.assign(v1 + 1)
dec = v2.assign(v2 - 1)
init = tf.global_variables_initializer()
saver = tf.train.Saver()
gs = tf.Variable(0, trainable=False, name="global_step")
with tf.Session() as s:
    s.run(init)
    s.run(gs.initializer)
    inc.op.run()
    dec.op.run()
    save_path = saver.save(s, p)
    print(os.path.basename(save_path))
    for k in range(7):
        sp = tf.train.Saver(max_to_keep=2).save(s, p, global_step=k)
    s2 = tf.train.Saver([v1])
    print(os.path.basename(s2.save(s, os.path.join(d, "sub"), global_step=3)))
tf.reset_default_graph()
v1 = tf.get_variable("v1", shape=[3])
v2 = tf.get_variable("v2", [5], initializer=tf.zeros_initializer)
saver = tf.train.Saver({"v2": v2})
with tf.Session() as s:
    v1.initializer.run() if False else s.run(tf.global_variables_initializer())
    saver.restore(s, p)
    print(f"v2 : {v2.eval()}")
    ck = tf.train.get_checkpoint_state(d)
    print(
        os.path.basename(ck.model_checkpoint_path),
        [os.path.basename(q) for q in ck.all_model_checkpoint_paths],
    )
    print(os.path.basename(tf.train.latest_checkpoint(d)))
    r = tf.train.NewCheckpointReader(p)
    print(sorted(r.get_variable_to_shape_map().items()), r.get_tensor("v1"))
    print(tf.train.list_variables(p))
    print(tf.train.latest_checkpoint("/nonexistent"))
    for q in ["/nonexistent/x"]:
        try:
            tf.train.Saver().restore(s, q)
        except Exception as e:
            print(type(e).__name__)
    w = tf.get_variable("zzz", [2])
    try:
        tf.train.Saver([w]).restore(s, p)
    except Exception as e:
        print(type(e).__name__)
tf.reset_default_graph()
try:
    tf.train.Saver()
except Exception as e:
    print(type(e).__name__, e)
# meta graph
tf.reset_default_graph()
x = tf.placeholder(tf.float32, [None, 2], name="x")
w = tf.Variable(np.array([[1.0], [2.0]], "f"), name="w")
y = tf.matmul(x, w, name="y")
tf.add_to_collection("outs", y)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    tf.train.Saver().save(s, p + "m", global_step=10)
print(sorted(f for f in os.listdir(d) if "ckptm" in f))
tf.reset_default_graph()
with tf.Session() as s:
    imp = tf.train.import_meta_graph(p + "m-10.meta")
    imp.restore(s, tf.train.latest_checkpoint(d))
    g = tf.get_default_graph()
    print(
        s.run(g.get_tensor_by_name("y:0"), {"x:0": [[1, 1]]}),
        s.run(tf.get_collection("outs")[0], {"x:0": [[2, 1]]}),
        s.run("w:0"),
    )
