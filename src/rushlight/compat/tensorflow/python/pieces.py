"""Functions that TensorFlow 1 has in ``tensorflow.python`` alone, and that programs call there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..control_flow import group
from ..conversion import constant_value as constant_value, convert_to_tensor
from ..graph import get_default_graph, name_scope
from ..initializers import Constant
from ..nn import bias_add
from ..ops_array import concat, identity
from ..ops_math import matmul
from ..variable_scope import get_variable, variable_scope
from ..variables import assign_sub


def with_dependencies(dependencies: Sequence[Any], output_tensor: Any, name: str | None = None) -> Any:
    """``output_tensor``, which is there once all of ``dependencies`` have run."""
    with name_scope(name, "control_dependency"), get_default_graph().control_dependencies(dependencies):
        return identity(output_tensor)


def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Any:
    """Bring ``variable`` nearer to ``value``: ``variable -= (variable - value) * (1 - decay)``.

    ``zero_debias`` divides by what the averaging has seen so far, as Adam does; for that there is a second variable, as in
    TensorFlow, and ``variable`` must begin with zeros.
    """
    with name_scope(name, "AssignMovingAvg"):
        rest = 1.0 - convert_to_tensor(decay, dtype=variable.dtype)
        target = convert_to_tensor(value, dtype=variable.dtype)
        if not zero_debias:
            return assign_sub(variable, (variable - target) * rest)
        place = variable.op.name
        with variable_scope(None, default_name=place, reuse=False):
            biased = get_variable("biased", variable.shape, variable.dtype, Constant(0.0), trainable=False)
            steps = get_variable("local_step", [], variable.dtype, Constant(0.0), trainable=False)
        added = group(assign_sub(biased, (biased - target) * rest), steps.assign_add(1.0))
        with get_default_graph().control_dependencies([added]):
            average = biased.read_value() / (1.0 - (1.0 - rest) ** steps.read_value())
            return variable.assign(average)


def _linear(
    args: Any, output_size: int, bias: bool, bias_initializer: Any = None, kernel_initializer: Any = None
) -> Any:
    """``concat(args) · kernel + bias``, with variables in the open scope: what cells of programs' own are made of.

    Raises:
        ValueError: if there are no ``args``, or one is not a matrix of known width.
    """
    if args is None or (isinstance(args, list | tuple) and not args):
        raise ValueError("`args` must be specified")
    rows = [convert_to_tensor(x) for x in (args if isinstance(args, list | tuple) else [args])]
    width = 0
    for x in rows:
        if x.shape.ndims != 2:
            raise ValueError(f"linear is expecting 2D arguments: {[row.shape for row in rows]}")
        if x.shape[1].value is None:
            raise ValueError(
                f"linear expects shape[1] to be provided for shape {x.shape}, but saw {x.shape[1]}"
            )
        width += x.shape[1].value
    kernel = get_variable("kernel", [width, output_size], rows[0].dtype, kernel_initializer)
    product = matmul(rows[0] if len(rows) == 1 else concat(rows, 1), kernel)
    if not bias:
        return product
    return bias_add(
        product, get_variable("bias", [output_size], rows[0].dtype, bias_initializer or Constant(0.0))
    )


class _Linear:
    """:func:`_linear` with its variables made once: ``linear = _Linear(args, output_size, build_bias); linear(args)``."""

    def __init__(
        self,
        args: Any,
        output_size: int,
        build_bias: bool,
        bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ) -> None:
        rows = args if isinstance(args, list | tuple) else [args]
        width = sum(int(convert_to_tensor(x).shape[1].value) for x in rows)
        kind = convert_to_tensor(rows[0]).dtype
        self._weights = get_variable("kernel", [width, output_size], kind, kernel_initializer)
        self._biases = None
        if build_bias:
            self._biases = get_variable("bias", [output_size], kind, bias_initializer or Constant(0.0))

    def __call__(self, args: Any) -> Any:
        joined = concat(args, 1) if isinstance(args, list | tuple) and len(args) > 1 else args
        if isinstance(joined, list | tuple):
            joined = joined[0]
        product = matmul(joined, self._weights)
        return product if self._biases is None else product + self._biases


linear = _linear


class _Device:
    """One device as ``device_lib`` describes it."""

    name = "/device:CPU:0"
    device_type = "CPU"
    memory_limit = 268435456
    incarnation = 0
    physical_device_desc = ""

    def __repr__(self) -> str:
        return f'name: "{self.name}"\ndevice_type: "{self.device_type}"\nmemory_limit: {self.memory_limit}\n'


def list_local_devices(session_config: Any = None) -> list[_Device]:
    """The devices that graphs run on: one, the CPU."""
    return [_Device()]


class Timeline:
    """Refuses: sessions record no times of single operations."""

    def __init__(self, step_stats: Any = None, graph: Any = None) -> None:
        raise NotImplementedError(
            "Timeline: sessions record no times of single operations; time the program with `rushlight run --profile` "
            "or rushlight.profiler"
        )


def convert_n_to_tensor(values: Sequence[Any], dtype: Any = None, name: str | None = None) -> list[Any]:
    """Each of ``values`` as a tensor."""
    return [convert_to_tensor(value, dtype=dtype) for value in values]


def convert_n_to_tensor_or_indexed_slices(
    values: Sequence[Any], dtype: Any = None, name: str | None = None
) -> list[Any]:
    """Each of ``values`` as a tensor; None stays None."""
    return [None if value is None else convert_to_tensor(value, dtype=dtype) for value in values]


def constant_value_as_shape(tensor: Any) -> Any:
    """The shape that a tensor of extents says, as far as it is known when the graph is built."""
    from ..tensor_shape import as_shape

    return as_shape(constant_value(tensor))


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor or variable of a graph."""
    from ..graph import Operand

    return isinstance(x, Operand)


