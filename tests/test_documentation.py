"""The documentation runs: every example in every docstring, and every public name has a docstring.

Done here and not by pytest's own doctest collection because that imports a package's files a second time, and a record
of an operation may exist only once.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import rushlight


def _modules() -> list[str]:
    names = ["rushlight"]
    for found in pkgutil.walk_packages(rushlight.__path__, "rushlight."):
        if not found.name.endswith("__main__"):
            names.append(found.name)
    return names


def _examples(module: ModuleType) -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = {id(test.docstring): test for test in finder.find(module, module.__name__) if test.examples}
    # Functions that factories made belong to no module, so the finder passes them over.
    parser = doctest.DocTestParser()
    for name, value in vars(module).items():
        text = getattr(value, "__doc__", None)
        if inspect.isfunction(value) and value.__module__ == "rushlight" and text and ">>>" in text:
            tests.setdefault(id(text), parser.get_doctest(text, {}, f"{module.__name__}.{name}", None, 0))
    return list(tests.values())


@pytest.mark.parametrize("name", _modules())
def test_the_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    report: list[str] = []
    failed = 0
    for test in _examples(module):
        test.globs = dict(vars(module))
        state = _saved_state()
        try:
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            failed += runner.run(test, out=report.append).failed
        finally:
            _restore(state)
    assert not failed, "".join(report)


def _saved_state() -> Any:
    return rushlight.get_default_dtype(), rushlight.get_rng_state(), rushlight.is_grad_enabled()


def _restore(state: Any) -> None:
    dtype, generator, grad = state
    rushlight.set_default_dtype(dtype)
    rushlight.set_rng_state(generator)
    assert rushlight.is_grad_enabled() == grad, "an example left grad mode changed"


PUBLIC = [
    rushlight,
    rushlight.nn,
    rushlight.nn.functional,
    rushlight.nn.init,
    rushlight.optim,
    rushlight.utils.data,
]


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_every_public_function_and_class_is_described(module: ModuleType) -> None:
    silent = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and str(value.__module__).startswith("rushlight")
        and not (value.__doc__ or "").strip()
    ]
    assert not silent, f"{module.__name__}: without a docstring: {', '.join(silent)}"
