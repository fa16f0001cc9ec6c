"""``torch.cuda``: the GPUs, their memory, streams and random numbers. On a machine without one it says so, and nothing fails
but what needs a GPU.

A GPU is used through CuPy (``pip install 'rushlight[cuda]'``), which is imported when a program first asks for a CUDA device.
"""

from __future__ import annotations

from typing import Any as _Any

from ..core.errors import OutOfMemoryError as OutOfMemoryError
from ..missing import on_first_use as _on_first_use
from ..ops.typed_tensors import ON_GPU as _ON_GPU
from . import memory as memory, nvtx as nvtx, random as random, streams as streams
from .devices import (
    can_device_access_peer as can_device_access_peer,
    current_blas_handle as current_blas_handle,
    current_device as current_device,
    device as device,
    device_count as device_count,
    device_of as device_of,
    get_arch_list as get_arch_list,
    get_device_capability as get_device_capability,
    get_device_name as get_device_name,
    get_device_properties as get_device_properties,
    init as init,
    ipc_collect as ipc_collect,
    is_available as is_available,
    is_bf16_supported as is_bf16_supported,
    is_initialized as is_initialized,
    set_device as set_device,
    synchronize as synchronize,
)
from .graphs import (
    CUDAGraph as CUDAGraph,
    graph as graph,
    graph_pool_handle as graph_pool_handle,
    is_current_stream_capturing as is_current_stream_capturing,
    make_graphed_callables as make_graphed_callables,
)
from .memory import (
    empty_cache as empty_cache,
    max_memory_allocated as max_memory_allocated,
    max_memory_reserved as max_memory_reserved,
    mem_get_info as mem_get_info,
    memory_allocated as memory_allocated,
    memory_reserved as memory_reserved,
    memory_stats as memory_stats,
    memory_summary as memory_summary,
    reset_max_memory_allocated as reset_max_memory_allocated,
    reset_peak_memory_stats as reset_peak_memory_stats,
    set_per_process_memory_fraction as set_per_process_memory_fraction,
)
from .random import (
    get_rng_state as get_rng_state,
    get_rng_state_all as get_rng_state_all,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    manual_seed_all as manual_seed_all,
    seed as seed,
    seed_all as seed_all,
    set_rng_state as set_rng_state,
    set_rng_state_all as set_rng_state_all,
)
from .streams import (
    Event as Event,
    ExternalStream as ExternalStream,
    Stream as Stream,
    StreamContext as StreamContext,
    current_stream as current_stream,
    default_stream as default_stream,
    set_stream as set_stream,
    stream as stream,
)

max_memory_cached, memory_cached = max_memory_reserved, memory_reserved

_lookup, __dir__ = _on_first_use(__name__, {"amp": ".amp"})
globals().update(_ON_GPU)  # FloatTensor, LongTensor and the like


def __getattr__(name: str) -> _Any:
    return is_initialized() if name == "_initialized" else _lookup(name)  # libraries look at the flag itself
