"""Several processes that work together: ``torch.distributed``'s functions over MPI.

``pip install "rushlight[mpi]"`` brings the engine (mpi4py and MPICH). A program calls ``init_process_group()`` and is started
with ``rushlight launch -n 4 train.py``, ``mpiexec -n 4 python train.py`` or ``srun``; alone it is a job of one process.
"""

from __future__ import annotations

from ..missing import lazily as _lazily
from .collectives import (
    all_gather as all_gather,
    all_gather_into_tensor as all_gather_into_tensor,
    all_reduce as all_reduce,
    all_to_all as all_to_all,
    all_to_all_single as all_to_all_single,
    barrier as barrier,
    broadcast as broadcast,
    gather as gather,
    monitored_barrier as monitored_barrier,
    reduce as reduce,
    reduce_scatter as reduce_scatter,
    reduce_scatter_tensor as reduce_scatter_tensor,
    scatter as scatter,
)
from .errors import (
    DistBackendError as DistBackendError,
    DistError as DistError,
    DistNetworkError as DistNetworkError,
    DistStoreError as DistStoreError,
    RanksDisagree as RanksDisagree,
)
from .object_collectives import (
    all_gather_object as all_gather_object,
    broadcast_object_list as broadcast_object_list,
    gather_object as gather_object,
    recv_object_list as recv_object_list,
    scatter_object_list as scatter_object_list,
    send_object_list as send_object_list,
)
from .parallel_step import data_parallel_step as data_parallel_step
from .point_to_point import (
    P2POp as P2POp,
    batch_isend_irecv as batch_isend_irecv,
    irecv as irecv,
    isend as isend,
    recv as recv,
    send as send,
)
from .process_group import (
    GroupMember as GroupMember,
    ProcessGroup as ProcessGroup,
    default_pg_timeout as default_pg_timeout,
    destroy_process_group as destroy_process_group,
    get_backend as get_backend,
    get_default_backend_for_device as get_default_backend_for_device,
    get_global_rank as get_global_rank,
    get_group_rank as get_group_rank,
    get_node_local_rank as get_node_local_rank,
    get_pg_count as get_pg_count,
    get_process_group_ranks as get_process_group_ranks,
    get_rank as get_rank,
    get_world_size as get_world_size,
    group as group,
    init_process_group as init_process_group,
    is_available as is_available,
    is_backend_available as is_backend_available,
    is_gloo_available as is_gloo_available,
    is_initialized as is_initialized,
    is_mpi_available as is_mpi_available,
    is_nccl_available as is_nccl_available,
    is_torchelastic_launched as is_torchelastic_launched,
    is_ucc_available as is_ucc_available,
    new_group as new_group,
    new_subgroups as new_subgroups,
    new_subgroups_by_enumeration as new_subgroups_by_enumeration,
)
from .reduce_op import ReduceOp as ReduceOp, premul_sum as premul_sum
from .work import Future as Future, Work as Work

from . import sync_batch_norm as _sync_batch_norm  # noqa: F401 isort: skip - which tells nn.SyncBatchNorm of itself

all_gather_single = all_gather_into_tensor
reduce_scatter_single = reduce_scatter_tensor
_make_nccl_premul_sum = premul_sum
_all_gather_base = all_gather_into_tensor
_reduce_scatter_base = reduce_scatter_tensor


class Backend:
    """The names of backends: strings, as ``get_backend()`` returns them."""

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    UCC = "ucc"
    MPI = "mpi"


def _end_the_job_on_errors_if_launched() -> None:
    # A rank that fails before init_process_group() must end the job too: the others would wait for it in MPI_Init.
    from . import engine

    if engine.is_one_of_several():
        engine.end_the_job_on_errors()


_end_the_job_on_errors_if_launched()

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(
    __name__,
    {
        "DeviceMesh": ".device_mesh:DeviceMesh",
        "init_device_mesh": ".device_mesh:init_device_mesh",
        "device_mesh": ".device_mesh",
        "distributed_c10d": ".distributed_c10d",
        "algorithms": ".algorithms",
        "GradBucket": ".buckets:GradBucket",
        **{
            name: f".stores:{name}" for name in ("FileStore", "HashStore", "PrefixStore", "Store", "TCPStore")
        },
        **{name: f".coalesced:{name}" for name in ("all_gather_coalesced", "all_reduce_coalesced")},
        **{
            name: f".debug_level:{name}"
            for name in ("DebugLevel", "get_debug_level", "set_debug_level", "set_debug_level_from_env")
        },
        "_coalescing_manager": ".coalesced:_coalescing_manager",
    },
)
