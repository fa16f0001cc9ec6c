"""``tensorflow.examples``: only the reader of the MNIST tutorials."""
