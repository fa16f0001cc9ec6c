# cifar10_input.py: binary records, a queue of files, shuffled batches; tf.train.Coordinator
import os
import tempfile

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)
d = tempfile.mkdtemp()
for k in range(2):
    with open(os.path.join(d, "data_batch_%d.bin" % (k + 1)), "wb") as f:
        for i in range(10):
            f.write(bytes([k * 10 + i]) + rng.randint(0, 255, 3 * 4 * 4, dtype=np.uint8).tobytes())
IMAGE = 4


def read_cifar10(filename_queue):
    class CIFAR10Record:
        pass

    result = CIFAR10Record()
    label_bytes = 1
    result.height = IMAGE
    result.width = IMAGE
    result.depth = 3
    image_bytes = result.height * result.width * result.depth
    record_bytes = label_bytes + image_bytes
    reader = tf.FixedLengthRecordReader(record_bytes=record_bytes)
    result.key, value = reader.read(filename_queue)
    record_bytes = tf.decode_raw(value, tf.uint8)
    result.label = tf.cast(tf.strided_slice(record_bytes, [0], [label_bytes]), tf.int32)
    depth_major = tf.reshape(
        tf.strided_slice(record_bytes, [label_bytes], [label_bytes + image_bytes]),
        [result.depth, result.height, result.width],
    )
    result.uint8image = tf.transpose(depth_major, [1, 2, 0])
    return result, reader


filenames = [os.path.join(d, "data_batch_%d.bin" % i) for i in range(1, 3)]
for f in filenames:
    if not tf.gfile.Exists(f):
        raise ValueError("Failed to find file: " + f)
filename_queue = tf.train.string_input_producer(filenames, shuffle=False, num_epochs=1)
read_input, reader = read_cifar10(filename_queue)
reshaped_image = tf.cast(read_input.uint8image, tf.float32)
resized = tf.image.resize_image_with_crop_or_pad(reshaped_image, 3, 3)
float_image = tf.image.per_image_standardization(resized)
float_image.set_shape([3, 3, 3])
read_input.label.set_shape([1])
images, label_batch, keys = tf.train.batch(
    [float_image, read_input.label, read_input.key], batch_size=4, num_threads=1, capacity=20
)
labels = tf.reshape(label_batch, [4])
tf.summary.image("images", images)
print(images, labels)
with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess=sess, coord=coord)
    try:
        n = 0
        while not coord.should_stop():
            im, la, ke = sess.run([images, labels, keys])
            print(la, im.shape, "%.4f" % np.abs(im).sum(), [os.path.basename(x.decode()) for x in ke])
            n += 1
    except tf.errors.OutOfRangeError:
        print("Done training -- epoch limit reached", n)
    finally:
        coord.request_stop()
    coord.join(threads)
    print(sess.run(reader.num_records_produced()), sess.run(reader.num_work_units_completed()))
# text lines, csv, whole files
tf.reset_default_graph()
for k in range(2):
    with open(os.path.join(d, "f%d.csv" % k), "w") as f:
        f.write("sbp,tobacco,famhist,chd\n")
        for i in range(3):
            f.write("%d,%.1f,%s,%d\n" % (100 * k + i, i * 0.5, "Present" if i % 2 else "Absent", i % 2))
fq = tf.train.string_input_producer([os.path.join(d, "f%d.csv" % k) for k in range(2)], shuffle=False)
reader = tf.TextLineReader(skip_header_lines=1)
key, value = reader.read(fq)
content = tf.decode_csv(value, record_defaults=[[1.0], [0.0], [""], tf.constant([], dtype=tf.int32)])
content[2] = tf.to_float(tf.equal(content[2], tf.constant("Present")))
features = tf.stack(content[:3])
label = content[-1]
xb, yb, kb = tf.train.shuffle_batch(
    [features, label, key], batch_size=6, capacity=30, min_after_dequeue=12, seed=1
)
wq = tf.train.string_input_producer(tf.train.match_filenames_once(os.path.join(d, "*.csv")), shuffle=False)
wr = tf.WholeFileReader()
wk, wv = wr.read(wq)
with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(coord=coord)
    a, b, c = sess.run([xb, yb, kb])
    print(
        a.shape,
        b.shape,
        a.dtype,
        b.dtype,
        sorted(set(bytes(q).split(b":")[-1] for q in c)) <= [b"2", b"3", b"4"],
    )
    k1, v1 = sess.run([wk, wv])
    print(os.path.basename(k1), len(v1), v1[:14])
    coord.request_stop()
    coord.join(threads)
