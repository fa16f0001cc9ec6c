import collections
import math

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)
words = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumped",
    "over",
    "the",
    "lazy",
    "dog",
    "the",
    "fox",
    "saw",
    "the",
    "dog",
    "and",
    "the",
    "dog",
    "saw",
    "the",
    "fox",
]
count = [["UNK", -1]]
count.extend(collections.Counter(words).most_common(8))
dictionary = {w: i for i, (w, _) in enumerate(count)}
data = [dictionary.get(w, 0) for w in words]
V, E = 9, 6
graph = tf.Graph()
with graph.as_default():
    with tf.name_scope("inputs"):
        train_inputs = tf.placeholder(tf.int32, shape=[8])
        train_labels = tf.placeholder(tf.int32, shape=[8, 1])
        valid_dataset = tf.constant([1, 2, 3], dtype=tf.int32)
    with tf.device("/cpu:0"):
        with tf.name_scope("embeddings"):
            embeddings = tf.Variable(rng.uniform(-1, 1, (V, E)).astype("f"))
            embed = tf.nn.embedding_lookup(embeddings, train_inputs)
        with tf.name_scope("weights"):
            nce_weights = tf.Variable((rng.randn(V, E) / math.sqrt(E)).astype("f"))
        with tf.name_scope("biases"):
            nce_biases = tf.Variable(tf.zeros([V]))
    sampled = (
        tf.constant([0, 3, 5, 7], tf.int64),
        tf.constant(np.full((8, 1), 0.3, "f")),
        tf.constant([0.2, 0.3, 0.25, 0.1]),
    )
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(
            tf.nn.nce_loss(
                weights=nce_weights,
                biases=nce_biases,
                labels=train_labels,
                inputs=embed,
                num_sampled=4,
                num_classes=V,
                sampled_values=sampled,
            )
        )
        loss2 = tf.reduce_mean(
            tf.nn.sampled_softmax_loss(
                nce_weights,
                nce_biases,
                train_labels,
                embed,
                4,
                V,
                sampled_values=sampled,
                remove_accidental_hits=True,
            )
        )
    tf.summary.scalar("loss", loss)
    with tf.name_scope("optimizer"):
        optimizer = tf.train.GradientDescentOptimizer(1.0).minimize(loss)
    norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keepdims=True))
    normalized_embeddings = embeddings / norm
    similarity = tf.matmul(
        tf.nn.embedding_lookup(normalized_embeddings, valid_dataset), normalized_embeddings, transpose_b=True
    )
    merged = tf.summary.merge_all()
    init = tf.global_variables_initializer()
    g = tf.gradients(loss, embeddings)[0]

with tf.Session(graph=graph) as session:
    init.run()
    for step in range(4):
        i = (np.arange(8) + step * 3) % 19
        _, s, l, l2 = session.run(
            [optimizer, merged, loss, loss2],
            {train_inputs: np.array(data)[i], train_labels: np.array(data)[(i + 1) % 20][:, None]},
        )
        print("%.5f %.5f" % (l, l2))
    sim = similarity.eval()
    print((-sim[0]).argsort()[1:4])
    final = normalized_embeddings.eval()
    print("%.4f" % final.sum())
# PTB style language model: stacked LSTM with dropout wrapper, state passing, learning-rate variable
tf.reset_default_graph()


class Config:
    init_scale = 0.1
    lr = 1.0
    grad = 5
    layers = 2
    steps = 4
    hidden = 6
    batch = 2
    vocab = 9


class PTB:
    def __init__(self, is_training, config):
        self.input = tf.placeholder(tf.int32, [config.batch, config.steps])
        self.targets = tf.placeholder(tf.int32, [config.batch, config.steps])

        def lstm():
            return tf.nn.rnn_cell.BasicLSTMCell(
                config.hidden, forget_bias=0.0, state_is_tuple=True, reuse=not is_training
            )

        attn = lstm
        if is_training:

            def attn():
                return tf.nn.rnn_cell.DropoutWrapper(lstm(), output_keep_prob=1.0)

        cell = tf.nn.rnn_cell.MultiRNNCell([attn() for _ in range(config.layers)], state_is_tuple=True)
        self._initial_state = cell.zero_state(config.batch, tf.float32)
        embedding = tf.get_variable("embedding", [config.vocab, config.hidden])
        inputs = tf.nn.embedding_lookup(embedding, self.input)
        outputs = []
        state = self._initial_state
        with tf.variable_scope("RNN"):
            for t in range(config.steps):
                if t > 0:
                    tf.get_variable_scope().reuse_variables()
                (out, state) = cell(inputs[:, t, :], state)
                outputs.append(out)
        output = tf.reshape(tf.concat(axis=1, values=outputs), [-1, config.hidden])
        logits = tf.matmul(
            output, tf.get_variable("softmax_w", [config.hidden, config.vocab])
        ) + tf.get_variable("softmax_b", [config.vocab])
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.reshape(self.targets, [-1]), logits=logits
        )
        self.cost = tf.reduce_sum(loss) / config.batch
        self.final_state = state
        if not is_training:
            return
        self.lr = tf.Variable(0.0, trainable=False)
        tvars = tf.trainable_variables()
        grads, _ = tf.clip_by_global_norm(tf.gradients(self.cost, tvars), config.grad)
        self.train_op = tf.train.GradientDescentOptimizer(self.lr).apply_gradients(
            zip(grads, tvars), global_step=tf.train.get_or_create_global_step()
        )
        self.new_lr = tf.placeholder(tf.float32, shape=[], name="new_learning_rate")
        self.lr_update = tf.assign(self.lr, self.new_lr)


with tf.variable_scope("Model", reuse=None, initializer=tf.random_uniform_initializer(-0.1, 0.1)):
    m = PTB(True, Config)
with tf.variable_scope("Model", reuse=True, initializer=tf.random_uniform_initializer(-0.1, 0.1)):
    mv = PTB(False, Config)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for v in tf.trainable_variables():
        v.load((np.sin(np.arange(int(np.prod(v.shape.as_list())))) * 0.2).reshape(v.shape.as_list()), sess)
    for epoch in range(3):
        sess.run(m.lr_update, {m.new_lr: 1.0 * 0.5**epoch})
        state = sess.run(m._initial_state)
        costs = 0
        for k in range(2):
            fd = {
                m.input: np.array(data[:16]).reshape(2, 8)[:, 4 * k : 4 * k + 4],
                m.targets: np.array(data[1:17]).reshape(2, 8)[:, 4 * k : 4 * k + 4],
            }
            for i, (c, h) in enumerate(m._initial_state):
                fd[c] = state[i].c
                fd[h] = state[i].h
            cost, state, _ = sess.run([m.cost, m.final_state, m.train_op], fd)
            costs += cost
        print("%.4f" % np.exp(costs / 8), sess.run(tf.train.get_global_step()))
    print(
        "%.4f"
        % sess.run(
            mv.cost,
            {mv.input: np.array(data[:8]).reshape(2, 4), mv.targets: np.array(data[1:9]).reshape(2, 4)},
        ),
        [v.op.name for v in tf.trainable_variables()],
    )
