"""Which modules of a model would be wrapped: the policies work, wrapping raises ``NotImplementedError``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...absent import absent_class, absent_function
from ...nn.module import Module

_INSTEAD = "DistributedDataParallel"

ModuleWrapPolicy: Any = absent_class(__name__, "ModuleWrapPolicy", _INSTEAD)
CustomPolicy: Any = absent_class(__name__, "CustomPolicy", _INSTEAD)
enable_wrap = absent_function(__name__, "enable_wrap", _INSTEAD)
wrap = absent_function(__name__, "wrap", _INSTEAD)


def always_wrap_policy(*args: Any, **kwargs: Any) -> bool:
    """True: every module."""
    return True


def transformer_auto_wrap_policy(
    module: Module, recurse: bool, nonwrapped_numel: int, transformer_layer_cls: set[type[Module]]
) -> bool:
    """The modules of the given classes."""
    return recurse or isinstance(module, tuple(transformer_layer_cls))


def lambda_auto_wrap_policy(
    module: Module, recurse: bool, nonwrapped_numel: int, lambda_fn: Callable[[Module], bool]
) -> bool:
    """The modules for which ``lambda_fn`` says so."""
    return recurse or lambda_fn(module)


def _or_policy(
    module: Module, recurse: bool, nonwrapped_numel: int, policies: Iterable[Callable[..., bool]]
) -> bool:
    return any(
        policy(module=module, recurse=recurse, nonwrapped_numel=nonwrapped_numel) for policy in policies
    )


def size_based_auto_wrap_policy(
    module: Module,
    recurse: bool,
    nonwrapped_numel: int,
    min_num_params: int = int(1e8),
    force_leaf_modules: set[type[Module]] | None = None,
    exclude_wrap_modules: set[type[Module]] | None = None,
) -> bool:
    """The modules of at least ``min_num_params`` numbers that are not wrapped yet; lists and dicts of modules never."""
    from ...nn.containers import ModuleDict, ModuleList

    large = nonwrapped_numel >= min_num_params
    if recurse:
        leaves = force_leaf_modules if force_leaf_modules is not None else {_attention_class()}
        return large and not isinstance(module, tuple(leaves))
    excluded = exclude_wrap_modules if exclude_wrap_modules is not None else {ModuleList, ModuleDict}
    return large and not isinstance(module, tuple(excluded))


def _attention_class() -> type[Module]:
    from ...nn.attention_layers import MultiheadAttention

    return MultiheadAttention