def smart_cond(
    pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], name: str | None = None
) -> Any:
    """``true_fn()`` or ``false_fn()`` where ``pred`` is known when the graph is built; ``tf.cond`` otherwise."""
    from ..control_flow import cond

    known = pred if isinstance(pred, bool | int | np.bool_) else constant_value(pred)
    if known is None:
        return cond(pred, true_fn, false_fn, name=name)
    return true_fn() if known else false_fn()


def smart_constant_value(pred: Any) -> bool | None:
    """What ``pred`` is, if that is known when the graph is built; None otherwise."""
    known = pred if isinstance(pred, bool | int | np.bool_) else constant_value(pred)
    return None if known is None else bool(known)


def in_eager_mode() -> bool:
    """False: operations are added to a graph."""
    return False


def in_graph_mode() -> bool:
    """True: operations are added to a graph."""
    return True


executing_eagerly = in_eager_mode


def tf_export(*names: str, **options: Any) -> Callable[[Any], Any]:
    """A decorator that changes nothing: TensorFlow's own mark of public names."""
    return lambda thing: thing


def getargspec(function: Any) -> Any:
    """The arguments of a function."""
    import inspect

    return inspect.getfullargspec(function)


getfullargspec = getargspec


def print_tensors_in_checkpoint_file(
    file_name: str,
    tensor_name: str | None = None,
    all_tensors: bool = True,
    all_tensor_names: bool = False,
    **_: Any,
) -> None:
    """Print the names, types and shapes in a checkpoint; the values of ``tensor_name``, or of all."""
    from ..saver import NewCheckpointReader

    reader = NewCheckpointReader(file_name)
    if tensor_name and not all_tensors:
        print("tensor_name: ", tensor_name)
        print(reader.get_tensor(tensor_name))
        return
    kinds = reader.get_variable_to_dtype_map()
    for name, extents in sorted(reader.get_variable_to_shape_map().items()):
        print(f"tensor: {name} ({kinds[name].name}) {extents}")
        if all_tensors:
            print(reader.get_tensor(name))
