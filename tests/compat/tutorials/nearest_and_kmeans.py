import numpy as np
import tensorflow as tf

rng = np.random.RandomState(1)
Xtr = rng.rand(60, 20).astype("float32")
Ytr = np.eye(3)[rng.randint(0, 3, 60)]
Xte = rng.rand(10, 20).astype("float32")
Yte = np.eye(3)[rng.randint(0, 3, 10)]
xtr = tf.placeholder("float", [None, 20])
xte = tf.placeholder("float", [20])
distance = tf.reduce_sum(tf.abs(tf.add(xtr, tf.negative(xte))), reduction_indices=1)
pred = tf.arg_min(distance, 0)
accuracy = 0.0
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(len(Xte)):
        nn_index = sess.run(pred, feed_dict={xtr: Xtr, xte: Xte[i, :]})
        print("Test", i, "Prediction:", np.argmax(Ytr[nn_index]), "True Class:", np.argmax(Yte[i]))
        if np.argmax(Ytr[nn_index]) == np.argmax(Yte[i]):
            accuracy += 1.0 / len(Xte)
    print("Accuracy:", accuracy)

# k nearest, euclidean (nfmcclure)
with tf.Graph().as_default():
    k = 4
    x_data_train = tf.placeholder(shape=[None, 20], dtype=tf.float32)
    y_target_train = tf.placeholder(shape=[None, 3], dtype=tf.float32)
    x_data_test = tf.placeholder(shape=[None, 20], dtype=tf.float32)
    distance = tf.sqrt(
        tf.reduce_sum(
            tf.square(tf.subtract(x_data_train, tf.expand_dims(x_data_test, 1))), reduction_indices=[2]
        )
    )
    top_k_xvals, top_k_indices = tf.nn.top_k(tf.negative(distance), k=k)
    prediction_indices = tf.gather(y_target_train, top_k_indices)
    count_of_predictions = tf.reduce_sum(prediction_indices, reduction_indices=1)
    prediction = tf.argmax(count_of_predictions, dimension=1)
    x_sums = tf.expand_dims(tf.reduce_sum(top_k_xvals, 1), 1)
    x_sums_repeated = tf.matmul(x_sums, tf.ones([1, k], tf.float32))
    x_val_weights = tf.expand_dims(tf.div(top_k_xvals, x_sums_repeated), 1)
    top_k_yvals = tf.gather(y_target_train, top_k_indices)
    weighted = tf.squeeze(tf.matmul(x_val_weights, top_k_yvals), squeeze_dims=[1])
    with tf.Session() as s:
        print(s.run([prediction, weighted[:3]], {x_data_train: Xtr, y_target_train: Ytr, x_data_test: Xte}))

# k-means by hand
with tf.Graph().as_default():
    vectors = tf.constant(
        np.concatenate(
            [rng.normal(0, 0.5, (40, 2)), rng.normal(3, 0.5, (40, 2)), rng.normal((0, 4), 0.5, (40, 2))]
        )
    )
    k = 3
    centroids = tf.Variable(tf.slice(tf.random_shuffle(vectors, seed=3), [0, 0], [k, -1]))
    start = tf.placeholder(tf.float64, [k, 2])
    set_start = tf.assign(centroids, start)
    expanded_vectors = tf.expand_dims(vectors, 0)
    expanded_centroids = tf.expand_dims(centroids, 1)
    assignments = tf.argmin(tf.reduce_sum(tf.square(tf.subtract(expanded_vectors, expanded_centroids)), 2), 0)
    means = tf.concat(
        axis=0,
        values=[
            tf.reduce_mean(
                tf.gather(vectors, tf.reshape(tf.where(tf.equal(assignments, c)), [1, -1])),
                reduction_indices=[1],
            )
            for c in range(k)
        ],
    )
    update_centroids = tf.assign(centroids, means)
    did_assignments_change = tf.Variable(tf.constant(True))
    cluster = tf.Variable(tf.cast(tf.zeros([120]), tf.int64))
    changed = tf.reduce_any(tf.not_equal(assignments, cluster))
    with tf.control_dependencies([changed]):
        do_updates = tf.group(update_centroids, tf.assign(cluster, assignments))
    bincount = tf.unsorted_segment_sum(tf.ones_like(assignments), assignments, k)
    seg = tf.unsorted_segment_sum(vectors, assignments, k) / tf.cast(tf.expand_dims(bincount, 1), tf.float64)
    with tf.Session() as sess:
        sess.run(tf.initialize_all_variables())
        sess.run(set_start, {start: [[0, 0], [3, 3.5], [0.5, 3]]})
        ch, it = True, 0
        while ch and it < 20:
            it += 1
            ch, _ = sess.run([changed, do_updates])
        print(it, sess.run(centroids), sess.run(bincount), sess.run(seg))
        one_hot = tf.one_hot(assignments, k)
        print(sess.run(tf.reduce_sum(one_hot, 0)), one_hot)
