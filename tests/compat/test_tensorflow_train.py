"""tf.train and tf.summary: optimizers against NumPy, schedules, checkpoints, event files."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


START = np.array([1.0, -2.0, 0.5])
TARGET = np.array([0.5, 1.0, -1.0])


def slope(w):
    return 2 * (w - TARGET) * np.array([1.0, 0.1, 3.0])


def trained(optimizer, steps: int = 5):
    w = tf.Variable(START, dtype=tf.float64, name="w")
    loss = tf.reduce_sum((w - TARGET) ** 2.0 * np.array([1.0, 0.1, 3.0]))
    step = optimizer.minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(step)
        return session.run(w)


def test_gradient_descent() -> None:
    w = START.copy()
    for _ in range(5):
        w -= 0.1 * slope(w)
    np.testing.assert_allclose(trained(tf.train.GradientDescentOptimizer(0.1)), w, rtol=1e-7)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov: bool) -> None:
    w, a = START.copy(), np.zeros(3)
    for _ in range(5):
        g = slope(w)
        a = 0.9 * a + g
        w -= 0.1 * (g + 0.9 * a) if nesterov else 0.1 * a
    np.testing.assert_allclose(
        trained(tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=nesterov)), w, rtol=1e-6
    )


def test_adam_adds_epsilon_to_the_uncorrected_root() -> None:
    w, m, v = START.copy(), np.zeros(3), np.zeros(3)
    for t in range(1, 6):
        g = slope(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-3)
    # The powers of the betas are float32 variables, as in TensorFlow: 1 - 0.999 is off by 1e-5 of itself.
    np.testing.assert_allclose(trained(tf.train.AdamOptimizer(0.1, epsilon=1e-3)), w, rtol=1e-5, atol=5e-6)


def test_adagrad_begins_at_a_tenth() -> None:
    w, a = START.copy(), np.full(3, 0.1)
    for _ in range(5):
        g = slope(w)
        a += g * g
        w -= 0.1 * g / np.sqrt(a)
    np.testing.assert_allclose(trained(tf.train.AdagradOptimizer(0.1)), w, rtol=1e-6)


@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_begins_at_one_and_has_epsilon_inside_the_root(centered: bool) -> None:
    w, s, m, mean = START.copy(), np.ones(3), np.zeros(3), np.zeros(3)
    for _ in range(5):
        g = slope(w)
        s = 0.9 * s + 0.1 * g * g
        mean = 0.9 * mean + 0.1 * g
        m = 0.5 * m + 0.1 * g / np.sqrt(s - (mean**2 if centered else 0) + 1e-10)
        w -= m
    np.testing.assert_allclose(
        trained(tf.train.RMSPropOptimizer(0.1, momentum=0.5, centered=centered)), w, rtol=1e-6
    )


def test_adadelta() -> None:
    w, a, u = START.copy(), np.zeros(3), np.zeros(3)
    for _ in range(5):
        g = slope(w)
        a = 0.95 * a + 0.05 * g * g
        d = g * np.sqrt(u + 1e-8) / np.sqrt(a + 1e-8)
        u = 0.95 * u + 0.05 * d * d
        w -= 1.0 * d
    np.testing.assert_allclose(trained(tf.train.AdadeltaOptimizer(1.0)), w, rtol=1e-6)


def test_ftrl() -> None:
    w, a, z = START.copy(), np.full(3, 0.1), np.zeros(3)
    for _ in range(5):
        g = slope(w)
        new = a + g * g
        z += g - (np.sqrt(new) - np.sqrt(a)) / 0.1 * w
        w = (np.clip(z, -0.01, 0.01) - z) / (np.sqrt(new) / 0.1 + 2 * 0.02)
        a = new
    found = trained(
        tf.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02)
    )
    np.testing.assert_allclose(found, w, rtol=1e-5)


def test_names_of_what_optimizers_make() -> None:
    w = tf.Variable(1.0, name="w")
    tf.train.AdamOptimizer().minimize(w * w)
    tf.train.MomentumOptimizer(0.1, 0.9).minimize(w * w)
    names = [v.name for v in tf.global_variables()]
    assert names == ["w:0", "beta1_power:0", "beta2_power:0", "w/Adam:0", "w/Adam_1:0", "w/Momentum:0"]
    assert tf.trainable_variables() == [w]


def test_global_step_and_clipped_gradients() -> None:
    w = tf.Variable(3.0)
    steps = tf.train.get_or_create_global_step()
    assert tf.train.get_or_create_global_step() is steps and steps.dtype is tf.int64
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    pairs = optimizer.compute_gradients(w * w)
    step = optimizer.apply_gradients(
        [(tf.clip_by_value(g, -1.0, 1.0), v) for g, v in pairs], global_step=steps
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([step, step]) == [None, None]
        assert session.run([w, steps]) == [2.0, 1] and tf.train.global_step(session, steps) == 1


def test_errors_of_optimizers() -> None:
    w = tf.Variable(1.0)
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    with pytest.raises(ValueError, match="No gradients provided for any variable, check your graph"):
        optimizer.minimize(tf.constant(1.0) * 2.0)
    with pytest.raises(ValueError, match="No variables provided"):
        optimizer.apply_gradients([])
    with pytest.raises(TypeError, match=r"must be a tf.Variable"):
        optimizer.apply_gradients([(tf.constant(1.0), tf.constant(1.0))])
    with pytest.raises(ValueError, match="No variables to optimize"):
        optimizer.minimize(w * w, var_list=[])
    other = tf.Variable(1.0)
    assert optimizer.compute_gradients(w * w, [w, other])[1][0] is None


def test_schedules() -> None:
    step = tf.placeholder(tf.int64, [])
    rates = {
        "exponential": (tf.train.exponential_decay(0.5, step, 10, 0.9), lambda s: 0.5 * 0.9 ** (s / 10)),
        "stairs": (tf.train.exponential_decay(0.5, step, 10, 0.9, staircase=True), lambda s: 0.5 * 0.9 ** (s // 10)),
        "natural": (tf.train.natural_exp_decay(0.5, step, 10, 0.9), lambda s: 0.5 * np.exp(-0.9 * s / 10)),
        "inverse": (tf.train.inverse_time_decay(0.5, step, 10, 0.9), lambda s: 0.5 / (1 + 0.9 * s / 10)),
        "polynomial": (
            tf.train.polynomial_decay(0.5, step, 20, 0.1, 2.0), lambda s: 0.4 * (1 - min(s, 20) / 20) ** 2 + 0.1,
        ),
        "cosine": (tf.train.cosine_decay(0.5, step, 20), lambda s: 0.25 * (1 + np.cos(np.pi * min(s, 20) / 20))),
        "pieces": (
            tf.train.piecewise_constant(step, [10, 20], [1.0, 0.5, 0.1]), lambda s: 1.0 if s <= 10 else 0.5 if s <= 20 else 0.1,
        ),
    }  # fmt: skip
    with tf.Session() as session:
        for name, (rate, expected) in rates.items():
            for s in (0, 5, 10, 11, 25):
                np.testing.assert_allclose(
                    session.run(rate, {step: s}), expected(s), rtol=1e-5, atol=1e-7, err_msg=name
                )
    assert tf.train.ExponentialDecay is tf.train.exponential_decay


def test_a_rate_that_decays_while_training() -> None:
    w = tf.Variable(0.0)
    steps = tf.Variable(0, trainable=False)
    rate = tf.train.exponential_decay(1.0, steps, 1, 0.5)
    step = tf.train.GradientDescentOptimizer(rate).minimize(-w, global_step=steps)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(4):
            session.run(step)
        assert session.run(w) == 1 + 0.5 + 0.25 + 0.125


def test_moving_averages() -> None:
    w = tf.Variable(1.0, name="w")
    averages = tf.train.ExponentialMovingAverage(0.9)
    update = averages.apply([w])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(w.assign(2.0))
        session.run(update)
        np.testing.assert_allclose(session.run(averages.average(w)), 0.9 * 1 + 0.1 * 2, rtol=1e-6)
    assert averages.average_name(w) == "w/ExponentialMovingAverage"
    assert "w/ExponentialMovingAverage" in averages.variables_to_restore()


# --- checkpoints --------------------------------------------------------------------------------------------------------


def test_saving_and_restoring(tmp_path: Path) -> None:
    a = tf.Variable([1.0, 2.0], name="a")
    b = tf.get_variable("scope/b", initializer=tf.constant(3))
    half = tf.Variable(tf.constant(0.25, tf.bfloat16), name="half")
    saver = tf.train.Saver()
    prefix = str(tmp_path / "model.ckpt")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert saver.save(session, prefix) == prefix
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint", "model.ckpt.data-00000-of-00001", "model.ckpt.index", "model.ckpt.meta",
    ]  # fmt: skip
    with tf.Session() as session:
        saver.restore(session, prefix)  # without any initialisation
        assert session.run(a).tolist() == [1, 2] and session.run([b, tf.cast(half, tf.float32)]) == [3, 0.25]
    assert dict(tf.train.list_variables(str(tmp_path))) == {"a": [2], "half": [], "scope/b": []}
    assert tf.train.load_variable(prefix, "a").tolist() == [1, 2]


def test_only_the_latest_checkpoints_are_kept(tmp_path: Path) -> None:
    w = tf.Variable(1.0)
    saver = tf.train.Saver(max_to_keep=2)
    assert tf.train.latest_checkpoint(str(tmp_path)) is None
    with tf.Session() as session:
        session.run(w.initializer)
        paths = [saver.save(session, str(tmp_path / "m"), global_step=step) for step in (1, 2, 3)]
    assert [tf.train.checkpoint_exists(path) for path in paths] == [False, True, True]
    assert tf.train.latest_checkpoint(str(tmp_path)) == paths[-1] == str(tmp_path / "m-3")
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert state is not None and state.all_model_checkpoint_paths == paths[1:] == saver.last_checkpoints
    text = (tmp_path / "checkpoint").read_text()
    assert text.startswith(f'model_checkpoint_path: "{paths[-1]}"\n')


def test_a_relative_path_stays_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = tf.Variable(1.0)
    monkeypatch.chdir(tmp_path)
    os.mkdir("out")
    with tf.Session() as session:
        session.run(w.initializer)
        tf.train.Saver().save(session, "out/m", global_step=4)
        tf.train.Saver().save(session, "alone")
    assert (tmp_path / "out" / "checkpoint").read_text().splitlines()[0] == 'model_checkpoint_path: "m-4"'
    assert tf.train.latest_checkpoint("out") == "out/m-4" and tf.train.latest_checkpoint(".") == "./alone"


def test_errors_of_savers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No variables to save"):
        tf.train.Saver()
    w = tf.Variable([1.0, 2.0], name="w")
    saver = tf.train.Saver()
    prefix = str(tmp_path / "m")
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError):
            saver.save(session, prefix)
        assert list(tmp_path.iterdir()) == []
        session.run(w.initializer)
        with pytest.raises(ValueError, match=r"Parent directory of .* doesn't exist, can't save."):
            saver.save(session, str(tmp_path / "none" / "m"))
        with pytest.raises(ValueError, match="The passed save_path is not a valid checkpoint"):
            saver.restore(session, prefix)
        with pytest.raises(ValueError, match="Can't load save_path when it is None"):
            saver.restore(session, None)
        saver.save(session, prefix)
    with tf.Graph().as_default(), tf.Session() as session:
        good = tf.Variable([0.0, 0.0], name="w")
        missing = tf.Variable(0.0, name="u")
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.NotFoundError, match="Key u not found in checkpoint"):
            tf.train.Saver().restore(session, prefix)
        assert session.run(good).tolist() == [0, 0]  # nothing was changed
        tf.train.Saver({"w": good}).restore(session, prefix)
        assert session.run(good).tolist() == [1, 2]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"lhs shape= \[\] rhs shape= \[2\]"):
            tf.train.Saver({"w": missing}).restore(session, prefix)
        with pytest.raises(ValueError, match="At least two variables have the same name"):
            tf.train.Saver([good, _Renamed.of(good)])
        data = tmp_path / "m.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:40])
        with pytest.raises(tf.errors.DataLossError, match="Unable to read the checkpoint"):
            tf.train.Saver({"w": good}).restore(session, prefix)


class _Renamed(tf.Variable):
    """A second variable with the name of a first."""

    @classmethod
    def of(cls, other: tf.Variable) -> tf.Variable:
        made = cls(1.0)
        made.op = other.op
        return made


# --- event files --------------------------------------------------------------------------------------------------------


def crc32c(data: bytes) -> int:
    """Bit by bit, unlike the writer's table."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def unmasked(value: int) -> int:
    value = (value - 0xA282EAD8) % 2**32
    return (value >> 17 | value << 15) % 2**32


