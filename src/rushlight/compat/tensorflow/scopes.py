"""The default graph's scopes and collections, as functions of the module."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from .graph import get_default_graph


def control_dependencies(control_inputs: Sequence[Any] | None) -> Any:
    """Operations made in the ``with`` block run after all of ``control_inputs``."""
    return get_default_graph().control_dependencies(control_inputs)


def device(device_name_or_function: Any) -> Any:
    """Operations made in the ``with`` block ask for this device: see :meth:`tf.Graph.device`."""
    return get_default_graph().device(device_name_or_function)


def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """Operations made in the ``with`` block are where ``op`` is: see :meth:`tf.Graph.colocate_with`."""
    return get_default_graph().colocate_with(op, ignore_existing)


def container(container_name: str) -> Any:
    """Accepted without effect: variables belong to their session."""
    return contextlib.nullcontext()


def add_to_collection(name: Any, value: Any) -> None:
    """Append to a collection of the default graph."""
    get_default_graph().add_to_collection(name, value)


def add_to_collections(names: Any, value: Any) -> None:
    """Append to several collections of the default graph."""
    get_default_graph().add_to_collections(names, value)


def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """A copy of a collection of the default graph."""
    return get_default_graph().get_collection(key, scope)


def get_collection_ref(key: Any) -> list[Any]:
    """A collection of the default graph itself."""
    return get_default_graph().get_collection_ref(key)
