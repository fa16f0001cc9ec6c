# seq2seq with attention written with raw cells, scan and while_loop (beginner tutorials)
import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)
V, H, T, B = 9, 6, 5, 3


def c(*s):
    return tf.constant_initializer((np.sin(np.arange(int(np.prod(s))) * 0.9) * 0.4).reshape(s))


enc_in = tf.placeholder(tf.int32, [None, None], "enc")
enc_len = tf.placeholder(tf.int32, [None], "elen")
dec_in = tf.placeholder(tf.int32, [None, None], "dec")
tgt = tf.placeholder(tf.int32, [None, None], "tgt")
with tf.device("/cpu:0"):
    emb = tf.get_variable("emb", [V, H], initializer=c(V, H))
    e = tf.nn.embedding_lookup(emb, enc_in)
    d = tf.nn.embedding_lookup(emb, dec_in)
with tf.variable_scope("encoder"):
    ecell = tf.nn.rnn_cell.GRUCell(
        H,
        kernel_initializer=c(2 * H, 2 * H) if False else tf.constant_initializer(0.05),
        bias_initializer=tf.constant_initializer(0.1),
    )
    enc_out, enc_state = tf.nn.dynamic_rnn(ecell, e, sequence_length=enc_len, dtype=tf.float32)
mask = tf.sequence_mask(enc_len, tf.shape(enc_in)[1], dtype=tf.float32)
with tf.variable_scope("decoder"):
    dcell = tf.nn.rnn_cell.GRUCell(H, kernel_initializer=tf.constant_initializer(0.07))
    Wq = tf.get_variable("Wq", [H, H], initializer=c(H, H))
    Wk = tf.get_variable("Wk", [H, H], initializer=c(H, H))
    v = tf.get_variable("v", [H], initializer=c(H))
    Wo = tf.get_variable("Wo", [2 * H, V], initializer=c(2 * H, V))
    keys = tf.tensordot(enc_out, Wk, [[2], [0]])

    def attend(h):
        score = tf.reduce_sum(v * tf.tanh(keys + tf.expand_dims(tf.matmul(h, Wq), 1)), 2)
        score = score * mask + (1.0 - mask) * -1e9
        a = tf.nn.softmax(score)
        return tf.reduce_sum(tf.expand_dims(a, 2) * enc_out, 1), a

    def step(acc, x):
        h, _ = acc
        ctx, a = attend(h)
        o, h2 = dcell(tf.concat([x, ctx], 1), h)
        return h2, tf.matmul(tf.concat([h2, ctx], 1), Wo)

    hs, logits = tf.scan(
        step, tf.transpose(d, [1, 0, 2]), initializer=(enc_state, tf.zeros([tf.shape(enc_in)[0], V]))
    )
    logits = tf.transpose(logits, [1, 0, 2])
w = tf.cast(tf.not_equal(tgt, 0), tf.float32)
ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tgt, logits=logits)
loss = tf.reduce_sum(ce * w) / tf.reduce_sum(w)
params = tf.trainable_variables()
grads, norm = tf.clip_by_global_norm(tf.gradients(loss, params), 1.0)
train = tf.train.AdamOptimizer(0.01).apply_gradients(zip(grads, params))


# greedy decoding with while_loop and TensorArray
def cond(i, h, tok, ta):
    return tf.less(i, 4)


def body(i, h, tok, ta):
    ctx, a = attend(h)
    o, h2 = dcell(tf.concat([tf.nn.embedding_lookup(emb, tok), ctx], 1), h)
    nxt = tf.to_int32(tf.argmax(tf.matmul(tf.concat([h2, ctx], 1), Wo), 1))
    return i + 1, h2, nxt, ta.write(i, nxt)


with tf.variable_scope("decoder", reuse=True):
    ta0 = tf.TensorArray(tf.int32, size=0, dynamic_size=True, clear_after_read=False)
    _, hN, _, ta = tf.while_loop(
        cond, body, [tf.constant(0), enc_state, tf.fill([tf.shape(enc_in)[0]], 1), ta0]
    )
    greedy = tf.transpose(ta.stack())
print([(p.op.name, p.shape.as_list()) for p in params])
print(logits.dtype, greedy.dtype)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    f = {
        enc_in: rng.randint(1, V, (B, T)),
        enc_len: [5, 2, 4],
        dec_in: rng.randint(1, V, (B, 4)),
        tgt: rng.randint(0, V, (B, 4)),
    }
    for i in range(5):
        _, l, n = sess.run([train, loss, norm], f)
        print("%.5f" % l, n > 0)
    print(sess.run(greedy, f))
    print(sess.run(attend(hN)[1], f))