def records(path: Path) -> list[bytes]:
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12 : 12 + length]
        assert unmasked(struct.unpack("<I", data[8:12])[0]) == crc32c(data[:8])
        assert unmasked(struct.unpack("<I", data[12 + length : 16 + length])[0]) == crc32c(body)
        found.append(body)
        data = data[16 + length :]
    return found


def fields(message: bytes) -> dict[int, list]:
    """A protocol-buffer message as its fields' raw values."""
    found: dict[int, list] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        else:
            size = {1: 8, 5: 4}.get(kind) or varint()
            value = message[at : at + size]
            at += size
        found.setdefault(key >> 3, []).append(value)
    return found


def test_scalars_in_event_files(tmp_path: Path) -> None:
    x = tf.placeholder(tf.float32, [])
    with tf.name_scope("train"):
        tf.summary.scalar("loss", x)
    tf.summary.scalar("a b!", x * 2.0)
    merged = tf.summary.merge_all()
    with tf.Session() as session, tf.summary.FileWriter(tmp_path / "logs", session.graph) as writer:
        for step in range(3):
            writer.add_summary(session.run(merged, {x: step + 0.5}), step)
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="hand", simple_value=1.5)]), 7)
    (path,) = (tmp_path / "logs").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    events = [fields(record) for record in records(path)]
    assert events[0][3] == [b"brain.Event:2"]
    nodes = [fields(node) for node in fields(events[1][4][0])[1]]
    assert {node[1][0].decode() for node in nodes} == {
        op.name for op in tf.get_default_graph().get_operations()
    }
    scalars = []
    for event in events[2:]:
        for value in fields(event[5][0])[1]:
            parts = fields(value)
            scalars.append((event[2][0], parts[1][0].decode(), struct.unpack("<f", parts[2][0])[0]))
    assert scalars == [
        (0, "train/loss", 0.5), (0, "a_b_", 1.0), (1, "train/loss", 1.5), (1, "a_b_", 3.0), (2, "train/loss", 2.5),
        (2, "a_b_", 5.0), (7, "hand", 1.5),
    ]  # fmt: skip


