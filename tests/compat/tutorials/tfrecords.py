import os
import tempfile

import numpy as np
import tensorflow as tf

d = tempfile.mkdtemp()
fn = os.path.join(d, "a.tfrecords")


def _int64_feature(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _bytes_feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _floats(v):
    return tf.train.Feature(float_list=tf.train.FloatList(value=v))


rng = np.random.RandomState(0)
writer = tf.python_io.TFRecordWriter(fn)
raws = []
for i in range(6):
    img = rng.randint(0, 255, (3, 2), dtype=np.uint8)
    raws.append(img)
    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                "height": _int64_feature(3),
                "width": _int64_feature(2),
                "depth": _int64_feature(-i),
                "label": _int64_feature(i),
                "image_raw": _bytes_feature(img.tobytes()),
                "w": _floats([i, i * 0.5]),
                "tags": tf.train.Feature(int64_list=tf.train.Int64List(value=range(i))),
            }
        )
    )
    writer.write(example.SerializeToString())
writer.close()
for k, rec in enumerate(tf.python_io.tf_record_iterator(fn)):
    e = tf.train.Example()
    e.ParseFromString(rec)
    if k < 2:
        print(
            e.features.feature["label"].int64_list.value[0],
            list(e.features.feature["w"].float_list.value),
            len(e.features.feature["image_raw"].bytes_list.value[0]),
            sorted(e.features.feature),
            e.features.feature["depth"].int64_list.value,
        )


def decode(serialized_example):
    features = tf.parse_single_example(
        serialized_example,
        features={
            "image_raw": tf.FixedLenFeature([], tf.string),
            "label": tf.FixedLenFeature([], tf.int64),
            "w": tf.FixedLenFeature([2], tf.float32),
            "tags": tf.VarLenFeature(tf.int64),
            "absent": tf.FixedLenFeature([1], tf.float32, default_value=[7.0]),
        },
    )
    image = tf.decode_raw(features["image_raw"], tf.uint8)
    image.set_shape((6,))
    label = tf.cast(features["label"], tf.int32)
    return image, label, features["w"], tf.sparse_tensor_to_dense(features["tags"]), features["absent"]


dataset = (
    tf.data.TFRecordDataset(fn)
    .map(decode)
    .map(lambda i, l, w, t, a: (tf.cast(i, tf.float32) * (1.0 / 255) - 0.5, l, w, t, a))
)
dataset = dataset.repeat(2).padded_batch(4, ([6], [], [2], [None], [1]))
it = dataset.make_one_shot_iterator()
nxt = it.get_next()
print(nxt)
with tf.Session() as sess:
    n = 0
    try:
        while True:
            im, la, w, t, a = sess.run(nxt)
            n += 1
            print(la, "%.4f" % im.sum(), w.ravel(), t.shape, a.ravel())
    except tf.errors.OutOfRangeError:
        print("end", n)
# queue way
fq = tf.train.string_input_producer([fn], num_epochs=1)
reader = tf.TFRecordReader()
_, ser = reader.read(fq)
f = tf.parse_single_example(
    ser,
    features={
        "image_raw": tf.FixedLenFeature([], tf.string),
        "label": tf.FixedLenFeature([], tf.int64),
        "height": tf.FixedLenFeature([], tf.int64),
    },
)
image = tf.reshape(tf.decode_raw(f["image_raw"], tf.uint8), tf.stack([tf.cast(f["height"], tf.int32), 2]))
image = tf.reshape(image, [3, 2])
ims, labs = tf.train.batch([image, f["label"]], batch_size=3)
sers = [
    tf.train.Example(
        features=tf.train.Features(
            feature={
                "a": _floats([1.0, 2.0]),
                "s": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x", b"yy"])),
            }
        )
    ).SerializeToString()
    for _ in range(2)
]
pe = tf.parse_example(sers, {"a": tf.FixedLenFeature((2,), tf.float32), "s": tf.VarLenFeature(tf.string)})
seq = tf.train.SequenceExample(
    context=tf.train.Features(feature={"n": _int64_feature(3)}),
    feature_lists=tf.train.FeatureLists(
        feature_list={"tok": tf.train.FeatureList(feature=[_int64_feature(q) for q in (4, 5, 6)])}
    ),
).SerializeToString()
ctx, sq = tf.parse_single_sequence_example(
    seq,
    context_features={"n": tf.FixedLenFeature([], tf.int64)},
    sequence_features={"tok": tf.FixedLenSequenceFeature([], tf.int64)},
)
with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    coord = tf.train.Coordinator()
    th = tf.train.start_queue_runners(coord=coord, sess=sess)
    for _ in range(2):
        i, l = sess.run([ims, labs])
        print(l, i[0], i.dtype, np.array_equal(i, np.array(raws)[l]))
    coord.request_stop()
    coord.join(th)
    p = sess.run(pe)
    print(p["a"], p["s"].values, p["s"].indices.tolist(), p["s"].dense_shape)
    print(sess.run([ctx, sq]))
    try:
        sess.run(tf.parse_single_example(sers[0], {"zz": tf.FixedLenFeature([], tf.float32)}))
    except tf.errors.InvalidArgumentError as e:
        print("zz" in str(e), "required but could not be found" in str(e))
print(example.features.feature["label"])
