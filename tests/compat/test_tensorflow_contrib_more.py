"""``tf.contrib.legacy_seq2seq``, ``crf``, ``learn``, ``training``, ``opt`` and others; modules of ``tensorflow.python``."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf
from rushlight.compat.tensorflow.contrib import crf, legacy_seq2seq, rnn
from rushlight.compat.tensorflow.contrib.learn.preprocessing import VocabularyProcessor
from rushlight.compat.tensorflow.contrib.training import HParams

FACADE = "rushlight.compat.tensorflow"


@pytest.fixture(autouse=True)
def _fresh_graph() -> Any:
    tf.reset_default_graph()
    tf.set_random_seed(1)


def _names() -> list[str]:
    return [variable.op.name for variable in tf.trainable_variables()]


def _trained(loss: Any, feed: dict[Any, Any], steps: int = 40) -> tuple[float, float]:
    step = tf.train.AdamOptimizer(0.05).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = [float(session.run([loss, step], feed)[0]) for _ in range(steps)]
    return found[0], found[-1]


def test_basic_seq2seq_has_an_encoder_and_a_decoder_of_their_own() -> None:
    chance = np.random.default_rng(0)
    steps = [tf.placeholder(tf.float32, [None, 4]) for _ in range(5)]
    outputs, _ = legacy_seq2seq.basic_rnn_seq2seq(steps[:2], steps[2:], rnn.GRUCell(3))
    assert [output.shape.as_list() for output in outputs] == [[None, 3]] * 3
    assert [name for name in _names() if name.endswith("gates/kernel")] == [
        "basic_rnn_seq2seq/rnn/gru_cell/gates/kernel",
        "basic_rnn_seq2seq/rnn_decoder/gru_cell/gates/kernel",
    ]
    first, last = _trained(
        tf.add_n([tf.reduce_mean(tf.square(output - 0.5)) for output in outputs]),
        {step: chance.normal(size=(6, 4)) for step in steps},
    )
    assert last < first / 2


@pytest.mark.parametrize(
    "kind", [legacy_seq2seq.embedding_rnn_seq2seq, legacy_seq2seq.embedding_attention_seq2seq]
)
def test_buckets_share_their_variables_and_learn(kind: Any) -> None:
    chance = np.random.default_rng(0)
    symbols = 11
    source = [tf.placeholder(tf.int32, [None]) for _ in range(3)]
    target = [tf.placeholder(tf.int32, [None]) for _ in range(5)]
    weights = [tf.placeholder(tf.float32, [None]) for _ in range(4)]
    cell = rnn.MultiRNNCell([rnn.BasicLSTMCell(8), rnn.BasicLSTMCell(8)])
    outputs, losses = legacy_seq2seq.model_with_buckets(
        source,
        target,
        target[1:],
        weights,
        [(2, 3), (3, 4)],
        lambda x, y: kind(x, y, cell, symbols, symbols, 6, feed_previous=False),
    )
    assert [len(found) for found in outputs] == [3, 4]
    assert sum(name.endswith("embedding") for name in _names()) == 2
    feed: dict[Any, Any] = {step: chance.integers(0, symbols, 5) for step in (*source, *target)}
    feed.update({weight: np.ones(5) for weight in weights})
    first, last = _trained(losses[1], feed, 60)
    assert abs(first - np.log(symbols)) < 0.5
    assert last < first / 3


def test_a_decoder_feeds_itself_where_a_tensor_says_so() -> None:
    source = [tf.placeholder(tf.int32, [None]) for _ in range(2)]
    target = [tf.placeholder(tf.int32, [None]) for _ in range(3)]
    fed = tf.placeholder(tf.bool, [])
    outputs, _ = legacy_seq2seq.embedding_rnn_seq2seq(
        source, target, rnn.GRUCell(4), 5, 5, 3, feed_previous=fed
    )
    a = {step: [1, 2] for step in (*source, *target)}
    b = a | {target[1]: [3, 4], target[2]: [0, 0]}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        own = [session.run(outputs[2], feed | {fed: True}) for feed in (a, b)]
        given = [session.run(outputs[2], feed | {fed: False}) for feed in (a, b)]
    # The second run is a native program, which rounds in another way.
    np.testing.assert_allclose(own[0], own[1], atol=1e-6)
    assert np.abs(given[0] - given[1]).max() > 1e-4


def test_the_loss_of_sequences_is_the_weighted_cross_entropy() -> None:
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(3, 4, 5)).astype(np.float32)
    targets = chance.integers(0, 5, (3, 4))
    weights = chance.random((3, 4)).astype(np.float32)
    by_example = legacy_seq2seq.sequence_loss_by_example(list(logits), list(targets), list(weights))
    whole = legacy_seq2seq.sequence_loss(list(logits), list(targets), list(weights))
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    entropies = -np.take_along_axis(logs, targets[..., None], -1)[..., 0]
    expected = (entropies * weights).sum(0) / weights.sum(0)
    with tf.Session() as session:
        found, mean = session.run([by_example, whole])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(mean, expected.mean(), rtol=1e-5)
    with pytest.raises(ValueError, match="Lengths of logits, weights, and targets must be the same 3, 2, 3"):
        legacy_seq2seq.sequence_loss(list(logits), list(targets), list(weights)[:2])


def test_crf_agrees_with_all_sequences_written_out() -> None:
    chance = np.random.default_rng(0)
    scores = chance.normal(size=(3, 4, 3)).astype(np.float32)
    tags = chance.integers(0, 3, (3, 4)).astype(np.int32)
    lengths = np.array([4, 2, 1], np.int32)
    matrix = chance.normal(size=(3, 3)).astype(np.float32)
    likelihood, _ = crf.crf_log_likelihood(scores, tags, lengths, matrix)
    decoded = crf.crf_decode(scores, matrix, lengths)
    with tf.Session() as session:
        found, (best_tags, best) = session.run([likelihood, decoded])
    for i, length in enumerate(lengths):
        score = {
            path: sum(scores[i, t, path[t]] for t in range(length))
            + sum(matrix[path[t], path[t + 1]] for t in range(length - 1))
            for path in itertools.product(range(3), repeat=int(length))
        }
        norm = np.log(np.sum(np.exp(list(score.values()))))
        np.testing.assert_allclose(found[i], score[tuple(tags[i, :length])] - norm, rtol=1e-5, atol=1e-5)
        expected = max(score, key=lambda path: score[path])
        assert tuple(best_tags[i, :length]) == expected
        assert not best_tags[i, length:].any()
        np.testing.assert_allclose(best[i], score[expected], rtol=1e-5)
        assert crf.viterbi_decode(scores[i, :length], matrix)[0] == list(expected)


def test_crf_learns_its_transitions() -> None:
    chance = np.random.default_rng(0)
    x, y = tf.placeholder(tf.float32, [None, 5, 3]), tf.placeholder(tf.int32, [None, 5])
    likelihood, _ = crf.crf_log_likelihood(tf.layers.dense(x, 4), y, tf.constant([5, 3]))
    assert "transitions" in _names()
    first, last = _trained(
        tf.reduce_mean(-likelihood), {x: chance.normal(size=(2, 5, 3)), y: chance.integers(0, 4, (2, 5))}, 80
    )
    assert last < first / 5


def test_vocabulary_of_texts(tmp_path: Path) -> None:
    processor = VocabularyProcessor(5)
    rows = [row.tolist() for row in processor.fit_transform(["the movie was good really good", "awful film"])]
    assert rows == [[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]]
    assert len(processor.vocabulary_) == 8
    processor.save(str(tmp_path / "vocabulary"))
    again = VocabularyProcessor.restore(str(tmp_path / "vocabulary"))
    assert next(again.transform(["good zebra"])).tolist() == [4, 0, 0, 0, 0]
    assert next(again.reverse([[4, 0]])) == "good <UNK>"
    trimmed = VocabularyProcessor(3, min_frequency=1).fit(["a b b c c c"])
    assert next(trimmed.transform(["a b c"])).tolist() == [0, 2, 1]


def test_hparams() -> None:
    hparams = HParams(rate=0.1, units=[8, 8], name="x", on=True)
    hparams.parse("rate=1,units=[1, 2],name=y,on=false,units[1]=5")
    assert hparams.values() == {"rate": 1.0, "units": [1, 5], "name": "y", "on": False}
    assert "rate" in hparams and hparams.get("other", 3) == 3
    assert HParams(a=1).parse_json('{"a": 2}').to_json() == '{"a": 2}'
    with pytest.raises(ValueError, match="Unknown hyperparameter type for other"):
        hparams.parse("other=1")
    with pytest.raises(ValueError, match="Could not parse hparam 'rate' of type 'float' in 'fast'"):
        hparams.parse("rate=fast")
    with pytest.raises(ValueError, match="Hyperparameter name is reserved: rate"):
        hparams.add_hparam("rate", 1)


def test_scipy_minimizes_a_graph() -> None:
    pytest.importorskip("scipy")
    from rushlight.compat.tensorflow.contrib.opt import ScipyOptimizerInterface

    v = tf.get_variable("v", initializer=[7.0, 7.0])
    seen: list[float] = []
    loss = tf.reduce_sum(tf.square(v - [1.0, 2.0]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        ScipyOptimizerInterface(loss, options={"maxiter": 50}).minimize(
            session, fetches=[loss], loss_callback=seen.append
        )
        np.testing.assert_allclose(session.run(v), [1.0, 2.0], atol=1e-4)
        held = ScipyOptimizerInterface(loss, inequalities=[v[0] - 3.0])
        held.minimize(session)
        np.testing.assert_allclose(session.run(v), [3.0, 2.0], atol=1e-3)
        bounded = ScipyOptimizerInterface(loss, var_to_bounds={v: (-1.0, 0.5)})
        bounded.minimize(session)
        np.testing.assert_allclose(session.run(v), [0.5, 0.5], atol=1e-4)
    assert seen[0] == 61.0 and seen[-1] < 1e-6


def test_layer_norm_cell_normalizes_its_gates() -> None:
    x = tf.placeholder(tf.float32, [2, 3, 4])
    outputs, state = tf.nn.dynamic_rnn(rnn.LayerNormBasicLSTMCell(5), x, dtype=tf.float32)
    assert _names() == ["rnn/layer_norm_basic_lstm_cell/kernel"] + [
        f"rnn/layer_norm_basic_lstm_cell/{part}/{what}"
        for part in ("input", "transform", "forget", "output", "state")
        for what in ("gamma", "beta")
    ]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found, memory = session.run([outputs, state], {x: np.random.default_rng(0).normal(size=(2, 3, 4))})
    assert found.shape == (2, 3, 5)
    np.testing.assert_allclose(memory.c.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(memory.c.std(1), 1, atol=1e-4)


def test_stacked_directions() -> None:
    x = tf.placeholder(tf.float32, [2, 3, 4])
    forward, backward = ([rnn.GRUCell(5), rnn.GRUCell(6)] for _ in range(2))
    outputs, states_fw, states_bw = rnn.stack_bidirectional_dynamic_rnn(
        forward, backward, x, dtype=tf.float32
    )
    assert outputs.shape.as_list() == [2, 3, 12]
    assert [state.shape.as_list() for state in (*states_fw, *states_bw)] == [[2, 5], [2, 6], [2, 5], [2, 6]]
    assert "stack_bidirectional_rnn/cell_1/bidirectional_rnn/bw/gru_cell/gates/kernel" in _names()
    with pytest.raises(ValueError, match="Forward and Backward cells must have the same depth"):
        rnn.stack_bidirectional_dynamic_rnn(forward, backward[:1], x, dtype=tf.float32)


def test_projector_writes_its_settings(tmp_path: Path) -> None:
    from rushlight.compat.tensorflow.contrib.tensorboard.plugins import projector

    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name, embedding.metadata_path = "table:0", "names.tsv"
    embedding.sprite.image_path = "sprite.png"
    embedding.sprite.single_image_dim.extend([28, 28])
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        projector.visualize_embeddings(writer, config)
    assert (tmp_path / "projector_config.pbtxt").read_text() == (
        'embeddings {\n  tensor_name: "table:0"\n  metadata_path: "names.tsv"\n  sprite {\n    image_path: "sprite.png"\n'
        "    single_image_dim: 28\n    single_image_dim: 28\n  }\n}\n"
    )


def test_weights_decay_beside_the_gradient() -> None:
    from rushlight.compat.tensorflow.contrib.opt import MomentumWOptimizer

    v = tf.get_variable("v", initializer=[1.0, -2.0])
    step = MomentumWOptimizer(0.1, learning_rate=0.5, momentum=0.9).minimize(tf.reduce_sum(v))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step)
        np.testing.assert_allclose(session.run(v), [0.9 - 0.5, -1.8 - 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("module", "name", "same"),
    [
        ("python.framework.ops", "convert_to_tensor", "convert_to_tensor"),
        ("python.framework.dtypes", "float32", "float32"),
        ("python.ops.array_ops", "reshape", "reshape"),
        ("python.ops.variable_scope", "get_variable", "get_variable"),
        ("python.ops.rnn_cell_impl", "LSTMStateTuple", "nn.rnn_cell.LSTMStateTuple"),
        ("python.layers.core", "Dense", "layers.Dense"),
        ("python.platform.gfile", "Exists", "gfile.Exists"),
        ("python.util.nest", "flatten", "nest.flatten"),
        ("core.example.example_pb2", "Example", "train.Example"),
        ("core.protobuf.config_pb2", "ConfigProto", "ConfigProto"),
        ("contrib.layers.python.layers.layers", "fully_connected", "contrib.layers.fully_connected"),
        (
            "contrib.learn.python.learn.datasets.mnist",
            "DataSet",
            "examples.tutorials.mnist.input_data.DataSet",
        ),
    ],
)
def test_modules_of_tensorflow_python_give_away_the_facade(module: str, name: str, same: str) -> None:
    import rushlight.compat.tensorflow.examples.tutorials.mnist  # noqa: F401

    found = getattr(importlib.import_module(f"{FACADE}.{module}"), name)
    expected: Any = tf
    for part in same.split("."):
        expected = getattr(expected, part)
    assert found is expected


def test_what_is_not_there_says_so() -> None:
    gen_nn_ops = importlib.import_module(f"{FACADE}.python.ops.gen_nn_ops")
    with pytest.raises(AttributeError, match=r"tensorflow\.python\.ops\.gen_nn_ops.*not available here"):
        _ = gen_nn_ops._relu_grad
    with pytest.raises(AttributeError, match=r"tf\.contrib\.tpu is not available here: there is no TPU"):
        _ = tf.contrib.tpu
    with pytest.raises(
        AttributeError, match=r"tf\.estimator\.DNNClassifier is not available here: write its model_fn"
    ):
        _ = tf.estimator.DNNClassifier
    timeline = importlib.import_module(f"{FACADE}.python.client.timeline")
    with pytest.raises(NotImplementedError, match="sessions record no times"):
        timeline.Timeline(None)


def test_linear_of_the_cells() -> None:
    from rushlight.compat.tensorflow.python.pieces import _linear

    with tf.variable_scope("q"):
        found = _linear([tf.ones([2, 3]), tf.zeros([2, 4])], 5, True)
    assert found.shape.as_list() == [2, 5] and _names() == ["q/kernel", "q/bias"]
    with pytest.raises(ValueError, match="`args` must be specified"):
        _linear([], 5, True)
    with pytest.raises(ValueError, match="linear is expecting 2D arguments"):
        _linear(tf.ones([3]), 5, True)


def test_contrib_metrics_and_losses_have_the_predictions_first() -> None:
    from rushlight.compat.tensorflow.contrib import losses, metrics

    value, update = metrics.streaming_precision(tf.constant([1, 1, 0]), tf.constant([1, 0, 0]))
    loss = losses.mean_squared_error(tf.constant([1.0, 2.0]), tf.constant([1.0, 4.0]))
    now = metrics.accuracy(tf.constant([1, 1, 0]), tf.constant([1, 0, 0]))
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        session.run(update)
        assert session.run([value, loss]) == [0.5, 2.0]
        np.testing.assert_allclose(session.run(now), 2 / 3, rtol=1e-6)


def test_mnist_net_of_the_tutorials() -> None:
    from rushlight.compat.tensorflow.examples.tutorials.mnist import mnist

    chance = np.random.default_rng(0)
    images, labels = tf.placeholder(tf.float32, [20, 784]), tf.placeholder(tf.int32, [20])
    logits = mnist.inference(images, 16, 8)
    loss, right = mnist.loss(logits, labels), mnist.evaluation(logits, labels)
    step = mnist.training(loss, 0.02)
    assert _names()[:2] == ["hidden1/weights", "hidden1/biases"]
    feed = {images: chance.random((20, 784)), labels: np.arange(20) % 10}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first = session.run(loss, feed)
        for _ in range(200):
            session.run(step, feed)
        assert session.run(loss, feed) < first
        assert 0 <= session.run(right, feed) <= 20


def test_a_value_gives_a_variable_its_type() -> None:
    for i, (value, kind) in enumerate(
        [
            (0.0, "float32"),
            (0, "int32"),
            (True, "bool"),
            ("a", "string"),
            ([1, 2], "int32"),
            (np.zeros(2), "float64"),
        ]
    ):
        assert tf.get_variable(f"v{i}", initializer=value).dtype.name == kind
    with tf.variable_scope("scope", initializer=tf.constant_initializer(4.0)):
        own, usual = tf.get_variable("own", initializer=0.0), tf.get_variable("usual", [1])
    with pytest.raises(
        ValueError, match=r"Initializer type .*float64.* and explicit dtype .*float32.* don't match"
    ):
        tf.get_variable("w", initializer=np.zeros(2), dtype=tf.float32)
    with pytest.raises(ValueError, match="If initializer is a constant, do not specify shape"):
        tf.get_variable("w", [], initializer=0.0)
    with tf.Session() as session:
        session.run([own.initializer, usual.initializer])
        assert session.run(own) == 0.0 and session.run(usual).tolist() == [4.0]


def test_pieces_that_are_known_when_the_graph_is_built() -> None:
    from rushlight.compat.tensorflow.python import pieces

    flag = tf.placeholder(tf.bool, [])
    assert pieces.smart_constant_value(tf.constant(False)) is False
    assert pieces.smart_constant_value(flag) is None
    assert pieces.constant_value_as_shape(tf.constant([2, 3])).as_list() == [2, 3]
    one, two = tf.constant(1), tf.constant(2)
    assert pieces.smart_cond(True, lambda: one, lambda: two) is one
    chosen = pieces.smart_cond(flag, lambda: one, lambda: two)
    given = pieces.convert_n_to_tensor_or_indexed_slices([1.5, None])
    assert given[1] is None
    with tf.Session() as session:
        assert [session.run(chosen, {flag: value}) for value in (True, False)] == [1, 2]
        assert session.run(given[0]) == 1.5


def test_what_a_checkpoint_holds_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rushlight.compat.tensorflow.python.pieces import print_tensors_in_checkpoint_file

    tf.get_variable("first", initializer=[1.0, 2.0])
    tf.get_variable("second", initializer=3)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "model"))
    print_tensors_in_checkpoint_file(path, "first", all_tensors=False)
    assert capsys.readouterr().out == "tensor_name:  first\n[1. 2.]\n"
    print_tensors_in_checkpoint_file(path, all_tensors=False)
    assert capsys.readouterr().out == "tensor: first (float32) [2]\ntensor: second (int32) []\n"


@pytest.mark.parametrize(("name", "options"), [("AdamWOptimizer", ()), ("MomentumWOptimizer", (0.9,))])
def test_weights_shrink_before_the_step(name: str, options: tuple[float, ...]) -> None:
    from rushlight.compat.tensorflow.contrib import opt

    variable = tf.get_variable("w", initializer=2.0)
    step = getattr(opt, name)(0.25, 0.5, *options).minimize(variable * 1.0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step)
        # 2 · (1 − 0.25), then a step of 0.5: the first of both methods follows the gradient's sign or size, which is 1.
        assert session.run(variable) == pytest.approx(1.0)


def test_columns_of_a_frame_are_features() -> None:
    class Frame:
        columns = ("x", "z")

        def __getitem__(self, name: str) -> Any:
            return np.arange(4.0) if name == "x" else -np.arange(4.0)

    batch = tf.estimator.inputs.pandas_input_fn(Frame(), np.arange(4), 2, shuffle=False)()
    with tf.Session() as session:
        features, labels = session.run(batch)
    assert features["z"].tolist() == [0.0, -1.0] and labels.tolist() == [0, 1]


def test_run_configurations_refuse_what_they_do_not_know() -> None:
    assert tf.estimator.RunConfig(train_distribute=None, device_fn=None).save_summary_steps == 100
    with pytest.raises(TypeError, match="unexpected keyword argument 'save_sumary_steps'"):
        tf.estimator.RunConfig(save_sumary_steps=5)
    with pytest.raises(ValueError, match="cannot be both set"):
        tf.estimator.RunConfig(save_checkpoints_steps=5, save_checkpoints_secs=5)
