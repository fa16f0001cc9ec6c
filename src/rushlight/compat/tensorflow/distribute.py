"""``tf.distribute``, as far as it goes here: what the processes of a job compute together, inside of their graphs.

The processes are those of ``rushlight.distributed``: each runs the program, makes the same graph and runs the same steps, and
so is one replica. Strategies, which would run one program on many devices, are not available.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from .conversion import convert_to_tensor
from .graph import Tensor, name_scope, node


class ReduceOp(Enum):
    """How the replicas' values become one."""

    SUM = "SUM"
    MEAN = "MEAN"


class ReplicaContext:
    """This process as one of the replicas."""

    @property
    def num_replicas_in_sync(self) -> int:
        """How many processes the job has; 1 without ``init_process_group()``."""
        from ...distributed import get_world_size, is_initialized

        return get_world_size() if is_initialized() else 1

    @property
    def replica_id_in_sync_group(self) -> int:
        """This process's number."""
        from ...distributed import get_rank, is_initialized

        return get_rank() if is_initialized() else 0

    def all_reduce(self, reduce_op: ReduceOp | str, value: Any, options: Any = None) -> Any:
        """The sum or mean of all processes' ``value``: a tensor, or a list, tuple or dict of them, such as gradients.

        Its gradient is the same reduction of the gradients. All processes must run it, in the same order among others.
        """
        op = reduce_op if isinstance(reduce_op, ReduceOp) else _named(reduce_op)
        if isinstance(value, list | tuple):
            return type(value)([self.all_reduce(op, part) for part in value])
        if isinstance(value, dict):
            return {key: self.all_reduce(op, part) for key, part in value.items()}
        if value is None:  # of a variable without a gradient
            return None
        with name_scope(None, "all_reduce"):
            x: Tensor = convert_to_tensor(value)
            return node("CollectiveReduce", _KERNELS[op], [x], x.dtype, x.shape, None)

    def __repr__(self) -> str:
        return f"<ReplicaContext: {self.replica_id_in_sync_group} of {self.num_replicas_in_sync}>"


def get_replica_context() -> ReplicaContext:
    """This process as one of the replicas.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> tf.distribute.get_replica_context().num_replicas_in_sync
        1
    """
    return ReplicaContext()


def _named(name: Any) -> ReduceOp:
    try:
        return ReduceOp(str(name).upper())
    except ValueError:
        raise ValueError(f"reduce_op must be in {[op.name for op in ReduceOp]}, but got {name!r}") from None


def _reduced(x: Any, by: str) -> Any:
    from ...distributed import ReduceOp as Reduction, is_initialized
    from ...distributed.nn.functional import all_reduce

    return all_reduce(x, Reduction[by]) if is_initialized() else x


def _sum(x: Any) -> Any:
    return _reduced(x, "SUM")


def _mean(x: Any) -> Any:
    return _reduced(x, "AVG")


_KERNELS = {ReduceOp.SUM: _sum, ReduceOp.MEAN: _mean}
