"""Ways to spread a tensor's computation that PyTorch tries out: names for imports."""

from __future__ import annotations

from ...absent import absent_function

context_parallel = absent_function(__name__, "context_parallel", "DistributedDataParallel")
implicit_replication = absent_function(__name__, "implicit_replication", "DistributedDataParallel")
