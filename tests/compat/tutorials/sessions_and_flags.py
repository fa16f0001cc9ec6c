import numpy as np
import tensorflow as tf

flags = tf.app.flags
FLAGS = flags.FLAGS
flags.DEFINE_string("name", "abc", "h")
flags.DEFINE_integer("n", 3, "h")
flags.DEFINE_float("f", 0.5, "h")
flags.DEFINE_boolean("b", True, "h")
flags.DEFINE_enum("e", "x", ["x", "y"], "h")


def main(argv):
    print(FLAGS.name, FLAGS.n, FLAGS.f, FLAGS.b, FLAGS.e, len(argv))
    tf.set_random_seed(7)
    a = tf.random_normal([3], seed=1)
    b = tf.random_uniform([2], minval=2, maxval=5, dtype=tf.int32)
    c = tf.truncated_normal([1000], stddev=2.0)
    d = tf.random_shuffle(tf.range(10))
    with tf.Session(
        config=tf.ConfigProto(
            allow_soft_placement=True,
            log_device_placement=False,
            gpu_options=tf.GPUOptions(allow_growth=True),
        )
    ) as s1:
        r1 = s1.run([a, b, c, d])
        r1b = s1.run(a)
    with tf.Session() as s2:
        r2 = s2.run([a, b, c, d])
    print(
        all((p == q).all() for p, q in zip(r1, r2, strict=False)),
        (r1[0] != r1b).any(),
        abs(r1[2]).max() <= 4.0,
        sorted(r1[3]),
        ((r1[1] >= 2) & (r1[1] < 5)).all(),
    )
    with tf.device("/cpu:0"):
        g = tf.constant([1.0, 2.0]) * 2
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as s:
        print(s.run(g), g.device)
    x = tf.placeholder_with_default(tf.constant(5.0), [])
    y = x + 1
    with tf.Session() as s:
        print(s.run(y), s.run(y, {x: 1.0}), s.run(y, {y: 9.0}))
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    v2 = tf.Variable(v.initialized_value() * 2)
    sess = tf.InteractiveSession()
    tf.global_variables_initializer().run()
    print(v2.eval(), tf.is_variable_initialized(v).eval(), sess.run(tf.report_uninitialized_variables()))
    print(
        (v + v2)[0].eval(),
        v[:, 1].eval(),
        (v @ v2).eval() if hasattr(v, "__matmul__") else 0,
        tf.reduce_sum(v).eval(),
    )
    v.load([[0.0, 0.0], [1.0, 1.0]], sess)
    print(v.eval())
    sess.close()
    init = [
        tf.zeros_initializer(),
        tf.ones_initializer(),
        tf.constant_initializer(3.0),
        tf.constant_initializer(np.eye(2)),
        tf.random_normal_initializer(0, 0.1),
        tf.truncated_normal_initializer(stddev=0.1),
        tf.glorot_uniform_initializer(),
        tf.glorot_normal_initializer(),
        tf.variance_scaling_initializer(),
        tf.orthogonal_initializer(),
        tf.random_uniform_initializer(-1, 1),
        tf.initializers.he_normal(),
        tf.initializers.identity(),
        tf.uniform_unit_scaling_initializer(),
    ]
    vs = [tf.get_variable("i%d" % k, [2, 2], initializer=i) for k, i in enumerate(init)]
    with tf.Session() as s:
        s.run(tf.variables_initializer(vs))
        r = s.run(vs)
        print([q.shape for q in r], r[3], r[12], np.allclose(r[9] @ r[9].T, np.eye(2), atol=1e-5))
    print(tf.gfile.Exists("/tmp"), tf.__version__[0] in "12", tf.executing_eagerly())
    op = tf.get_default_graph().get_operations()
    print(len(op) > 10, tf.get_default_graph().get_tensor_by_name("random_normal:0").shape)
    print(
        sorted(tf.get_default_graph().get_collection("variables")[0].op.node_def.name.split()),
        v.op.type in ("VariableV2", "VarHandleOp"),
    )
    sp = tf.sparse_placeholder(tf.float32)
    rs = tf.sparse_reduce_sum(sp)
    with tf.Session() as s:
        i = np.array([[3, 2], [4, 5]], np.int64)
        vv = np.array([1.0, 2.0], np.float32)
        sh = np.array([7, 9], np.int64)
        print(
            s.run(rs, {sp: tf.SparseTensorValue(i, vv, sh)}),
            s.run(rs, {sp: (i, vv, sh)}),
            s.run(sp, {sp: (i, vv, sh)}).values,
        )
        tfb = tf.cast(tf.constant([1.7]), tf.int64)
        print(
            s.run(tfb).dtype,
            s.run(tf.constant("x")),
            s.run(tf.constant(["a", "b"])),
            s.run(tf.string_join(["a", "b"])),
        )
        print(s.run(tf.Print(tf.constant(1.0), [tf.constant(2.0)], "msg: ")))
        r = tf.RunMetadata()
        o = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        print(s.run(tf.constant(2), options=o, run_metadata=r))
    try:
        with tf.Session() as s:
            s.run(v)
    except tf.errors.FailedPreconditionError as e:
        print("FPE", "Attempting to use uninitialized value Variable" in e.message)


if __name__ == "__main__":
    tf.app.run()
