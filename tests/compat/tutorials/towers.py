# Tower averaging, as in aymericdamien's multigpu_cnn and TF's cifar10_multi_gpu_train
import numpy as np
import tensorflow as tf

num_gpus = 2
num_input = 64
num_classes = 4
batch_size = 8
rng = np.random.RandomState(0)


def conv_net(x, n_classes, reuse, is_training):
    with tf.variable_scope("ConvNet", reuse=reuse):
        x = tf.reshape(x, shape=[-1, 8, 8, 1])
        x = tf.layers.conv2d(x, 4, 3, activation=tf.nn.relu, kernel_initializer=tf.constant_initializer(0.05))
        x = tf.layers.max_pooling2d(x, 2, 2)
        x = tf.contrib.layers.flatten(x) if False else tf.layers.flatten(x)
        x = tf.layers.dense(
            x, 6, kernel_initializer=tf.constant_initializer(np.linspace(-0.3, 0.3, 36 * 6).reshape(36, 6))
        )
        x = tf.layers.dropout(x, rate=0.25, training=is_training)
        out = tf.layers.dense(
            x, n_classes, kernel_initializer=tf.constant_initializer(np.linspace(-0.5, 0.5, 24).reshape(6, 4))
        )
        out = tf.nn.softmax(out) if not is_training else out
    return out


def average_gradients(tower_grads):
    average_grads = []
    for grad_and_vars in zip(*tower_grads):
        grads = []
        for g, _ in grad_and_vars:
            expanded_g = tf.expand_dims(g, 0)
            grads.append(expanded_g)
        grad = tf.concat(grads, 0)
        grad = tf.reduce_mean(grad, 0)
        v = grad_and_vars[0][1]
        average_grads.append((grad, v))
    return average_grads


PS_OPS = ["Variable", "VariableV2", "AutoReloadVariable"]


def assign_to_device(device, ps_device="/cpu:0"):
    def _assign(op):
        node_def = op if isinstance(op, tf.NodeDef) else op.node_def
        if node_def.op in PS_OPS:
            return "/" + ps_device
        else:
            return device

    return _assign


with tf.device("/cpu:0"):
    tower_grads = []
    reuse_vars = False
    X = tf.placeholder(tf.float32, [None, num_input])
    Y = tf.placeholder(tf.float32, [None, num_classes])
    losses = []
    for i in range(num_gpus):
        with tf.device(assign_to_device("/cpu:0", ps_device="/cpu:0")):
            _x = X[i * batch_size : (i + 1) * batch_size]
            _y = Y[i * batch_size : (i + 1) * batch_size]
            logits_train = conv_net(_x, num_classes, reuse=reuse_vars, is_training=False)
            logits_test = conv_net(_x, num_classes, reuse=True, is_training=False)
            loss_op = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits_train, labels=_y))
            optimizer = tf.train.AdamOptimizer(learning_rate=0.01)
            grads = optimizer.compute_gradients(loss_op)
            losses.append(loss_op)
            if i == 0:
                correct_pred = tf.equal(tf.argmax(logits_test, 1), tf.argmax(_y, 1))
                accuracy = tf.reduce_mean(tf.cast(correct_pred, tf.float32))
            reuse_vars = True
            tower_grads.append(grads)
    tower_grads = average_gradients(tower_grads)
    train_op = optimizer.apply_gradients(tower_grads)
    init = tf.global_variables_initializer()
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=True, log_device_placement=False)) as sess:
        sess.run(init)
        data = rng.rand(16, 64).astype(np.float32)
        lab = np.eye(4)[rng.randint(0, 4, 16)]
        for step in range(1, 6):
            sess.run(train_op, feed_dict={X: data, Y: lab})
            loss, acc = sess.run([losses, accuracy], feed_dict={X: data, Y: lab})
            print(
                "Step "
                + str(step)
                + ": Minibatch Loss= "
                + " ".join(f"{l:.4f}" for l in loss)
                + ", Training Accuracy= "
                + f"{acc:.3f}"
            )
        print([v.name for v in tf.global_variables()])

