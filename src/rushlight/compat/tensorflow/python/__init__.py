"""``tensorflow.python``: where TensorFlow 1 keeps its functions, for programs that import them from there.

``from tensorflow.python.framework import ops`` and the like were never TensorFlow's public interface, yet programs are
full of them. Each module here gives away what the façade has under the same names, and explains what it has not.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from ..gathered import FACADE, make

# The module, after tensorflow.python: where its names are looked for, in this order. "." is the façade itself.
_PLACES: Final[dict[str, str]] = {
    "tools.inspect_checkpoint": ".python.pieces",
    "client.device_lib": ".python.pieces",
    "client.session": ".session .",
    "client.timeline": ".python.pieces",
    "data.ops.dataset_ops": ".data",
    "data.ops.iterator_ops": ".data",
    "eager.context": ".python.pieces .",
    "framework.constant_op": ".conversion .",
    "framework.dtypes": ".dtypes .",
    "framework.errors": ".errors",
    "framework.errors_impl": ".errors",
    "framework.graph_util": ".meta_graph",
    "framework.ops": ". .graph .python.pieces",
    "framework.random_seed": ".",
    "framework.sparse_tensor": ".sparse_tensor .",
    "framework.tensor_shape": ".tensor_shape .",
    "framework.tensor_util": ".python.pieces .conversion .",
    "framework.test_util": ".test",
    "layers.base": ".layers",
    "layers.convolutional": ".layers",
    "layers.core": ".layers",
    "layers.layers": ".layers",
    "layers.normalization": ".layers",
    "layers.pooling": ".layers",
    "layers.utils": ".python.pieces",
    "lib.io.file_io": ".python.file_io",
    "lib.io.tf_record": ".python_io",
    "ops.array_ops": ". .nn .math",
    "ops.candidate_sampling_ops": ".nn .",
    "ops.check_ops": ".",
    "ops.clip_ops": ".",
    "ops.control_flow_ops": ".python.pieces . .control_flow",
    "ops.ctc_ops": ".nn",
    "ops.data_flow_ops": ".",
    "ops.embedding_ops": ".nn .",
    "ops.functional_ops": ".",
    "ops.gen_array_ops": ". .nn",
    "ops.gen_math_ops": ". .math",
    "ops.gen_nn_ops": ".nn .",
    "ops.gradients": ".",
    "ops.gradients_impl": ".",
    "ops.image_ops": ".image .",
    "ops.init_ops": ".initializers .",
    "ops.io_ops": ".",
    "ops.linalg_ops": ". .linalg",
    "ops.logging_ops": ". .summary",
    "ops.lookup_ops": ".lookup",
    "ops.losses.losses": ".losses",
    "ops.losses.losses_impl": ".losses",
    "ops.math_ops": ". .math",
    "ops.metrics": ".metrics",
    "ops.metrics_impl": ".metrics",
    "ops.nn": ".nn .",
    "ops.nn_impl": ".nn .",
    "ops.nn_ops": ".nn .",
    "ops.parsing_ops": ".",
    "ops.partitioned_variables": ".",
    "ops.random_ops": ". .random",
    "ops.resource_variable_ops": ".variables .",
    "ops.rnn": ".nn",
    "ops.rnn_cell": ".nn.rnn_cell .python.pieces",
    "ops.rnn_cell_impl": ".nn.rnn_cell .python.pieces",
    "ops.script_ops": ".",
    "ops.sparse_ops": ". .sparse",
    "ops.state_ops": ". .variables",
    "ops.string_ops": ". .strings",
    "ops.summary_ops": ".summary",
    "ops.tensor_array_ops": ".",
    "ops.variable_scope": ". .variable_scope",
    "ops.variables": ". .variables",
    "platform.app": ".app",
    "platform.flags": ".flags",
    "platform.gfile": ".gfile",
    "platform.googletest": ".test",
    "platform.test": ".test",
    "platform.tf_logging": ".logging",
    "summary.summary": ".summary",
    "summary.writer.writer": ".summary",
    "training.adagrad": ".train",
    "training.adam": ".train",
    "training.basic_session_run_hooks": ".train",
    "training.checkpoint_utils": ".train",
    "training.coordinator": ".train",
    "training.gradient_descent": ".train",
    "training.input": ".train",
    "training.learning_rate_decay": ".train",
    "training.momentum": ".train",
    "training.monitored_session": ".train",
    "training.moving_averages": ".python.pieces .train",
    "training.optimizer": ".train",
    "training.queue_runner": ".train",
    "training.queue_runner_impl": ".train",
    "training.rmsprop": ".train",
    "training.saver": ".train",
    "training.session_run_hook": ".train",
    "training.slot_creator": ".train",
    "training.summary_io": ".train .summary",
    "training.training": ".train",
    "training.training_util": ".train",
    "util.compat": ".compat",
    "util.nest": ".nest",
    "util.tf_export": ".python.pieces",
    "util.tf_inspect": ".python.pieces",
}


for _name, _where in _PLACES.items():
    make(__name__, _name, tuple(_where.split()))


def __getattr__(name: str) -> Any:
    """``tensorflow.python.anything`` that the façade has at its top, as TensorFlow's own package gave it away."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(sys.modules[FACADE], name)
