"""``tf.contrib.slim``: ``tf.contrib.layers`` under shorter names, with ``arg_scope``."""

from __future__ import annotations

from .. import losses as losses
from .framework import (
    assign_from_checkpoint_fn as assign_from_checkpoint_fn,
    get_model_variables as get_model_variables,
    get_or_create_global_step as get_or_create_global_step,
    get_trainable_variables as get_trainable_variables,
    get_variables as get_variables,
    get_variables_to_restore as get_variables_to_restore,
)
from .layers import (
    add_arg_scope as add_arg_scope,
    arg_scope as arg_scope,
    avg_pool2d as avg_pool2d,
    batch_norm as batch_norm,
    conv2d as conv2d,
    conv2d_transpose as conv2d_transpose,
    convolution2d as convolution2d,
    dropout as dropout,
    flatten as flatten,
    fully_connected as fully_connected,
    l1_regularizer as l1_regularizer,
    l2_regularizer as l2_regularizer,
    layer_norm as layer_norm,
    linear as linear,
    max_pool2d as max_pool2d,
    one_hot_encoding as one_hot_encoding,
    repeat as repeat,
    stack as stack,
    variance_scaling_initializer as variance_scaling_initializer,
    xavier_initializer as xavier_initializer,
)
