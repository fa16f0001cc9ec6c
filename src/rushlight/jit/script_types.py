"""The types of TorchScript's values, which libraries import for annotations. There is no TorchScript here."""

from __future__ import annotations

from typing import Any, Final

from ..absent import absent_class
from ..missing import lazily

_NAMES: Final = (
    "AggregationType", "AnyType", "AwaitType", "BoolType", "ClassType", "ComplexType", "ConcreteModuleType", "DeviceObjType",
    "DictType", "EnumType", "FloatType", "FutureType", "InferredType", "InterfaceType", "IntType", "ListType", "NoneType",
    "NumberType", "OptionalType", "PyObjectType", "RRefType", "StreamObjType", "StringType", "SymBoolType", "SymIntType",
    "TensorType", "TupleType", "Type", "UnionType",
)  # fmt: skip
_instead = lazily(__name__)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        return _instead(name)
    made = globals()[name] = absent_class(
        "rushlight", name, "the types of Python: there is no TorchScript here"
    )
    return made
