import numpy as np
import tensorflow as tf

x = np.arange(10).astype("f")
y = x**2
ds = tf.data.Dataset.from_tensor_slices((x, y)).map(lambda a, b: (a * 2, b + 1)).batch(4)
it = ds.make_one_shot_iterator()
n = it.get_next()
print(n, ds.output_shapes, ds.output_types)
with tf.Session() as s:
    try:
        while True:
            print(s.run(n))
    except tf.errors.OutOfRangeError as e:
        print("end", type(e).__name__)
ds = tf.data.Dataset.range(5).repeat(2).filter(lambda v: v % 2 == 0).take(5).skip(1)
it = ds.make_initializable_iterator()
n = it.get_next()
with tf.Session() as s:
    try:
        s.run(n)
    except tf.errors.FailedPreconditionError:
        print("FPE")
    for _ in range(2):
        s.run(it.initializer)
        r = []
        while True:
            try:
                r.append(s.run(n))
            except tf.errors.OutOfRangeError:
                break
        print(r)
ph = tf.placeholder(tf.float32, [None, 2])
pl = tf.placeholder(tf.int32, [None])
ds = (
    tf.data.Dataset.from_tensor_slices({"f": ph, "l": pl})
    .shuffle(100, seed=3)
    .repeat()
    .batch(3, drop_remainder=True)
    .prefetch(1)
)
it = ds.make_initializable_iterator()
n = it.get_next()
print(sorted(n.items()), ds.output_shapes)
with tf.Session() as s:
    s.run(it.initializer, {ph: np.arange(12).reshape(6, 2), pl: np.arange(6)})
    got = np.concatenate([s.run(n)["l"] for _ in range(2)])
    print(sorted(got))
    a = s.run(n)
    print((a["f"][:, 0] / 2 == a["l"]).all())


def gen():
    for i in range(4):
        yield i, [1] * i


ds = tf.data.Dataset.from_generator(
    gen, (tf.int64, tf.int64), (tf.TensorShape([]), tf.TensorShape([None]))
).padded_batch(2, padded_shapes=([], [None]))
n = ds.make_one_shot_iterator().get_next()
print(n)
with tf.Session() as s:
    print(s.run(n))
    print(s.run(n))
tr = tf.data.Dataset.from_tensor_slices(np.arange(3)).map(lambda v: v + 100)
te = tf.data.Dataset.range(2)
it = tf.data.Iterator.from_structure(tr.output_types, tr.output_shapes)
n = it.get_next()
i1 = it.make_initializer(tr)
i2 = it.make_initializer(te)
with tf.Session() as s:
    for i in (i1, i2, i1):
        s.run(i)
        r = []
        while True:
            try:
                r.append(int(s.run(n)))
            except tf.errors.OutOfRangeError:
                break
        print(r)
h = tf.placeholder(tf.string, [])
it = tf.data.Iterator.from_string_handle(h, tr.output_types, tr.output_shapes)
n = it.get_next()
a = tr.repeat().make_one_shot_iterator()
b = te.make_initializable_iterator()
with tf.Session() as s:
    ha, hb = s.run([a.string_handle(), b.string_handle()])
    s.run(b.initializer)
    print([int(s.run(n, {h: q})) for q in (ha, hb, ha, hb, ha, ha)])
z = (
    tf.data.Dataset.zip(
        (tf.data.Dataset.range(3), tf.data.Dataset.range(10, 13).map(lambda q: tf.cast(q, tf.float32)))
    ).enumerate()
    if hasattr(tf.data.Dataset, "enumerate")
    else None
)
n = z.make_one_shot_iterator().get_next()
fm = (
    tf.data.Dataset.range(1, 4)
    .flat_map(lambda q: tf.data.Dataset.from_tensors(q).repeat(q))
    .make_one_shot_iterator()
    .get_next()
)
il = (
    tf.data.Dataset.range(1, 4)
    .interleave(lambda q: tf.data.Dataset.from_tensors(q).repeat(3), cycle_length=2, block_length=1)
    .make_one_shot_iterator()
    .get_next()
)
cc = tf.data.Dataset.range(2).concatenate(tf.data.Dataset.range(5, 7)).make_one_shot_iterator().get_next()
with tf.Session() as s:
    print(s.run(n), s.run(n))
    for t in (fm, il, cc):
        r = []
        while True:
            try:
                r.append(int(s.run(t)))
            except tf.errors.OutOfRangeError:
                break
        print(r)
# training with dataset
R = np.random.RandomState(0)
X = R.randn(64, 3).astype("f")
Y = (X @ np.array([[1.0], [2.0], [-1.0]])).astype("f")
ds = tf.data.Dataset.from_tensor_slices((X, Y)).repeat().batch(16)
xb, yb = ds.make_one_shot_iterator().get_next()
w = tf.Variable(tf.zeros([3, 1]))
loss = tf.reduce_mean(tf.square(tf.matmul(xb, w) - yb))
op = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
print(xb.shape)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    for i in range(20):
        l, _ = s.run([loss, op])
        if i % 5 == 0:
            print(f"{l:.5f}")
    print(s.run(w).T)


def pyf(a):
    return (a * 2).astype(np.float32)


n = (
    tf.data.Dataset.from_tensor_slices(x)
    .map(lambda a: tf.py_func(pyf, [a], tf.float32))
    .batch(10)
    .make_one_shot_iterator()
    .get_next()
)
with tf.Session() as s:
    print(s.run(n))
