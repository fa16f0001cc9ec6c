"""The modules of PyTorch's tests that have nothing but flags, decorators and empty lists to give here."""

from __future__ import annotations

import enum
import sys
from types import ModuleType
from typing import Any, Final

from ...absent import absent_class, absent_function
from .switches import Skipping, named


class OpDTypes(enum.Enum):
    """Which dtypes of an operator a test asks for."""

    supported = 0
    unsupported = 1
    supported_backward = 2
    unsupported_backward = 3
    any_one = 4
    none = 5
    any_common_cpu_cuda_one = 6


class OptimizerErrorEnum(enum.Enum):
    """When an optimizer should raise."""

    CONSTRUCTION_ERROR = 0
    STEP_ERROR = 1


class TrainEvalMode(enum.Enum):
    """The modes that a module is tested in."""

    train_only = 0
    eval_only = 1
    train_and_eval = 2


class Described:
    """A record of a database: what it is given by name are its attributes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs
        for name, value in kwargs.items():
            if name not in ("args", "kwargs"):
                setattr(self, name, value)


class FromDatabase:
    """The test once for each entry of a database: there is none here, so it is skipped."""

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __call__(self, test: Any) -> Any:
        return Skipping("there is no database for this test here")(test)


def _zero_version() -> tuple[int, int]:
    """The version of CUDA: none."""
    return (0, 0)


def _no() -> bool:
    """False."""
    return False


def _accepted(*args: Any, **kwargs: Any) -> None:
    """Nothing is to be done."""


_RECORDS = ("FunctionInput", "ModuleInfo", "ModuleInput", "OptimizerInput", "OptimizerInfo", "OpInfo", "SampleInput",
            "ErrorInput", "DecorateInfo", "BinaryUfuncInfo", "UnaryUfuncInfo", "ReductionOpInfo", "ForeachFuncInfo",
            "SubclassInfo", "SpectralFuncInfo", "ShapeFuncInfo")  # fmt: skip
# Classes that are tensors of other kinds, or tests of what is not there: for imports alone.
_ABSENT: Final = {
    "autocast_test_lists": "AutocastTestLists AutocastCPUTestLists TestAutocast",
    "autograd_function_db": "NumpyCube NumpyCubeNotComposable NumpyMul NumpySort NumpyTake",
    "common_distributed": "MultiProcessTestCase MultiThreadedTestCase",
    "common_jit": "JitCommonTestCase check_against_reference",
    "common_optimizers": "TensorTracker _get_optim_inputs_including_global_cliquey_kwargs",
    "common_subclass": "DiagTensorBelow WrapperTensor",
    "custom_tensor": "ConstantExtraMetadataTensor CustomTensorPlainOut",
    "logging_tensor": "LoggingTensor LoggingTensorMode LoggingTensorReentrant capture_logs log_input "
    "capture_logs_with_logging_tensor_mode",
    "two_tensor": "TwoTensor TwoTensorMode",
}
# Module: its names that are neither flags nor decorators nor lists of a database.
MODULES: Final[dict[str, dict[str, Any]]] = {
    "autocast_test_lists": {},
    "autograd_function_db": {},
    "common_cuda": {
        "_get_torch_cuda_version": _zero_version,
        "initialize_cuda_context_rng": _accepted,
        "tf32_is_not_fp32": _no,
    },
    "common_distributed": {},
    "common_jit": {},
    "common_mkldnn": {},
    "common_modules": {"modules": FromDatabase, "TrainEvalMode": TrainEvalMode},
    "common_optimizers": {"optims": FromDatabase, "OptimizerErrorEnum": OptimizerErrorEnum},
    "common_pruning": {},
    "common_quantization": {},
    "common_quantized": {},
    "common_subclass": {"subclass_db": {}},
    "composite_compliance": {},
    "control_flow_opinfo_db": {},
    "custom_op_db": {},
    "custom_tensor": {},
    "hop_db": {},
    "hypothesis_utils": {"assert_deadline_disabled": _accepted},
    "inductor_utils": {},
    "logging_tensor": {},
    "opinfo": {"__path__": []},
    "opinfo.core": {"S": 5, "M": 10, "L": 20},
    "opinfo.definitions": {"__path__": []},
    "opinfo.definitions._masked": {},
    "opinfo.definitions.linalg": {},
    "opinfo.definitions.signal": {},
    "opinfo.definitions.special": {},
    "opinfo.refs": {},
    "triton_utils": {},
    "two_tensor": {},
}
_LISTS = ("_db", "_ops", "_funcs", "_list", "_ufuncs", "_tests", "ops_and_refs", "_fns", "_fn_tests")


def database_names(module: str) -> Any:
    """A module's ``__getattr__``: empty lists for databases, records for their entries, and flags and decorators."""
    others = named(module)

    def attribute(name: str) -> Any:
        if name.endswith(_LISTS):
            return []
        if name in _RECORDS:
            return type(name, (Described,), {"__module__": module})
        return others(name)

    return attribute


def module_named(leaf: str) -> ModuleType | None:
    """The module ``torch.testing._internal.<leaf>``, made where it is not there yet; None for one without an entry."""
    names = MODULES.get(leaf)
    if names is None:
        return None
    name = f"{__package__}.{leaf}"
    if name not in sys.modules:
        module = ModuleType(name, "Names for imports: flags that are False, decorators, and empty lists.")
        vars(module).update(names)
        for each in _ABSENT.get(leaf, "").split():
            make = absent_class if each[0].isupper() else absent_function
            setattr(module, each, make(name, each, "a test of its own"))
        inside = [entry[len(leaf) + 1 :] for entry in MODULES if entry.startswith(leaf + ".")]
        by_name = database_names(name)

        def attribute(part: str) -> Any:
            if part in inside:
                return module_named(f"{leaf}.{part}")
            return by_name(part)

        vars(module)["__getattr__"] = attribute
        sys.modules[name] = module
    return sys.modules[name]
