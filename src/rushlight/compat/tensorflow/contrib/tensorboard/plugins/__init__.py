"""``tf.contrib.tensorboard.plugins``: the projector."""

from __future__ import annotations

from . import projector as projector
