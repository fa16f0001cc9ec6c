"""``tensorflow.examples.tutorials``: only the reader of the MNIST tutorials."""
