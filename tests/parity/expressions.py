"""Runs one line of a PyTorch program under both libraries and compares what comes of it.

The lines use ``torch`` (either library), ``np``, ``copy``, ``pickle``, ``math`` and ``operator``. Statements may be
separated by ``;``: the last is the expression whose value counts. Compared are types, dtypes, shapes, every value
(``nan`` and the sign of zero included), ``requires_grad``, and for errors the type of the exception.
"""

from __future__ import annotations

import ast
import copy
import math
import operator
import pickle
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

import rushlight


@cache
def oracle() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def outcome(source: str, library: Any, names: dict[str, Any] | None = None) -> Any:
    """What ``source`` gives under ``library``, in plain Python values; for an error the name of its type."""
    space = {
        "torch": library, "np": np, "copy": copy, "pickle": pickle, "math": math, "operator": operator, **(names or {}),
    }  # fmt: skip
    body = ast.parse(source).body
    last = body.pop()
    assert isinstance(last, ast.Expr), source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(ast.Module(body, []), source, "exec"), space)
            value = eval(compile(ast.Expression(last.value), source, "eval"), space)
        except Exception as error:
            # Both libraries have subclasses of their own; programs catch the built-in ones.
            kind = next(base for base in type(error).__mro__ if base.__module__ in ("builtins", "pickle"))
            return ("raises", kind.__name__)
        return plain(value, library)


def plain(value: Any, library: Any) -> Any:
    """``value`` as something that ``==`` compares whichever library it came from."""
    if isinstance(value, library.Tensor):
        content = value.detach()
        if content.dtype is library.bfloat16:
            content = content.float()
        kind = type(value).__name__
        listed = plain(content.tolist(), library)
        return (
            kind,
            str(value.dtype),
            tuple(value.shape),
            bool(value.requires_grad),
            bool(value.is_leaf),
            listed,
        )
    if isinstance(value, np.ndarray):
        return ("ndarray", value.dtype.str, value.shape, plain(value.tolist(), library))
    if isinstance(value, np.generic):
        return (type(value).__name__, repr(value.item()))
    if isinstance(value, library.Size):
        return ("Size", tuple(value))
    if isinstance(value, library.device | library.dtype):
        return str(value)
    if isinstance(value, tuple | list):
        return (type(value).__name__, [plain(item, library) for item in value])
    if isinstance(value, dict):
        return {key: plain(item, library) for key, item in value.items()}
    return (type(value).__name__, repr(value).replace("-nan", "nan"))


def check(source: str, names: dict[str, Any] | None = None) -> None:
    """Fail unless both libraries give the same for ``source``."""
    expected = outcome(source, oracle(), names)
    actual = outcome(source, rushlight, names)
    assert actual == expected, f"{source}\n rushlight: {shortened(actual)}\n   PyTorch: {shortened(expected)}"


def check_all(sources: Any, known: Any = ()) -> None:
    """``check`` every line and report all that differ; lines in ``known`` must still differ."""
    problems = []
    for source in sources:
        try:
            check(source)
        except AssertionError as error:
            if source not in known:
                problems.append(str(error).split("\nassert ")[0])
        else:
            if source in known:
                problems.append(f"{source}\n is listed as a known difference, and there is none")
    assert not problems, f"{len(problems)} differ:\n" + "\n".join(problems)


def shortened(value: Any, limit: int = 300) -> str:
    text = str(value)
    return text if len(text) <= limit else text[:limit] + " ..."
