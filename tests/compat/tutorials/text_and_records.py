import os
import tempfile

import numpy as np
import tensorflow as tf

d = tempfile.mkdtemp()
p = os.path.join(d, "a.txt")
open(p, "w").write("1,2.5,x\n3,4.5,y\n5,6.5,z\n")
ds = tf.data.TextLineDataset(p).skip(1).map(lambda l: tf.decode_csv(l, [[0], [0.0], [""]])).batch(2)
n = ds.make_one_shot_iterator().get_next()
print(n)
m = (
    tf.data.Dataset.from_tensor_slices(["a", "b", "c"])
    .map(lambda q: tf.string_join([q, "!"]))
    .shuffle(1)
    .batch(2)
    .make_one_shot_iterator()
    .get_next()
)
dd = (
    tf.data.Dataset.from_tensor_slices({"k": ["u", "v"], "x": np.arange(4.0).reshape(2, 2)})
    .make_one_shot_iterator()
    .get_next()
)
g = (
    tf.data.Dataset.from_generator(lambda: iter([("a", 1), ("b", 2)]), (tf.string, tf.int32))
    .make_one_shot_iterator()
    .get_next()
)
print(g)
rec = os.path.join(d, "r.tfrecord")
with tf.python_io.TFRecordWriter(rec) as w:
    for i in range(3):
        w.write(np.array([i, i + 1], np.float32).tobytes())
r = (
    tf.data.TFRecordDataset([rec])
    .map(lambda b: tf.decode_raw(b, tf.float32))
    .batch(3)
    .make_one_shot_iterator()
    .get_next()
)
print(r.shape, sum(1 for _ in tf.python_io.tf_record_iterator(rec)))
bad = tf.data.TextLineDataset("/nope").make_one_shot_iterator().get_next()
w = tf.Variable(2.0)
mv = tf.data.Dataset.range(3)
bsz = tf.placeholder(tf.int64, [])
it = tf.data.Dataset.range(5).batch(bsz).make_initializable_iterator()
nb = it.get_next()
pp = (
    tf.data.Dataset.from_tensor_slices(np.arange(6))
    .apply(tf.data.experimental.shuffle_and_repeat(6, 2, seed=1))
    .batch(12)
    .make_one_shot_iterator()
    .get_next()
)
sh = tf.data.Dataset.range(10).shard(3, 1).batch(10).make_one_shot_iterator().get_next()
ub = (
    tf.data.Dataset.from_tensor_slices(np.arange(6).reshape(3, 2))
    .unbatch()
    .batch(9)
    .make_one_shot_iterator()
    .get_next()
)
with tf.Session() as s:
    print(s.run(n))
    print(s.run(m), s.run(m))
    print(s.run(dd))
    print(s.run(g), s.run(g))
    print(s.run(r))
    try:
        s.run(bad)
    except tf.errors.NotFoundError:
        print("nf")
    s.run(it.initializer, {bsz: 3})
    print(s.run(nb), s.run(nb))
    print(sorted(s.run(pp)))
    print(s.run(sh), s.run(ub))
    try:
        s.run(n)
    except tf.errors.OutOfRangeError:
        print("oor")
