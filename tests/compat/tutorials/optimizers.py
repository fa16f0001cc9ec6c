import numpy as np
import tensorflow as tf

R = np.random.RandomState(0)
n_hidden_1 = 16
n_hidden_2 = 8
num_input = 12
num_classes = 3
X = tf.placeholder("float", [None, num_input])
Y = tf.placeholder("float", [None, num_classes])


def r(*s):
    return (R.randn(*s) * 0.3).astype("f")


weights = {
    "h1": tf.Variable(r(num_input, n_hidden_1)),
    "h2": tf.Variable(r(n_hidden_1, n_hidden_2)),
    "out": tf.Variable(r(n_hidden_2, num_classes)),
}
biases = {
    "b1": tf.Variable(r(n_hidden_1)),
    "b2": tf.Variable(r(n_hidden_2)),
    "out": tf.Variable(r(num_classes)),
}


def neural_net(x):
    layer_1 = tf.add(tf.matmul(x, weights["h1"]), biases["b1"])
    layer_2 = tf.nn.relu(tf.add(tf.matmul(layer_1, weights["h2"]), biases["b2"]))
    return tf.matmul(layer_2, weights["out"]) + biases["out"]


logits = neural_net(X)
prediction = tf.nn.softmax(logits)
loss_op = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=Y))
xs = R.randn(128, num_input).astype("f")
ys = np.eye(3)[(xs[:, 0] > 0).astype(int) + (xs[:, 1] > 0)]
correct_pred = tf.equal(tf.argmax(prediction, 1), tf.argmax(Y, 1))
accuracy = tf.reduce_mean(tf.cast(correct_pred, tf.float32))
for opt in [
    tf.train.AdamOptimizer(0.01),
    tf.train.RMSPropOptimizer(0.01),
    tf.train.RMSPropOptimizer(0.01, momentum=0.9, centered=True),
    tf.train.AdagradOptimizer(0.1),
    tf.train.MomentumOptimizer(0.1, 0.9),
    tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    tf.train.AdadeltaOptimizer(1.0),
    tf.train.FtrlOptimizer(0.1, l1_regularization_strength=0.001, l2_regularization_strength=0.01),
    tf.train.GradientDescentOptimizer(0.1),
    tf.train.ProximalGradientDescentOptimizer(0.1, 0.001, 0.001),
    tf.train.ProximalAdagradOptimizer(0.1, 0.1, 0.001, 0.001),
]:
    train_op = opt.minimize(loss_op)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(1, 31):
            sess.run(train_op, feed_dict={X: xs, Y: ys})
            if step % 10 == 0:
                loss, acc = sess.run([loss_op, accuracy], feed_dict={X: xs, Y: ys})
                print(opt.get_name(), "Step " + str(step) + f", Loss= {loss:.5f}" + f", Acc= {acc:.3f}")
print([v.name for v in tf.global_variables()][:30])
print([v.name for v in tf.trainable_variables()])
