"""``tensorflow.examples.tutorials.mnist``: the reader of the MNIST files."""

from . import input_data as input_data
