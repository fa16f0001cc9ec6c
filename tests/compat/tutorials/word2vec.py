import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
V, E, B = 30, 8, 12
emb0 = R.uniform(-1, 1, (V, E)).astype("f")
w0 = (R.randn(V, E) / 3).astype("f")
train_inputs = tf.placeholder(tf.int32, shape=[B])
train_labels = tf.placeholder(tf.int32, shape=[B, 1])
valid = tf.constant([1, 2, 3], dtype=tf.int32)
with tf.device("/cpu:0"):
    embeddings = tf.Variable(emb0)
    embed = tf.nn.embedding_lookup(embeddings, train_inputs)
    nce_weights = tf.Variable(w0)
    nce_biases = tf.Variable(tf.zeros([V]))
sv = (
    tf.constant([4, 9, 11, 2, 7], tf.int64),
    tf.constant(np.full((B, 1), 0.3, "f")),
    tf.constant([0.5, 0.2, 0.1, 0.7, 0.3]),
)
loss = tf.reduce_mean(
    tf.nn.nce_loss(
        weights=nce_weights,
        biases=nce_biases,
        labels=train_labels,
        inputs=embed,
        num_sampled=5,
        num_classes=V,
        sampled_values=sv,
    )
)
loss_h = tf.reduce_mean(
    tf.nn.nce_loss(
        nce_weights, nce_biases, train_labels, embed, 5, V, sampled_values=sv, remove_accidental_hits=True
    )
)
ssl = tf.reduce_mean(
    tf.nn.sampled_softmax_loss(nce_weights, nce_biases, train_labels, embed, 5, V, sampled_values=sv)
)
rnd = tf.nn.nce_loss(nce_weights, nce_biases, train_labels, embed, 5, V)
rnd2 = tf.nn.sampled_softmax_loss(
    weights=nce_weights, biases=nce_biases, labels=train_labels, inputs=embed, num_sampled=5, num_classes=V
)
print(loss.shape, rnd.shape, rnd2.shape)
optimizer = tf.train.GradientDescentOptimizer(1.0).minimize(loss)
op2 = tf.train.AdamOptimizer(0.1).minimize(ssl)
norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keep_dims=True))
normalized = embeddings / norm
similarity = tf.matmul(tf.nn.embedding_lookup(normalized, valid), normalized, transpose_b=True)
u = tf.nn.log_uniform_candidate_sampler(
    true_classes=tf.constant([[1], [2]], tf.int64), num_true=1, num_sampled=5, unique=False, range_max=30
)
un = tf.nn.uniform_candidate_sampler(tf.constant([[1], [2]], tf.int64), 1, 5, False, 30)
with tf.Session() as s:
    s.run(tf.global_variables_initializer())
    for i in range(10):
        f = {train_inputs: R.randint(0, V, B), train_labels: R.randint(0, V, (B, 1))}
        _, l, h, k = (
            s.run([optimizer, loss, loss_h, ssl], f) if i < 0 else (None, *s.run([loss, loss_h, ssl], f))
        )
        s.run(optimizer, f)
        if i % 3 == 0:
            print(l, h, k)
    for i in range(5):
        s.run(op2, f)
    print(s.run(ssl, f))
    print((-similarity.eval()[0]).argsort()[1:5])
    print(s.run(rnd, f).shape, np.isfinite(s.run(rnd2, f)).all())
    print(s.run(u[1]), u[0].shape, u[2].shape, s.run(un[1:]))
