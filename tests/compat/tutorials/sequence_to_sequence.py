import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
V, E, H, B, TE, TD = 8, 5, 7, 4, 5, 4


def init(shape, dtype=None, partition_info=None):
    return tf.constant((np.random.RandomState(sum(shape) + len(shape)).randn(*shape) * 0.3).astype("f"))


enc_in = tf.placeholder(shape=(None, None), dtype=tf.int32, name="encoder_inputs")
dec_t = tf.placeholder(tf.int32, (None, None))
dec_in = tf.placeholder(tf.int32, (None, None))
elen = tf.placeholder(tf.int32, [None])
emb = tf.get_variable("emb", [V, E], initializer=init)
ei, di = tf.nn.embedding_lookup(emb, enc_in), tf.nn.embedding_lookup(emb, dec_in)
with tf.variable_scope("encoder", initializer=init):
    eo, es = tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.LSTMCell(H), ei, dtype=tf.float32, time_major=True, sequence_length=elen
    )
with tf.variable_scope("plain_decoder", initializer=init):
    do, ds = tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.LSTMCell(H), di, initial_state=es, dtype=tf.float32, time_major=True, scope="dec"
    )
# attention
score = tf.einsum("tbh,sbh->bts", do, eo)
mask = tf.sequence_mask(elen, tf.shape(enc_in)[0], dtype=tf.float32)
score = score + (1.0 - tf.expand_dims(mask, 1)) * -1e9
ctx = tf.transpose(tf.matmul(tf.nn.softmax(score), tf.transpose(eo, [1, 0, 2])), [1, 0, 2])
feat = tf.concat([do, ctx], -1)
print(eo.shape, do.shape, score.shape, ctx.shape, feat.shape)
W = tf.get_variable("W", [2 * H, V], initializer=init)
dmax, db, dd = tf.unstack(tf.shape(feat))
logits = tf.reshape(tf.matmul(tf.reshape(feat, (-1, 2 * H)), W), (dmax, db, V))
pred = tf.argmax(logits, 2)
ce = tf.nn.softmax_cross_entropy_with_logits(
    labels=tf.one_hot(dec_t, depth=V, dtype=tf.float32), logits=logits
)
loss = tf.reduce_mean(ce)
train = tf.train.AdamOptimizer(0.05).minimize(loss)
# greedy decode with while_loop
cell = tf.nn.rnn_cell.GRUCell(H)
h0 = es.h


def body(i, tok, h, out):
    with tf.variable_scope("g", reuse=tf.AUTO_REUSE, initializer=init):
        o, h = cell(tf.nn.embedding_lookup(emb, tok), h)
    tok = tf.argmax(tf.matmul(o, W[:H]), 1, output_type=tf.int32)
    return i + 1, tok, h, out.write(i, tok)


_, _, _, out = tf.while_loop(
    lambda i, *_: i < 6,
    body,
    [0, tf.zeros([tf.shape(enc_in)[1]], tf.int32), h0, tf.TensorArray(tf.int32, size=6)],
    shape_invariants=[
        tf.TensorShape([]),
        tf.TensorShape([None]),
        tf.TensorShape([None, H]),
        tf.TensorShape(None),
    ]
    if False
    else None,
)
dec = tf.transpose(out.stack())
print(dec.dtype)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    f = {
        enc_in: R.randint(1, V, (TE, B)),
        dec_in: R.randint(1, V, (TD, B)),
        dec_t: R.randint(1, V, (TD, B)),
        elen: [5, 3, 2, 4],
    }
    for i in range(12):
        _, l = s.run([train, loss], f)
        if i % 4 == 0:
            print(f"{l:.5f}")
    print(s.run(pred, f).shape, s.run(dec, f).shape, [v.name for v in tf.trainable_variables()])
