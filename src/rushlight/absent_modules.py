"""Modules of PyTorch's that libraries import for a few names, and of which nothing is here.

Each is made when a program imports it: its classes serve ``isinstance``, its functions raise ``NotImplementedError``
with what to use instead.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final

from .absent import absent_class, absent_function
from .missing import lazily

_PARALLEL: Final = "DistributedDataParallel, or the collectives of torch.distributed"
_SAVE: Final = "torch.save and torch.load of a state_dict"
_LAUNCH: Final = "rushlight launch, or torch.multiprocessing.spawn"
_COMPILE: Final = "torch.compile, which records operations without rewriting Python code"
_CPP: Final = "Python: there is no C++ here"
_QUANT: Final = "float32, or torch.autocast for bfloat16: there is no quantization"
_QUANT_NAMES: Final = (
    "convert fuse_modules fuse_modules_qat get_default_qat_qconfig get_default_qconfig get_default_qconfig_mapping prepare "
    "prepare_qat quantize quantize_dynamic quantize_qat DeQuantStub FakeQuantize FakeQuantizeBase HistogramObserver "
    "MinMaxObserver NoopObserver PlaceholderObserver "
    "MovingAverageMinMaxObserver ObserverBase PerChannelMinMaxObserver QConfig QConfigMapping QuantStub QuantWrapper"
)
_QUANT_LAYERS: Final = "Conv1d Conv2d Conv3d Embedding EmbeddingBag FloatFunctional Linear QFunctional"

# Module (after rushlight.): what to use instead, and its names. Capitals are classes.
TABLE: Final[dict[str, tuple[str, str]]] = {
    "distributed._composable": (_PARALLEL, ""),
    "distributed._composable.fsdp": (
        _PARALLEL,
        "fully_shard FSDPModule CPUOffloadPolicy MixedPrecisionPolicy OffloadPolicy",
    ),
    "distributed._functional_collectives": (
        _PARALLEL,
        "all_gather_tensor all_gather_tensor_autograd all_reduce all_to_all_single all_to_all_single_autograd "
        "reduce_scatter_tensor reduce_scatter_tensor_autograd wait_tensor AsyncCollectiveTensor",
    ),
    "distributed.algorithms._checkpoint": ("torch.utils.checkpoint.checkpoint", ""),
    "distributed.algorithms._checkpoint.checkpoint_wrapper": (
        "torch.utils.checkpoint.checkpoint",
        "apply_activation_checkpointing checkpoint_wrapper offload_wrapper CheckpointImpl CheckpointWrapper",
    ),
    "distributed.checkpoint._consolidate_hf_safetensors": (_SAVE, "consolidate_safetensors_files"),
    "distributed.checkpoint.default_planner": (_SAVE, "DefaultLoadPlanner DefaultSavePlanner"),
    "distributed.checkpoint.format_utils": (
        _SAVE,
        "dcp_to_torch_save torch_save_to_dcp _load_state_dict _EmptyStateDictLoadPlanner",
    ),
    "distributed.checkpoint.hf_storage": (_SAVE, "HuggingFaceStorageReader HuggingFaceStorageWriter"),
    "distributed.checkpoint.stateful": (_SAVE, "Stateful"),
    "distributed.launcher": (_LAUNCH, ""),
    "distributed.launcher.api": (_LAUNCH, "elastic_launch LaunchConfig"),
    "distributed.pipelining": (_PARALLEL, "pipeline PipelineStage Schedule1F1B ScheduleGPipe SplitPoint"),
    "distributed.tensor.experimental._attention": (_PARALLEL, "context_parallel set_rotate_method"),
    "distributed.tensor.parallel": (
        _PARALLEL,
        "parallelize_module loss_parallel ColwiseParallel RowwiseParallel SequenceParallel PrepareModuleInput "
        "PrepareModuleOutput ParallelStyle",
    ),
    "distributed.algorithms.ddp_comm_hooks.post_localSGD_hook": (
        _PARALLEL,
        "post_localSGD_hook PostLocalSGDState",
    ),
    "distributed.algorithms.ddp_comm_hooks.powerSGD_hook": (
        _PARALLEL,
        "powerSGD_hook batched_powerSGD_hook PowerSGDState",
    ),
    "distributed.algorithms.model_averaging": (_PARALLEL, ""),
    "distributed.algorithms.model_averaging.averagers": (_PARALLEL, "ModelAverager PeriodicModelAverager"),
    "distributed.checkpoint.optimizer": (_SAVE, "load_sharded_optimizer_state_dict"),
    "distributed.checkpoint.state_dict_loader": (_SAVE, "_load_state_dict load load_state_dict"),
    "distributed.fsdp.api": (
        _PARALLEL,
        "BackwardPrefetch CPUOffload FullOptimStateDictConfig FullStateDictConfig LocalStateDictConfig MixedPrecision "
        "ShardedOptimStateDictConfig ShardedStateDictConfig ShardingStrategy StateDictType",
    ),
    "distributed.autograd": (_PARALLEL, "backward context get_gradients DistAutogradContext"),
    "distributed.rpc": (_PARALLEL, "init_rpc shutdown rpc_sync rpc_async remote RRef"),
    "distributed.utils": (_PARALLEL, "_sync_module_states _verify_param_shape_across_processes"),
    "_subclasses": (_COMPILE, "FakeTensor FakeTensorMode"),
    "_subclasses.fake_tensor": (
        _COMPILE,
        "DataDependentOutputException DynamicOutputShapeException FakeTensor FakeTensorConfig FakeTensorMode is_fake",
    ),
    "compat.functorch.compile": (
        _COMPILE,
        "aot_function aot_module make_boxed_func min_cut_rematerialization_partition",
    ),
    "_C._functorch": (
        "torch.func",
        "CInterpreter TransformType _unwrap_for_grad _wrap_for_grad get_unwrapped is_batchedtensor reshape_dim_into "
        "reshape_dim_outof unwrap_if_dead",
    ),
    "_decomp": (_COMPILE, "core_aten_decompositions decomposition_table get_decompositions"),
    "_dynamo.testing": (
        _COMPILE,
        "CompileCounter CompileCounterWithBackend EagerAndRecordGraphs normalize_gm same",
    ),
    "_dynamo.utils": (_COMPILE, "counters"),
    "_export": (_COMPILE, ""),
    "_functorch.aot_autograd": (_COMPILE, "aot_export_module aot_function aot_module"),
    "_functorch.autograd_function": ("torch.autograd.Function", "custom_function_call"),
    "_functorch.pyfunctorch": (
        "torch.func",
        "coerce_cinterpreter retrieve_current_functorch_interpreter temporarily_pop_interpreter_stack",
    ),
    "_functorch.utils": (
        "torch.func",
        "argnums_t enable_single_level_autograd_function exposed_in unwrap_dead_wrappers",
    ),
    "_guards": (_COMPILE, "TracingContext detect_fake_mode"),
    "_logging": ("Python's logging", "set_logs trace_structured"),
    "_ops": ("torch.ops", "HigherOrderOperator OpOverload OpOverloadPacket"),
    "_prims": (_COMPILE, ""),
    "_refs": (_COMPILE, ""),
    "_utils_internal": ("a path of the program's own", "get_file_path get_file_path_2"),
    "_weights_only_unpickler": ("torch.load(weights_only=True)", "Unpickler"),
    "autograd.profiler_util": (
        "torch.profiler.profile",
        "EventList FunctionEvent FunctionEventAvg Interval Kernel _format_time",
    ),
    "fx.experimental.rewriter": ("torch.fx.symbolic_trace", "RewritingTracer"),
    "monitor": (
        "torch.utils.tensorboard",
        "Aggregation Event EventHandlerHandle Stat TensorboardEventHandler log_event register_event_handler "
        "unregister_event_handler",
    ),
    "nn.parallel._functions": (_PARALLEL, "Broadcast Gather Scatter"),
    "nn.utils._expanded_weights": ("torch.func.vmap of torch.func.grad", "ExpandedWeight"),
    "nn.utils._named_member_accessor": ("torch.func.functional_call", "NamedMemberAccessor swap_tensor"),
    "utils._stats": ("a counter of the program's own", "count count_label simple_call_counter"),
    "utils._traceback": (
        "Python's traceback",
        "CapturedTraceback format_traceback_short report_compile_source_on_error",
    ),
    "utils.backend_registration": (
        "torch.device",
        "_setup_privateuseone_for_python_backend generate_methods_for_privateuse1_backend rename_privateuse1_backend",
    ),
    "utils.data.backward_compatibility": (
        "torch.utils.data.DataLoader(worker_init_fn=...)",
        "worker_init_fn",
    ),
    "utils.data.graph": ("torch.utils.data.IterableDataset", "traverse traverse_dps"),
    "utils.mkldnn": ("torch.compile", "to_mkldnn"),
    "utils.show_pickle": ("pickletools", "main"),
    "utils.tensorboard._embedding": (
        "torch.utils.tensorboard.SummaryWriter",
        "make_mat make_sprite make_tsv",
    ),
    "utils.tensorboard._onnx_graph": (_SAVE, "load_onnx_graph"),
    "utils.tensorboard._pytorch_graph": ("print(model)", "graph"),
    "utils.throughput_benchmark": ("torch.utils.benchmark", "ThroughputBenchmark"),
    "fx.experimental": (_COMPILE, ""),
    "fx.experimental.proxy_tensor": (_COMPILE, "make_fx get_proxy_mode"),
    "_inductor": (_COMPILE, "cudagraph_mark_step_begin"),
    "jit._recursive": (_COMPILE, ""),
    "nested": (
        "a list of tensors, or torch.nn.utils.rnn.pad_sequence",
        "nested_tensor as_nested_tensor masked_select narrow nested_tensor_from_jagged to_padded_tensor",
    ),
    "onnx._internal": ("torch.save and torch.load", ""),
    "onnx._internal.exporter": ("torch.save and torch.load", "ONNXProgram"),
    "cuda.profiler": ("torch.profiler.profile", "profile init start stop"),
    "utils.data.graph_settings": ("torch.utils.data.IterableDataset", "apply_shuffle_settings"),
    "export": (
        _COMPILE,
        "default_decompositions dims draft_export export load register_dataclass save unflatten AdditionalInputs Constraint "
        "CustomDecompTable Dim ExportBackwardSignature ExportGraphSignature ExportedProgram FlatArgsAdapter ModuleCallEntry "
        "ModuleCallSignature ShapesCollection UnflattenedModule",
    ),
    "numa": (_LAUNCH, ""),
    "numa.binding": (_LAUNCH, "AffinityMode NumaOptions"),
    "onnx.operators": ("torch.save and torch.load", "shape_as_tensor reshape_from_tensor_shape"),
    "onnx.symbolic_helper": ("torch.save and torch.load", "parse_args"),
    "onnx.utils": ("torch.save and torch.load", "export"),
    "ao": (_QUANT, ""),
    "ao.nn": (_QUANT, ""),
    "ao.nn.intrinsic": (_QUANT, "ConvBn2d ConvBnReLU2d ConvReLU2d LinearReLU"),
    "ao.nn.qat": (_QUANT, "Conv2d Linear"),
    "ao.nn.quantized": (_QUANT, _QUANT_LAYERS),
    "ao.nn.quantized.dynamic": (_QUANT, "GRU LSTM Linear"),
    "ao.pruning": ("torch.nn.utils.prune", "BaseSparsifier WeightNormSparsifier"),
    "ao.quantization": (_QUANT, _QUANT_NAMES),
    "ao.quantization.quantize_fx": (_QUANT, "convert_fx fuse_fx prepare_fx prepare_qat_fx"),
    "quantization": (_QUANT, _QUANT_NAMES),
    "quantization.quantize_fx": (_QUANT, "convert_fx fuse_fx prepare_fx prepare_qat_fx"),
    "nn.intrinsic": (_QUANT, "ConvBn2d ConvBnReLU2d ConvReLU2d LinearReLU"),
    "nn.qat": (_QUANT, "Conv2d Linear"),
    "nn.quantized": (_QUANT, _QUANT_LAYERS),
    "nn.quantized.dynamic": (_QUANT, "GRU LSTM Linear"),
    "cuda.comm": (_PARALLEL, "broadcast broadcast_coalesced gather reduce_add reduce_add_coalesced scatter"),
    "cuda.nccl": (
        _PARALLEL,
        "all_gather all_reduce broadcast init_rank reduce reduce_scatter unique_id version",
    ),
    "fx.experimental.symbolic_shapes": (
        _COMPILE,
        "guard_size_oblivious DimDynamic ShapeEnv StatelessSymbolicContext",
    ),
    "fx.passes.graph_drawer": ("Graph.print_tabular, or print(graph)", "FxGraphDrawer"),
    "package": ("torch.save and torch.load", "EmptyMatchError PackageExporter PackageImporter"),
    "utils.bundled_inputs": ("torch.save and torch.load", "augment_model_with_bundled_inputs"),
    "utils.mobile_optimizer": ("torch.compile", "generate_mobile_module_lints optimize_for_mobile"),
    "onnx": ("torch.save and torch.load, or safetensors", "export is_in_onnx_export ONNXProgram"),
    "utils.cpp_extension": (_CPP, "load load_inline BuildExtension CppExtension CUDAExtension"),
}


def absent_module(name: str) -> ModuleType | None:
    """The module that stands for ``name`` (``"rushlight.onnx"``), made where it is not there yet; None for a name without one.

    Example:
        >>> absent_module("rushlight.onnx").export(None)
        Traceback (most recent call last):
            ...
        NotImplementedError: torch.onnx.export: Rushlight does not have it; use torch.save and torch.load, or safetensors
    """
    entry = TABLE.get(name.removeprefix("rushlight."))
    if entry is None:
        return None
    present = sys.modules.get(name)
    if present is not None:
        return present
    instead, names = entry
    module = ModuleType(name, f"Names for imports: nothing of it is here. Use {instead}.")
    module.__path__ = []  # its submodules are in the table
    for each in names.split():
        make = absent_class if each.lstrip("_")[0].isupper() else absent_function
        setattr(module, each, make(name, each, instead))
    for each, answer in _ANSWERS.get(name.removeprefix("rushlight."), {}).items():
        setattr(module, each, answer)
    vars(module)["__getattr__"] = lazily(name)
    sys.modules[name] = module
    parent, _, leaf = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], leaf, module)
    return module


def _no(*args: object) -> bool:
    """False: nothing is exported or called in other processes, and no tensor is fake."""
    return False


def _none(*args: object) -> None:
    """None: nothing is being traced."""


# Questions that have a true answer also where nothing is there.
_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "onnx": {"is_in_onnx_export": _no},
    "distributed.autograd": {"is_available": _no},
    "distributed.rpc": {"is_available": _no},
    "_subclasses.fake_tensor": {"is_fake": _no},
    "fx.experimental.proxy_tensor": {"get_proxy_mode": _none},
}


# The modules that are attributes of torch without an import of their own.
MaskedTensor, masked_tensor, as_masked_tensor = (
    (absent_class if name[0].isupper() else absent_function)(
        "rushlight.masked", name, "the functions of torch.masked with a mask, or torch.where"
    )
    for name in ("MaskedTensor", "masked_tensor", "as_masked_tensor")
)
is_masked_tensor = _no
export, onnx = absent_module("rushlight.export"), absent_module("rushlight.onnx")
nested = absent_module("rushlight.nested")
PyTorchFileReader = absent_class("rushlight", "PyTorchFileReader", _SAVE)
PyTorchFileWriter = absent_class("rushlight", "PyTorchFileWriter", _SAVE)
