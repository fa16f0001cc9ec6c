# Hvass-Labs tutorials: layers API, saving and restoring with early stopping, adversarial noise, plots of weights, ensemble
import os
import tempfile

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)
img_size = 8
img_size_flat = 64
img_shape = (8, 8)
num_classes = 4
num_channels = 1
x_train = rng.rand(60, 64).astype("f")
y_cls = (x_train[:, :32].sum(1) > x_train[:, 32:].sum(1)).astype(int) + 2 * (
    x_train[:, ::2].sum(1) > x_train[:, 1::2].sum(1)
)
y_train = np.eye(4)[y_cls]
x = tf.placeholder(tf.float32, shape=[None, img_size_flat], name="x")
x_image = tf.reshape(x, [-1, img_size, img_size, num_channels])
y_true = tf.placeholder(tf.float32, shape=[None, num_classes], name="y_true")
y_true_cls = tf.argmax(y_true, axis=1)
ci = lambda k: tf.constant_initializer(np.sin(np.arange(k)) * 0.2)
net = x_image
net = tf.layers.conv2d(
    inputs=net,
    name="layer_conv1",
    padding="same",
    filters=3,
    kernel_size=5,
    activation=tf.nn.relu,
    kernel_initializer=ci(75),
)
layer_conv1 = net
net = tf.layers.max_pooling2d(inputs=net, pool_size=2, strides=2)
net = tf.layers.conv2d(
    inputs=net,
    name="layer_conv2",
    padding="same",
    filters=4,
    kernel_size=3,
    activation=tf.nn.relu,
    kernel_initializer=ci(108),
)
net = tf.layers.max_pooling2d(inputs=net, pool_size=2, strides=2)
net = tf.layers.flatten(net)
net = tf.layers.dense(
    inputs=net, name="layer_fc1", units=8, activation=tf.nn.relu, kernel_initializer=ci(128)
)
net = tf.layers.dense(
    inputs=net, name="layer_fc_out", units=num_classes, activation=None, kernel_initializer=ci(32)
)
logits = net
y_pred = tf.nn.softmax(logits=logits)
y_pred_cls = tf.argmax(y_pred, axis=1)
cross_entropy = tf.nn.softmax_cross_entropy_with_logits_v2(labels=y_true, logits=logits)
loss = tf.reduce_mean(cross_entropy)
ADVERSARY_VARIABLES = "adversary_variables"
collections = [tf.GraphKeys.GLOBAL_VARIABLES, ADVERSARY_VARIABLES]
x_noise = tf.Variable(tf.zeros([1, 8, 8, 1]), name="x_noise", trainable=False, collections=collections)
x_noise_clip = tf.assign(x_noise, tf.clip_by_value(x_noise, -0.3, 0.3))
optimizer = tf.train.AdamOptimizer(learning_rate=1e-2).minimize(loss)
correct_prediction = tf.equal(y_pred_cls, y_true_cls)
accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))


def get_weights_variable(layer_name):
    with tf.variable_scope(layer_name, reuse=True):
        variable = tf.get_variable("kernel")
    return variable


weights_conv1 = get_weights_variable("layer_conv1")
print(weights_conv1)
for var in tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)[:4]:
    print(var)
saver = tf.train.Saver(max_to_keep=2)
save_dir = os.path.join(tempfile.mkdtemp(), "checkpoints/")
os.makedirs(save_dir)
save_path = os.path.join(save_dir, "best_validation")
session = tf.Session()


def init_variables():
    session.run(tf.global_variables_initializer())


init_variables()
best = 0.0
for i in range(6):
    _, l = session.run([optimizer, loss], {x: x_train, y_true: y_train})
    acc = session.run(accuracy, feed_dict={x: x_train, y_true: y_train})
    s = ""
    if acc > best:
        best = acc
        saver.save(sess=session, save_path=save_path)
        s = "*"
    print(f"Iter: {i + 1:>6}, Train-Batch Accuracy: {acc:>6.1%}, loss {l:.4f} {s}")
before = session.run(logits, {x: x_train[:2]})
path = saver.save(session, save_path, global_step=7)
print(os.path.basename(path), sorted(f.split(".data")[0] for f in os.listdir(save_dir)))
init_variables()
saver.restore(sess=session, save_path=path)
print(np.allclose(before, session.run(logits, {x: x_train[:2]})))
print(os.path.basename(tf.train.latest_checkpoint(save_dir)))
gradient = tf.gradients(loss, x_image)[0]
print(session.run(tf.reduce_sum(tf.abs(gradient)), {x: x_train, y_true: y_train}))
f = tf.reduce_mean(layer_conv1[:, :, :, 1])
g = tf.gradients(f, x)[0]
g /= tf.reduce_mean(tf.square(g)) + 1e-5
im = rng.uniform(size=(1, 64))
for i in range(3):
    gr, v = session.run([g, f], {x: im})
    step = 1.0 / (gr.std() + 1e-8)
    im = np.clip(im + step * gr * 0.1, 0, 1)
    print("%.4f %.4f" % (v, im.mean()))
print(
    *session.run([tf.rank(x_image), tf.size(weights_conv1)]),
    layer_conv1.get_shape(),
    logits.shape.as_list(),
    [op.name for op in tf.get_default_graph().get_operations() if op.type == "Conv2D"],
)
print(tf.get_default_graph().get_tensor_by_name("x:0") is x)
session.close()
try:
    session.run(loss)
except RuntimeError as e:
    print(e)


def pre_process_image(image, training):
    if training:
        image = tf.random_crop(image, size=[6, 6, 3])
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_hue(image, max_delta=0.05)
        image = tf.image.random_contrast(image, lower=0.3, upper=1.0)
        image = tf.image.random_brightness(image, max_delta=0.2)
        image = tf.image.random_saturation(image, lower=0.0, upper=2.0)
        image = tf.minimum(image, 1.0)
        image = tf.maximum(image, 0.0)
    else:
        image = tf.image.resize_image_with_crop_or_pad(image, target_height=6, target_width=6)
    return image


ims = tf.placeholder(tf.float32, [None, 8, 8, 3])
tr = tf.map_fn(lambda image: pre_process_image(image, True), ims)
te = tf.map_fn(lambda image: pre_process_image(image, False), ims)
with tf.Session() as sess:
    a, b = sess.run([tr, te], {ims: rng.rand(3, 8, 8, 3)})
    print(a.shape, a.min() >= 0, a.max() <= 1, "%.4f" % b.sum(), tr.shape)
