"""Communication hooks: the mean as it is, and with gradients rounded to 16 bits first."""

from __future__ import annotations

from typing import Any

from ....core.dtypes import bfloat16, dtype, float16
from ....core.tensor import Tensor
from ...buckets import GradBucket
from ...collectives import all_reduce
from ...process_group import get_world_size
from ...work import Future


def allreduce_hook(process_group: Any, bucket: GradBucket) -> Future:
    """The mean over the ranks: what ``DistributedDataParallel`` does without a hook."""
    return _mean(process_group, bucket.buffer())


def fp16_compress_hook(process_group: Any, bucket: GradBucket) -> Future:
    """The mean of gradients that were rounded to float16.

    MPI has no arithmetic of 16 bits, so this saves no traffic here: it gives the numbers that it gives in PyTorch.
    """
    return _rounded(process_group, bucket, float16)


def bf16_compress_hook(process_group: Any, bucket: GradBucket) -> Future:
    """As ``fp16_compress_hook``, in bfloat16."""
    return _rounded(process_group, bucket, bfloat16)


def _mean(process_group: Any, tensor: Tensor) -> Future:
    tensor.div_(get_world_size(process_group))
    work = all_reduce(tensor, group=process_group, async_op=True)
    assert work is not None
    return work.get_future()


def _rounded(process_group: Any, bucket: GradBucket, kind: dtype) -> Future:
    original = bucket.buffer()
    future = _mean(process_group, original.to(kind))
    return future.then(lambda done: original.copy_(done.value()[0]))
