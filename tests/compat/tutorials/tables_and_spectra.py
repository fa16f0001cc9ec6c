"""Tables of words, short-time Fourier transforms, patches and colors of images, image files, modules of tensorflow.python."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import array_ops, control_flow_ops, lookup_ops, math_ops
from tensorflow.python.training import moving_averages

words = os.path.join(tempfile.mkdtemp(), "words.txt")
with open(words, "w") as file:
    file.write("a\nb\nc\n")
table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["x", "y"], [10, 20]), -1)
numbers = lookup_ops.index_table_from_file(words, default_value=0)
back = lookup_ops.index_to_string_table_from_file(words, default_value="<unk>")
asked = tf.placeholder(tf.string, [None])
ids = numbers.lookup(asked)
data = tf.data.Dataset.from_tensor_slices([["a", "c"], ["q", "b"]]).map(lambda row: numbers.lookup(row))
iterator = data.make_initializable_iterator()
row = iterator.get_next()
with tf.Session() as session:
    try:
        session.run(ids, {asked: ["a"]})
    except tf.errors.FailedPreconditionError as error:
        print("Table not initialized." in str(error))
    session.run(tf.tables_initializer())
    session.run(iterator.initializer)
    for _ in range(3):
        print(
            session.run(
                [ids, back.lookup(ids), table.lookup(tf.constant([["y", "n"]]))], {asked: ["a", "c", "z"]}
            )
        )
    print(session.run(row), session.run(row), session.run(table.size()), session.run(numbers.size()))
    print(session.run(back.lookup(tf.constant([0, 2, 7], tf.int64))))
print(table.key_dtype, table.value_dtype, ids.shape, ids.dtype)

rng = np.random.RandomState(0)
x = tf.constant(rng.randn(2, 100).astype("f"))
session = tf.Session()


def show(*tensors):
    for value, tensor in zip(session.run(list(tensors)), tensors):
        print(value.shape, tensor.shape, float(np.abs(value.astype("d")).sum()), value.ravel()[:4].tolist())


signal = tf.signal
show(
    signal.hann_window(8),
    signal.hamming_window(7),
    signal.hann_window(7, periodic=False),
    signal.hann_window(9),
)
show(signal.frame(x, 10, 4), signal.frame(x, 10, 4, pad_end=True, pad_value=2), signal.frame(x, 1, 3, axis=0))
spectrum = signal.stft(x, 16, 8)
show(tf.abs(spectrum), tf.abs(signal.stft(x, 10, 5, 20, pad_end=True)))
show(signal.inverse_stft(spectrum, 16, 8, window_fn=signal.inverse_stft_window_fn(8)))
show(signal.overlap_and_add(tf.constant(rng.randn(2, 5, 6)), 3))
for kind, norm in ((1, None), (2, None), (2, "ortho"), (3, None), (3, "ortho")):
    show(signal.dct(x, kind, norm=norm), signal.idct(x, kind, norm=norm))
show(signal.linear_to_mel_weight_matrix(20, 33, 8000), signal.mfccs_from_log_mel_spectrograms(x))
show(tf.gradients(tf.reduce_sum(tf.square(tf.abs(spectrum))), x)[0])

images = tf.constant(rng.rand(2, 7, 8, 3).astype("f"))
image = tf.image
show(image.rgb_to_yuv(images), image.yuv_to_rgb(images), image.rgb_to_yiq(images), image.yiq_to_rgb(images))
for padding in ("SAME", "VALID"):
    for step, rate in ((1, 1), (2, 1), (1, 2)):
        show(
            image.extract_image_patches(images, [1, 3, 2, 1], [1, step, step, 1], [1, rate, rate, 1], padding)
        )
whole = tf.constant(np.arange(32).reshape(1, 4, 4, 2))
show(tf.extract_image_patches(whole, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME"))
show(image.draw_bounding_boxes(images, tf.constant([[[0.1, 0.2, 0.7, 0.9], [0.5, 0.5, 2.0, 2.0]]] * 2)))
show(image.resize_image_with_pad(images, 14, 10))
pixels = tf.constant(rng.randint(0, 255, (6, 5, 3)).astype(np.uint8))
png = image.encode_png(pixels)
show(image.decode_png(png), image.decode_png(png, channels=1), image.decode_png(png, channels=4))
print(image.decode_image(png).shape, image.decode_png(png, channels=3).shape)
try:
    session.run(image.decode_jpeg(tf.constant(b"no image")))
except tf.errors.InvalidArgumentError:
    print("InvalidArgumentError")
print(session.run(image.decode_jpeg(image.encode_jpeg(pixels))).shape)

variable = tf.Variable([0.0, 0.0])
value = ops.convert_to_tensor([1.0, 2.0])
average = moving_averages.assign_moving_average(variable, value, 0.9)
after = control_flow_ops.with_dependencies([average], math_ops.add(value, array_ops.ones_like(value)))
session.run(tf.global_variables_initializer())
print(session.run(average), session.run(after), session.run(variable))
print([found.name for found in tf.global_variables()])

# A split into one part, and an unstacked axis of one: what a model of one time step does.
one = tf.constant([[1.0, 2.0]])
print(session.run(tf.split(one, 1, 1)), session.run(tf.unstack(one)))

cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(2), tf.nn.rnn_cell.BasicLSTMCell(2)])
state = cell.zero_state(1, tf.float32)
total = tf.add_n([part for pair in state for part in pair])
given = tuple(
    tf.nn.rnn_cell.LSTMStateTuple(np.full((1, 2), i + 1.0), np.full((1, 2), i + 0.5)) for i in range(2)
)
print(session.run(total, {state: given}))
try:
    session.run(total, {state: given[:1]})
except ValueError as error:
    print(str(error)[:60])
