"""``tf.contrib.seq2seq``: attention and decoders against the same steps in NumPy, and against ``dynamic_rnn``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight.compat.tensorflow as tf

seq2seq = tf.contrib.seq2seq
BATCH, TIME, UNITS, MEMORY = 3, 5, 4, 6
RNG = np.random.default_rng(0)
KEYS = RNG.standard_normal((BATCH, MEMORY, UNITS)).astype(np.float32)
INPUTS = RNG.standard_normal((BATCH, TIME, UNITS)).astype(np.float32)
LENGTHS = np.array([5, 2, 4], np.int32)


def start(session: Any) -> None:
    """Every variable with values that follow from its name and shape."""
    session.run(tf.global_variables_initializer())
    for variable in tf.trainable_variables():
        shape = variable.shape.as_list()
        number = np.arange(int(np.prod(shape))) + sum(variable.op.name.encode())
        variable.load((np.sin(number) * 0.5).reshape(shape), session)


def softmax(x: Any) -> Any:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_training_gives_what_dynamic_rnn_gives() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        cell = tf.nn.rnn_cell.GRUCell(UNITS)
        with tf.variable_scope("decoder"):
            wanted, last = tf.nn.dynamic_rnn(cell, tf.constant(INPUTS), LENGTHS, dtype=tf.float32)
        helper = seq2seq.TrainingHelper(tf.constant(INPUTS), LENGTHS)
        decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(BATCH, tf.float32))
        outputs, state, lengths = seq2seq.dynamic_decode(decoder, impute_finished=True)
        start(session)
        np.testing.assert_allclose(*session.run([outputs.rnn_output, wanted]), rtol=1e-6)
        np.testing.assert_allclose(*session.run([state, last]), rtol=1e-6)
        assert session.run(lengths).tolist() == LENGTHS.tolist()
        assert session.run(outputs.sample_id).shape == (BATCH, TIME)
        weights = tf.trainable_variables()
        gradients = [tf.gradients(tf.reduce_sum(tf.square(x)), weights) for x in (outputs.rnn_output, wanted)]
        for got, want in zip(*session.run(gradients), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mechanism", ["bahdanau", "luong", "normed", "scaled"])
def test_alignments(mechanism: str) -> None:
    query = RNG.standard_normal((BATCH, UNITS)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        memory, lengths = tf.constant(KEYS), tf.constant([6, 1, 3])
        if mechanism in ("bahdanau", "normed"):
            made = seq2seq.BahdanauAttention(UNITS, memory, lengths, normalize=mechanism == "normed")
        else:
            made = seq2seq.LuongAttention(UNITS, memory, lengths, scale=mechanism == "scaled")
        alignments, _ = made(tf.constant(query), None)
        start(session)
        found = {v.op.name: session.run(v) for v in tf.global_variables()}
        masked = KEYS * (np.arange(MEMORY)[:, None] < np.array([6, 1, 3])[:, None, None])
        keys = masked @ found["memory_layer/kernel"]
        if mechanism in ("luong", "scaled"):
            score = np.einsum("bu,btu->bt", query, keys)
            score = score * found.get("luong_attention/attention_g", 1.0)
        else:
            v = found["bahdanau_attention/attention_v"]
            hidden = keys + (query @ found["bahdanau_attention/query_layer/kernel"])[:, None]
            if mechanism == "normed":
                hidden = hidden + found["bahdanau_attention/attention_b"]
                v = found["bahdanau_attention/attention_g"] * v / np.sqrt((v * v).sum())
            score = (v * np.tanh(hidden)).sum(-1)
        score[np.arange(MEMORY) >= np.array([6, 1, 3])[:, None]] = -np.inf
        np.testing.assert_allclose(session.run(alignments), softmax(score), rtol=1e-5, atol=1e-6)


def test_a_translator_learns_and_decodes() -> None:
    """The usual program: an encoder, an attending decoder for training, the same one for greedy decoding."""
    with tf.Graph().as_default(), tf.Session() as session:
        source = RNG.integers(2, 9, (4, 5))
        target = np.concatenate([source[:, ::-1], np.zeros((4, 1), int)], 1)  # 0 ends a text
        table = tf.get_variable("embedding", [9, 8])
        cell = tf.nn.rnn_cell.BasicLSTMCell(16)
        encoded, last = tf.nn.dynamic_rnn(cell, tf.nn.embedding_lookup(table, source), dtype=tf.float32)
        attention = seq2seq.LuongAttention(16, encoded, np.full(4, 5))
        attending = seq2seq.AttentionWrapper(
            tf.nn.rnn_cell.BasicLSTMCell(16, name="inner"),
            attention,
            attention_layer_size=16,
            alignment_history=True,
        )
        layer = tf.layers.Dense(9, use_bias=False)
        state = attending.zero_state(4, tf.float32).clone(cell_state=last)
        fed = np.concatenate([np.ones((4, 1), int), target[:, :-1]], 1)
        helper = seq2seq.TrainingHelper(tf.nn.embedding_lookup(table, fed), np.full(4, 6))
        trained, _, _ = seq2seq.dynamic_decode(seq2seq.BasicDecoder(attending, helper, state, layer))
        loss = seq2seq.sequence_loss(trained.rnn_output, tf.constant(target), tf.ones([4, 6]))
        train = tf.train.AdamOptimizer(0.02).minimize(loss)
        greedy = seq2seq.GreedyEmbeddingHelper(table, np.ones(4, int), 0)
        decoded, final, lengths = seq2seq.dynamic_decode(
            seq2seq.BasicDecoder(attending, greedy, state, layer), maximum_iterations=8
        )
        history = final.alignment_history.stack()
        start(session)
        for _ in range(150):
            session.run(train)
        assert session.run(loss) < 0.05
        assert session.run(decoded.sample_id).tolist() == target.tolist()
        assert session.run(lengths).tolist() == [6] * 4
        np.testing.assert_allclose(session.run(history).sum(-1), np.ones((6, 4)), rtol=1e-5)
        names = [v.op.name for v in tf.trainable_variables()]
        assert "decoder/attention_wrapper/inner/kernel" in names
        assert "decoder/attention_wrapper/attention_layer/kernel" in names


def test_tiled_batches_and_errors() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        tiled = seq2seq.tile_batch((tf.constant([[1, 2], [3, 4]]), tf.constant([5, 6])), 2)
        assert [x.tolist() for x in session.run(tiled)] == [[[1, 2], [1, 2], [3, 4], [3, 4]], [5, 5, 6, 6]]
        with pytest.raises(ValueError, match="sequence_length to be a vector"):
            seq2seq.TrainingHelper(tf.zeros([2, 3, 4]), 3)
        with pytest.raises(ValueError, match="start_tokens must be a vector"):
            seq2seq.GreedyEmbeddingHelper(tf.zeros([3, 4]), 1, 0)
        with pytest.raises(ValueError, match="num_units to the keys' dimension"):
            seq2seq.LuongAttention(5, tf.zeros([2, 3, 4]))(tf.zeros([2, 4]))
        with pytest.raises(AttributeError, match=r"tf\.while_loop"):
            _ = seq2seq.BeamSearchDecoder