# cifar10 style: collections of losses, moving averages, scopes
with tf.Graph().as_default(), tf.device("/cpu:0"):

    def _variable_on_cpu(name, shape, initializer):
        with tf.device("/cpu:0"):
            return tf.get_variable(name, shape, initializer=initializer, dtype=tf.float32)

    def _variable_with_weight_decay(name, shape, stddev, wd):
        var = _variable_on_cpu(
            name,
            shape,
            tf.constant_initializer(np.linspace(-stddev, stddev, int(np.prod(shape))).reshape(shape)),
        )
        if wd is not None:
            weight_decay = tf.multiply(tf.nn.l2_loss(var), wd, name="weight_loss")
            tf.add_to_collection("losses", weight_decay)
        return var

    global_step = tf.get_variable("global_step", [], initializer=tf.constant_initializer(0), trainable=False)
    lr = tf.train.exponential_decay(0.1, global_step, 2, 0.5, staircase=True)
    opt = tf.train.GradientDescentOptimizer(lr)

    def inference(images):
        with tf.variable_scope("conv1") as scope:
            kernel = _variable_with_weight_decay("weights", [5, 5, 3, 4], 0.05, None)
            conv = tf.nn.conv2d(images, kernel, [1, 1, 1, 1], padding="SAME")
            biases = _variable_on_cpu("biases", [4], tf.constant_initializer(0.0))
            conv1 = tf.nn.relu(tf.nn.bias_add(conv, biases), name=scope.name)
            tf.summary.histogram("x/activations", conv1)
            tf.summary.scalar("x/sparsity", tf.nn.zero_fraction(conv1))
        pool1 = tf.nn.max_pool(conv1, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME", name="pool1")
        norm1 = tf.nn.lrn(pool1, 4, bias=1.0, alpha=0.001 / 9.0, beta=0.75, name="norm1")
        with tf.variable_scope("local3") as scope:
            reshape = tf.reshape(norm1, [images.get_shape().as_list()[0], -1])
            dim = reshape.get_shape()[1].value
            weights = _variable_with_weight_decay("weights", shape=[dim, 8], stddev=0.04, wd=0.004)
            biases = _variable_on_cpu("biases", [8], tf.constant_initializer(0.1))
            local3 = tf.nn.relu(tf.matmul(reshape, weights) + biases, name=scope.name)
        with tf.variable_scope("softmax_linear") as scope:
            weights = _variable_with_weight_decay("weights", [8, 5], stddev=1 / 8.0, wd=None)
            biases = _variable_on_cpu("biases", [5], tf.constant_initializer(0.0))
            return tf.add(tf.matmul(local3, weights), biases, name=scope.name)

    def tower_loss(scope, images, labels):
        logits = inference(images)
        labels = tf.cast(labels, tf.int64)
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits, name="cross_entropy_per_example"
        )
        tf.add_to_collection("losses", tf.reduce_mean(ce, name="cross_entropy"))
        losses = tf.get_collection("losses", scope)
        total_loss = tf.add_n(losses, name="total_loss")
        return total_loss, len(losses), total_loss.op.name

    towers = []
    totals = []
    with tf.variable_scope(tf.get_variable_scope()):
        for i in range(2):
            with tf.device("/cpu:0"), tf.name_scope("%s_%d" % ("tower", i)) as scope:
                images = tf.constant(rng.rand(4, 8, 8, 3), tf.float32)
                labels = tf.constant(rng.randint(0, 5, 4))
                loss, n, nm = tower_loss(scope, images, labels)
                print(scope, n, nm, loss.op.device)
                tf.get_variable_scope().reuse_variables()
                summaries = tf.get_collection(tf.GraphKeys.SUMMARIES, scope)
                print([s.op.name for s in summaries])
                towers.append(opt.compute_gradients(loss))
                totals.append(loss)
    grads = average_gradients(towers)
    apply_gradient_op = opt.apply_gradients(grads, global_step=global_step)
    variable_averages = tf.train.ExponentialMovingAverage(0.9, global_step)
    variables_averages_op = variable_averages.apply(tf.trainable_variables())
    train_op = tf.group(apply_gradient_op, variables_averages_op)
    saver = tf.train.Saver(tf.global_variables())
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as sess:
        sess.run(tf.global_variables_initializer())
        tf.train.start_queue_runners(sess=sess)
        for step in range(4):
            _, l, r = sess.run([train_op, totals, lr])
            print(step, ["%.5f" % q for q in l], r)
        print(sorted(variable_averages.variables_to_restore().keys()))
        print(sess.run(variable_averages.average(tf.trainable_variables()[1])))
