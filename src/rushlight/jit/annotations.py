"""The types that TorchScript's annotations are written with: Python's own."""

from __future__ import annotations

from typing import (  # noqa: UP035 - programs import these names
    Any as Any,
    Dict as Dict,
    List as List,
    Optional as Optional,
    Tuple as Tuple,
    Union as Union,
)
