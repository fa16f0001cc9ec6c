"""Models whose parameters are spread over processes, of which there are none: names for ``isinstance`` and imports.

Wrapping a module raises ``NotImplementedError``; the options and the policies can be made and compared.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ...absent import absent_class, absent_function
from ...missing import lazily as _lazily

_INSTEAD = "DistributedDataParallel with torch.distributed.optim.ZeroRedundancyOptimizer"

FullyShardedDataParallel: Any = absent_class(__name__, "FullyShardedDataParallel", _INSTEAD)
FSDPModule: Any = absent_class(__name__, "FSDPModule", _INSTEAD)
fully_shard = absent_function(__name__, "fully_shard", _INSTEAD)
register_fsdp_forward_method = absent_function(__name__, "register_fsdp_forward_method", _INSTEAD)


class ShardingStrategy(Enum):
    """What would be spread."""

    FULL_SHARD = auto()
    SHARD_GRAD_OP = auto()
    NO_SHARD = auto()
    HYBRID_SHARD = auto()
    _HYBRID_SHARD_ZERO2 = auto()


class BackwardPrefetch(Enum):
    """When the next parameters would be fetched in backward."""

    BACKWARD_PRE = auto()
    BACKWARD_POST = auto()


class StateDictType(Enum):
    """Which form a state dict would have."""

    FULL_STATE_DICT = auto()
    LOCAL_STATE_DICT = auto()
    SHARDED_STATE_DICT = auto()


class _Options:
    """Named options, kept as they are given."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.args, self.options = args, options
        vars(self).update(options)

    def __repr__(self) -> str:
        inside = [repr(value) for value in self.args] + [f"{k}={v!r}" for k, v in self.options.items()]
        return f"{type(self).__name__}({', '.join(inside)})"


class CPUOffload(_Options):
    """Whether parameters would wait in the CPU's memory."""


class MixedPrecision(_Options):
    """The dtypes of parameters, sums and buffers."""


class OffloadPolicy(_Options):
    """Where parameters would wait."""


class CPUOffloadPolicy(OffloadPolicy):
    """Parameters would wait in the CPU's memory."""


class MixedPrecisionPolicy(_Options):
    """The dtypes of parameters and sums."""


class StateDictConfig(_Options):
    """How a state dict would be made."""


class FullStateDictConfig(StateDictConfig):
    """The whole on each process."""


class LocalStateDictConfig(StateDictConfig):
    """Each process its flat part."""


class ShardedStateDictConfig(StateDictConfig):
    """Each process its part."""


class OptimStateDictConfig(_Options):
    """How an optimizer's state dict would be made."""


class FullOptimStateDictConfig(OptimStateDictConfig):
    """The whole on each process."""


class ShardedOptimStateDictConfig(OptimStateDictConfig):
    """Each process its part."""


__getattr__ = _lazily(__name__)
