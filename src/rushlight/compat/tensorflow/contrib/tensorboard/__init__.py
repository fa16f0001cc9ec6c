"""``tf.contrib.tensorboard``: the settings of TensorBoard's projector."""

from __future__ import annotations

from . import plugins as plugins