def test_histograms_in_event_files(tmp_path: Path) -> None:
    values = np.linspace(-1, 3, 101)
    summary = tf.summary.histogram("weights", tf.constant(values))
    with tf.Session() as session:
        (value,) = fields(session.run(summary))[1]
    message = fields(fields(value)[5][0])
    numbers = [struct.unpack("<d", message[i][0])[0] for i in range(1, 6)]
    np.testing.assert_allclose(numbers, [-1, 3, 101, values.sum(), (values**2).sum()])
    counts = np.frombuffer(message[7][0])
    assert counts.sum() == 101 and len(np.frombuffer(message[6][0])) == len(counts)


def test_the_real_reader_reads_event_files(tmp_path: Path) -> None:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    x = tf.placeholder(tf.float32, [])
    summary = tf.summary.scalar("loss", x)
    with tf.Session() as session, tf.summary.FileWriter(tmp_path, session.graph) as writer:
        for step in range(3):
            writer.add_summary(session.run(summary, {x: step / 2}), step)
    accumulator = loader.EventAccumulator(str(tmp_path))
    accumulator.Reload()
    assert [(event.step, event.value) for event in accumulator.Scalars("loss")] == [
        (0, 0.0),
        (1, 0.5),
        (2, 1.0),
    ]


def test_summaries_that_are_refused(tmp_path: Path) -> None:
    assert tf.summary.merge_all() is None
    wide = tf.summary.scalar("wide", tf.constant([1.0, 2.0]))
    with (
        tf.Session() as session,
        pytest.raises(tf.errors.InvalidArgumentError, match="tags and values not the same shape"),
    ):
        session.run(wide)
    with tf.summary.FileWriter(tmp_path) as writer, pytest.raises(TypeError, match="add_summary"):
        writer.add_summary(3.0)
