"""``tf.contrib.framework``: ``arg_scope`` and lists of variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# ruff: noqa: F401  (imported to be given away)
from .. import nest as nest
from ..graph import GraphKeys, get_default_graph
from ..learning_rates import (
    create_global_step as create_global_step,
    get_global_step as get_global_step,
    get_or_create_global_step as get_or_create_global_step,
)
from ..saver import list_variables as list_variables, load_variable as load_variable
from ..variables import local_variables as get_local_variables
from .layers import add_arg_scope as add_arg_scope, arg_scope as arg_scope

__path__: list[str] = []  # modules below this one can be imported: see the table in contrib/__init__.py


def get_variables(
    scope: Any = None, suffix: str | None = None, collection: Any = GraphKeys.GLOBAL_VARIABLES
) -> list[Any]:
    """The variables of a scope (a name or scope object), of those whose names end with ``suffix``."""
    name = getattr(scope, "name", scope)
    found = get_default_graph().get_collection(collection, name)
    return [v for v in found if suffix is None or v.op.name.endswith(suffix)]


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The trainable variables of a scope."""
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The model variables of a scope."""
    return get_variables(scope, suffix, GraphKeys.MODEL_VARIABLES)


def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """The global variables whose names begin so, without those that begin so."""
    found = get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES)
    if include is not None:
        found = [v for v in found if any(v.op.name.startswith(name) for name in include)]
    return [v for v in found if not any(v.op.name.startswith(name) for name in exclude or ())]


def assign_from_checkpoint_fn(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False, reshape_variables: bool = False
) -> Any:
    """A function of a session that restores ``var_list`` (variables, or names in the checkpoint and variables)."""
    from ..saver import NewCheckpointReader, Saver

    wanted = dict(var_list) if isinstance(var_list, dict) else {v.op.name: v for v in var_list}
    if ignore_missing_vars:
        reader = NewCheckpointReader(model_path)
        wanted = {name: v for name, v in wanted.items() if reader.has_tensor(name)}
    saver = Saver(wanted, reshape=reshape_variables)

    def restore(session: Any) -> None:
        saver.restore(session, model_path)

    return restore
