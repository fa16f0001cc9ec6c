"""The older parts that tutorials import: ``tf.contrib``, the MNIST reader; and what is said of parts that are not here."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf
from rushlight.compat.tensorflow.contrib import slim
from rushlight.compat.tensorflow.examples.tutorials.mnist import input_data


def names(variables: list[tf.Variable]) -> list[str]:
    return [variable.name for variable in variables]


def test_fully_connected_and_its_scopes() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([[1.0, -2.0]])
        with slim.arg_scope([slim.fully_connected], weights_initializer=tf.ones_initializer()):
            a = slim.fully_connected(x, 3, scope="fc1")
            b = slim.fully_connected(x, 2, activation_fn=None, biases_initializer=None, scope="fc2")
        c = tf.contrib.layers.fully_connected(x, 4)
        session.run(tf.global_variables_initializer())
        assert session.run(a).tolist() == [[0.0, 0.0, 0.0]]
        assert session.run(b).tolist() == [[-1.0, -1.0]]
        assert c.shape.as_list() == [1, 4]
        assert names(tf.trainable_variables()) == [
            "fc1/weights:0", "fc1/biases:0", "fc2/weights:0",
            "fully_connected/weights:0", "fully_connected/biases:0",
        ]  # fmt: skip


def test_convolution_pooling_and_batch_norm() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 8, 8, 2])
        net = slim.conv2d(x, 4, [3, 3], normalizer_fn=slim.batch_norm, scope="conv1")
        net = slim.max_pool2d(net, [2, 2])
        net = slim.dropout(slim.flatten(net), 0.5, is_training=False)
        assert net.shape.as_list() == [None, 64]
        assert names(tf.trainable_variables()) == ["conv1/weights:0", "conv1/BatchNorm/beta:0"]
        assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2
        session.run(tf.global_variables_initializer())
        assert session.run(net, {x: np.ones((3, 8, 8, 2))}).shape == (3, 64)


def test_batch_norm_that_updates_in_place() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([[0.0], [4.0]])
        y = tf.contrib.layers.batch_norm(x, decay=0.5, updates_collections=None, scope="bn")
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(y), [[-1.0], [1.0]], rtol=1e-3)
        assert session.run("bn/moving_mean:0").tolist() == [1.0]
        assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []


def test_penalties() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable([3.0, -4.0])
        session.run(w.initializer)
        layers = tf.contrib.layers
        assert session.run(layers.l2_regularizer(0.1)(w)) == pytest.approx(1.25)
        assert session.run(layers.l1_regularizer(0.1)(w)) == pytest.approx(0.7)
        assert session.run(layers.l1_l2_regularizer(0.1, 0.1)(w)) == pytest.approx(1.95)
        total = layers.apply_regularization(layers.l2_regularizer(0.5), [w, w])
        assert session.run(total) == pytest.approx(12.5)
        assert tf.losses.get_regularization_losses() == [total]
        with pytest.raises(ValueError, match="scale cannot be an integer"):
            layers.l2_regularizer(1)


def test_optimize_loss() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable(2.0)
        step = tf.train.get_or_create_global_step()
        loss = tf.contrib.layers.optimize_loss(w * w, step, 0.25, "SGD")
        session.run(tf.global_variables_initializer())
        assert session.run(loss) == 4.0
        assert session.run([w, step]) == [1.0, 1]


def test_sequence_loss() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        logits, targets = tf.zeros([2, 3, 4]), tf.constant([[0, 1, 2], [3, 0, 0]])
        weights = tf.constant([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
        loss = tf.contrib.seq2seq.sequence_loss(logits, targets, weights)
        assert session.run(loss) == pytest.approx(np.log(4.0), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("keras", "tf.layers"),
        ("saved_model", "tf.train.Saver"),
        ("GradientTape", "tf.gradients"),
        ("RaggedTensor", "padded_batch"),
        ("no_such_thing", "tensorflow1.md"),
    ],
)
def test_missing_parts_say_what_to_use(name: str, advice: str) -> None:
    with pytest.raises(AttributeError, match=advice) as caught:
        getattr(tf, name)
    assert f"no attribute '{name}'" in str(caught.value)
    assert not hasattr(tf, name)


def write_mnist(folder: Path) -> None:
    for name, count in (("train", 60), ("t10k", 10)):
        images = np.arange(count * 784, dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        with gzip.open(folder / f"{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes())
        with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, count) + labels.tobytes())


def test_mnist_files_are_read(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    mnist = input_data.read_data_sets(str(tmp_path), one_hot=True, validation_size=10)
    assert [part.num_examples for part in mnist] == [50, 10, 10]
    assert mnist.train.images.shape == (50, 784)
    assert mnist.train.images.dtype == np.float32
    assert mnist.test.images[0, 255] == 1.0
    seen = [mnist.train.next_batch(20) for _ in range(5)]
    assert all(images.shape == (20, 784) and labels.shape == (20, 10) for images, labels in seen)
    assert mnist.train.epochs_completed == 1
    first = np.concatenate([seen[0][1], seen[1][1], seen[2][1][:10]]).sum(0)
    assert first.tolist() == [5.0] * 10  # every image once before any comes again


def test_mnist_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing is downloaded"):
        input_data.read_data_sets(str(tmp_path))
    fake = input_data.read_data_sets(str(tmp_path), fake_data=True, one_hot=True)
    assert fake.train.next_batch(7)[0].shape == (7, 784)


def test_a_graph_of_another_process_is_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "model.meta"
    path.write_text("{}")
    with pytest.raises(NotImplementedError, match="another process"):
        tf.train.import_meta_graph(str(path))
    with pytest.raises(OSError, match="does not exist"):
        tf.train.import_meta_graph(str(tmp_path / "none.meta"))


def test_custom_gradient() -> None:
    @tf.custom_gradient
    def clipped(x: tf.Tensor) -> tuple[tf.Tensor, object]:
        return tf.identity(x), lambda dy: tf.clip_by_norm(dy, 0.5)

    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([3.0, 4.0])
        found = session.run(tf.gradients(tf.reduce_sum(clipped(x) ** 2.0), x))
        np.testing.assert_allclose(found, [[0.3, 0.4]], rtol=1e-6)


def test_stop_gradients() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(3.0)
        square = x * x
        # From TensorFlow: d(square · x)/dx with square held, and d(square + x)/dx with x held.
        assert session.run(tf.gradients(square * x, x, stop_gradients=[square])) == [9.0]
        a, b = tf.constant(0.0), 2 * tf.constant(0.0)
        assert session.run(tf.gradients(a + b, [a, b], stop_gradients=[a, b])) == [1.0, 1.0]
