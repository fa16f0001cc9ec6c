"""Whole programs, as ``rushlight run`` runs them: ``import tensorflow`` finds the façade."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np


def run_program(source: str, tmp_path: Path, *arguments: str) -> str:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "rushlight", "run", str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_form_of_import(tmp_path: Path) -> None:
    printed = run_program(
        """
        import tensorflow as tf
        import tensorflow.compat.v1 as v1
        from tensorflow.compat import v1 as again
        from tensorflow.contrib import rnn
        from tensorflow.contrib.layers import fully_connected
        import tensorflow.nn
        import torch
        v1.disable_v2_behavior()
        print(tf.__name__, tf is v1 is again, tf.compat.v1 is tf, torch.__name__)
        print(rnn.BasicLSTMCell is tf.nn.rnn_cell.BasicLSTMCell, tf.__version__.startswith("1."))
        try:
            import tensorflow.nothing
        except ModuleNotFoundError as error:
            print(error)
        """,
        tmp_path,
    )
    assert printed.splitlines() == [
        "rushlight.compat.tensorflow True True torch",
        "True True",
        "No module named 'tensorflow.nothing': Rushlight does not have it",
    ]


def test_the_static_graph_tutorial(tmp_path: Path) -> None:
    """The two-layer net of the tutorials, written as it is everywhere, against the same steps in NumPy."""
    printed = run_program(
        """
        import tensorflow as tf
        import numpy as np

        np.random.seed(0)
        N, D_in, H, D_out = 8, 10, 6, 3
        x = tf.placeholder(tf.float32, shape=(None, D_in))
        y = tf.placeholder(tf.float32, shape=(None, D_out))
        start = np.random.randn(D_in, H), np.random.randn(H, D_out)
        w1 = tf.Variable(start[0].astype(np.float32))
        w2 = tf.Variable(start[1].astype(np.float32))
        h = tf.matmul(x, w1)
        h_relu = tf.maximum(h, tf.zeros(1))
        y_pred = tf.matmul(h_relu, w2)
        loss = tf.reduce_sum((y - y_pred) ** 2.0)
        grad_w1, grad_w2 = tf.gradients(loss, [w1, w2])
        learning_rate = 1e-3
        new_w1 = w1.assign(w1 - learning_rate * grad_w1)
        new_w2 = w2.assign(w2 - learning_rate * grad_w2)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            x_value, y_value = np.random.randn(N, D_in), np.random.randn(N, D_out)
            for _ in range(5):
                loss_value, _, _ = sess.run([loss, new_w1, new_w2], feed_dict={x: x_value, y: y_value})
                print(loss_value)
        """,
        tmp_path,
    )
    random = np.random.RandomState(0)
    w1, w2 = random.randn(10, 6), random.randn(6, 3)
    x, y = random.randn(8, 10), random.randn(8, 3)
    expected = []
    for _ in range(5):
        h = x @ w1
        d = np.maximum(h, 0) @ w2 - y
        expected.append((d**2).sum())
        slope = 2 * d @ w2.T * (h > 0)
        w2 = w2 - 1e-3 * np.maximum(h, 0).T @ (2 * d)
        w1 = w1 - 1e-3 * x.T @ slope
    np.testing.assert_allclose([float(line) for line in printed.split()], expected, rtol=1e-4)


def test_a_classifier_with_everything_around_it(tmp_path: Path) -> None:
    """Flags, layers, Adam with a decaying rate, dropout, accuracy, summaries, checkpoints, ``tf.app.run``."""
    printed = run_program(
        """
        import os
        import numpy as np
        import tensorflow as tf

        flags = tf.app.flags
        flags.DEFINE_integer("steps", 10, "how many")
        flags.DEFINE_string("out", "out", "where")
        flags.DEFINE_boolean("quiet", False, "say nothing")
        FLAGS = flags.FLAGS

        def main(argv):
            tf.logging.set_verbosity(tf.logging.ERROR)
            tf.set_random_seed(1)
            rng = np.random.RandomState(0)
            data = rng.randn(64, 8, 8, 1).astype("float32")
            labels = (data.mean((1, 2, 3)) > 0).astype("int64")
            x = tf.placeholder(tf.float32, [None, 8, 8, 1], name="x")
            y = tf.placeholder(tf.int64, [None], name="y")
            training = tf.placeholder_with_default(False, [])
            h = tf.layers.conv2d(x, 4, 3, padding="same", activation=tf.nn.relu)
            h = tf.layers.max_pooling2d(h, 2, 2)
            h = tf.layers.dropout(tf.layers.flatten(h), 0.2, training=training)
            logits = tf.layers.dense(h, 2)
            loss = tf.losses.sparse_softmax_cross_entropy(labels=y, logits=logits)
            correct = tf.equal(tf.argmax(logits, 1), y)
            accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
            global_step = tf.train.get_or_create_global_step()
            rate = tf.train.exponential_decay(0.02, global_step, 100, 0.5)
            train_op = tf.train.AdamOptimizer(rate).minimize(loss, global_step=global_step)
            tf.summary.scalar("loss", loss)
            merged = tf.summary.merge_all()
            saver = tf.train.Saver()
            with tf.Session() as sess:
                sess.run(tf.global_variables_initializer())
                writer = tf.summary.FileWriter(FLAGS.out, sess.graph)
                for step in range(FLAGS.steps):
                    _, summary = sess.run([train_op, merged], {x: data, y: labels, training: True})
                    writer.add_summary(summary, step)
                writer.close()
                path = saver.save(sess, os.path.join(FLAGS.out, "model"), global_step)
                before = sess.run(accuracy, {x: data, y: labels})
            with tf.Session() as sess:
                saver.restore(sess, tf.train.latest_checkpoint(FLAGS.out))
                assert sess.run(accuracy, {x: data, y: labels}) == before
                print(sess.run(global_step), before > 0.9, path, FLAGS.quiet, argv[1:])

        if __name__ == "__main__":
            tf.app.run()
        """,
        tmp_path,
        "--steps=60",
        "--out",
        ".",
        "--quiet",
        "rest",
    )
    assert printed == "60 True ./model-60 True ['rest']\n"


def test_install_refuses_beside_real_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("")
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import tensorflow
            from rushlight.compat import alias
            try:
                alias.install()
            except RuntimeError as error:
                print(error)
            print(alias.is_installed())
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=True
    )
    message, installed = done.stdout.splitlines()
    assert message.startswith("install: 'tensorflow' is already imported in this process, from ")
    assert "the first `import tensorflow`" in message and installed == "False"
