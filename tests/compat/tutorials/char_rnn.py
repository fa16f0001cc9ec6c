import numpy as np
import tensorflow as tf

text = "the quick brown fox jumps over the lazy dog. " * 6
vocab = sorted(set(text))
ix = {c: i for i, c in enumerate(vocab)}
data = np.array([ix[c] for c in text])
B, T, H, V = 4, 8, 12, len(vocab)


def init(shape, dtype=None, partition_info=None):
    return tf.constant((np.random.RandomState(sum(shape)).randn(*shape) * 0.2).astype("f"))


class CharRNN:
    def __init__(self):
        self.seq = tf.placeholder(tf.int32, [None, None])
        self.temp = tf.constant(1.5)
        self.gstep = tf.Variable(0, dtype=tf.int32, trainable=False, name="global_step")
        seq = tf.one_hot(self.seq, V)
        with tf.variable_scope("rnn_m", initializer=init):
            layers = [tf.nn.rnn_cell.GRUCell(s) for s in (H, H)]
            cells = tf.nn.rnn_cell.MultiRNNCell(layers)
            batch = tf.shape(seq)[0]
            zero = cells.zero_state(batch, dtype=tf.float32)
            self.in_state = tuple([tf.placeholder_with_default(s, [None, H]) for s in zero])
            length = tf.reduce_sum(tf.reduce_max(tf.sign(seq), 2), 1)
            self.output, self.out_state = tf.nn.dynamic_rnn(cells, seq, length, self.in_state)
            self.logits = tf.layers.dense(self.output, V, None)
        loss = tf.nn.softmax_cross_entropy_with_logits(logits=self.logits[:, :-1], labels=seq[:, 1:])
        self.loss = tf.reduce_sum(loss)
        self.sample = tf.multinomial(tf.exp(self.logits[:, -1] / self.temp), 1)[:, 0]
        self.opt = tf.train.AdamOptimizer(0.003).minimize(self.loss, global_step=self.gstep)


m = CharRNN()
print(m.logits, m.output.shape, m.loss.shape, m.sample.shape, [s.shape for s in m.out_state])
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    for i in range(10):
        b = np.stack([data[k + i : k + i + T] for k in (0, 20, 40, 60)])
        l, _ = s.run([m.loss, m.opt], {m.seq: b})
        if i % 3 == 0:
            print(f"Iter {m.gstep.eval()}. \n    Loss {l:.4f}.")
    st = None
    x = [[ix["t"]]]
    f = {m.seq: x}
    for _ in range(3):
        idx, st = s.run([m.sample, m.out_state], f)
        f = {m.seq: x}
        f.update({m.in_state[i]: st[i] for i in range(len(st))})
    print(st[0][:, :4], idx.shape)
