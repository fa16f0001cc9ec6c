"""An Estimator trained, evaluated and asked; the arrays and the data sets that feed it; its errors."""

import os
import tempfile

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(0)
x = rng.randn(200, 4).astype(np.float32)
w = rng.randn(4, 3)
y = (x @ w).argmax(1).astype(np.int32)


def start(*shape):
    return tf.constant_initializer(np.linspace(-1, 1, int(np.prod(shape))).reshape(shape))


def model_fn(features, labels, mode, params):
    units = params["units"]
    hidden = tf.layers.dense(features["x"], units, tf.nn.relu, kernel_initializer=start(4, units))
    logits = tf.layers.dense(hidden, 3, kernel_initializer=start(units, 3))
    classes = tf.argmax(logits, 1)
    predictions = {"classes": classes, "probabilities": tf.nn.softmax(logits, name="softmax_tensor")}
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)
    loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    if mode == tf.estimator.ModeKeys.TRAIN:
        step = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode=mode, loss=loss, train_op=step)
    metrics = {"accuracy": tf.metrics.accuracy(labels=labels, predictions=classes)}
    return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


def plain(results):
    return {key: round(float(value), 4) for key, value in results.items()}


inputs = tf.estimator.inputs.numpy_input_fn
classifier = tf.estimator.Estimator(model_fn=model_fn, model_dir=tempfile.mkdtemp(), params={"units": 8})
train = inputs(x={"x": x}, y=y, batch_size=32, num_epochs=None, shuffle=False)
test = inputs(x={"x": x}, y=y, batch_size=32, num_epochs=1, shuffle=False)
classifier.train(input_fn=train, steps=50)
print(plain(classifier.evaluate(input_fn=test)))
classifier.train(input_fn=train, max_steps=60)
classifier.train(input_fn=train, max_steps=55)  # is there already
print(classifier.evaluate(input_fn=test, steps=2)["global_step"])
few = inputs(x={"x": x[:5]}, shuffle=False)
for prediction in classifier.predict(few):
    print(int(prediction["classes"]), prediction["probabilities"])
print([int(found["classes"]) for found in classifier.predict(few, predict_keys="classes")])
print(sorted(classifier.get_variable_names()), os.path.basename(classifier.latest_checkpoint()))
print(classifier.get_variable_value("dense_1/bias"))


def data_set():
    return tf.data.Dataset.from_tensor_slices(({"x": x}, y)).batch(50)


classifier.train(data_set)
print(plain(classifier.evaluate(data_set)))
found, _ = tf.estimator.train_and_evaluate(
    classifier, tf.estimator.TrainSpec(train, max_steps=80), tf.estimator.EvalSpec(test)
)
print(plain(found))


class Watch(tf.train.SessionRunHook):
    def begin(self):
        print("begin")

    def after_run(self, run_context, run_values):
        self.runs = getattr(self, "runs", 0) + 1

    def end(self, session):
        print("end", self.runs)


classifier.train(train, hooks=[Watch()], steps=3)
same = tf.estimator.Estimator(model_fn, classifier.model_dir, params={"units": 8})
print(same.get_variable_value("global_step"), same.params, same.config.save_summary_steps)

for wrong in (
    lambda: classifier.train(train, steps=1, max_steps=2),
    lambda: classifier.train(train, steps=0),
    lambda: tf.estimator.EstimatorSpec("train"),
    lambda: tf.estimator.EstimatorSpec("eval"),
    lambda: tf.estimator.EstimatorSpec("infer"),
    lambda: tf.estimator.EstimatorSpec("train", train_op=tf.no_op()),
    lambda: inputs({"x": x}),
    lambda: list(classifier.predict(few, predict_keys=["other"])),
    lambda: classifier.evaluate(test, steps=0),
    lambda: tf.estimator.Estimator(None),
):
    try:
        wrong()
        print("no error")
    except Exception as error:
        print(type(error).__name__, str(error)[:70])
