"""The tests of other files, run with kernels for a GPU in the place of the CPU's."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushlight.compiler.cuda_lines import CudaLaunch
from rushlight.compiler.launch import HostLaunch
from rushlight.ir.graph import Graph, Kind, Node, Output
from rushlight.runtime.cuda_plan import CudaProgram

from . import host_cuda

_TESTS = Path(__file__).parent.parent
_FORWARDS, _BACKWARDS = host_cuda.HostEngine(), host_cuda.HostEngine(backwards=True)
_BACKWARDS.known = _FORWARDS.known  # compiled once for both


def module_of(path: str, without: str = "") -> types.ModuleType:
    """The module in ``tests/`` made once more, without one of its lines."""
    file = _TESTS / path
    module = types.ModuleType(f"gpu_{file.stem}")
    module.__file__ = str(file)
    exec(compile(file.read_text().replace(without, ""), str(file), "exec"), module.__dict__)
    return module


def slot_tests(path: str, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The tests and fixtures of a ``test_slot_*`` file, comparing CUDA kernels with the records."""
    module: Any = module_of(path, "from . import slot_runner\n")
    module.slot_runner = runner = types.SimpleNamespace(compare=compare, samples_of=samples_of)
    wanted = {}
    for name, value in vars(module).items():
        fixture = type(value).__name__ == "FixtureFunctionDefinition"
        if (name.startswith("test_") or fixture) and name not in leave_out:
            wanted[name] = value

    @pytest.fixture(scope="module", autouse=True)
    def kernels() -> None:
        """Every kernel of the tests, compiled beforehand: they are run once with a ``compare`` that lists what it is given."""
        if host_cuda.COMPILER is None:
            return
        found: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []

        def listed(record: Any, arguments: Any, attrs: Any, *args: Any, **options: Any) -> None:
            found.append((record, arguments, attrs))

        runner.compare = listed
        try:
            for name, value in wanted.items():
                if name.startswith("test_"):
                    for case in cases_of(value, wanted):
                        with contextlib.suppress(Exception):  # the test itself comes later
                            value(**case)
        finally:
            runner.compare = compare
        prepared(found)

    return {**wanted, "kernels": kernels}


def cases_of(test: Any, fixtures: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """The arguments of a test's parametrization, every combination; ``fixtures``: what parametrized fixtures are looked for in.

    Nothing for a test with other fixtures."""
    choices: dict[Any, list[Any]] = {}
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names, values = mark.args[:2]
            several = not isinstance(names, str) or "," in names
            names = tuple(names.replace(" ", "").split(",")) if isinstance(names, str) else tuple(names)
            choices[names] = [value if several else (value,) for value in values]
    known = {name for names in choices for name in names}
    for name in inspect.signature(test).parameters:
        if name not in known:
            made = _values_of((fixtures or {}).get(name), fixtures or {})
            if made is None:
                return
            choices[name,] = [(value,) for value in made]
    for combination in itertools.product(*choices.values()):
        yield {
            name: value
            for names, values in zip(choices, combination, strict=True)
            for name, value in zip(names, values, strict=True)
        }


def _values_of(fixture: Any, fixtures: dict[str, Any]) -> list[Any] | None:
    """What a fixture with ``params`` gives; None for another one."""
    marker = getattr(fixture, "_fixture_function_marker", None)
    if marker is None or marker.params is None:
        return None
    make = fixture._get_wrapped_function()
    return [make(types.SimpleNamespace(param=param)) for param in marker.params]


def samples_of(record: Any) -> Any:
    """Arguments and attributes of a record's samples."""
    for sample in record.samples():
        if len(sample) == 2 and isinstance(sample[1], dict):
            yield sample
        else:
            yield sample, {}


def graph_of(
    record: Any, arguments: tuple[Any, ...], attrs: dict[str, Any]
) -> tuple[Graph, list[Any], list[Any]]:
    """The graph of one CALL whose array arguments are inputs; its inputs, and the record's results."""
    inputs = [np.ascontiguousarray(x).reshape(np.shape(x)) for x in arguments if isinstance(x, np.ndarray)]
    literals = tuple([(i, x) for i, x in enumerate(arguments) if not isinstance(x, np.ndarray)])
    nodes = [Node(Kind.INPUT, (), (i,), x.shape, x.dtype) for i, x in enumerate(inputs)]
    with np.errstate(all="ignore"):
        made = record.impl(*arguments, **attrs)
    operands = tuple(range(len(inputs)))
    call = (record, literals, tuple(attrs.items()))
    if isinstance(made, tuple):
        nodes.append(Node(Kind.CALL, operands, call, None, None))
        parts = [np.asarray(part) for part in made if part is not None]
        nodes += [Node(Kind.ITEM, (len(inputs),), (i,), x.shape, x.dtype) for i, x in enumerate(parts)]
        outputs = tuple([Output(len(inputs) + 1 + i, -1) for i in range(len(parts))])
    else:
        parts = [np.asarray(made)]
        nodes.append(Node(Kind.CALL, operands, call, parts[0].shape, parts[0].dtype))
        outputs = (Output(len(inputs), -1),)
    return Graph(tuple(nodes), operands, outputs), inputs, parts


def prepared(cases: list[tuple[Any, tuple[Any, ...], dict[str, Any]]]) -> None:
    """Compile the kernels of many calls at once."""
    sources = []
    for case in cases:
        graph, _, _ = graph_of(*case)
        program = CudaProgram(graph, _FORWARDS)
        sources += [(line.source, line.name) for line in program.launches if isinstance(line, CudaLaunch)]
    _FORWARDS.compile(sources)


def run(graph: Graph, inputs: list[Any]) -> tuple[list[Any], CudaProgram]:
    """The results of a program on the host, which are the same bits with threads and blocks run backwards."""
    found = []
    for engine in (_FORWARDS, _BACKWARDS):
        program = CudaProgram(graph, engine)
        outputs = [np.full(shape, 77, dtype) for shape, dtype in program.outputs]
        program.run([x.copy() for x in inputs], outputs)
        program.raise_faults()
        found.append(outputs)
    for one, other in zip(*found, strict=True):
        assert one.tobytes() == other.tobytes(), "threads in another order give other bits"
    return found[0], program


def compare(
    record: Any, arguments: tuple[Any, ...], attrs: dict[str, Any], tolerance: float, native: bool = True
) -> None:
    """A record's CUDA kernels against its NumPy implementation. ``tolerance``: of the largest result, absolute."""
    graph, inputs, wanted = graph_of(record, arguments, attrs)
    results, program = run(graph, inputs)
    if native:
        assert not any(isinstance(line, HostLaunch) for line in program.launches), record.name
    for got, want in zip(results, wanted, strict=True):
        assert got.shape == want.shape and got.dtype == want.dtype
        if want.dtype.kind not in "fcV":
            np.testing.assert_array_equal(got, want)
            continue
        wide = np.complex128 if want.dtype.kind == "c" else np.float64
        got, want = got.astype(wide), want.astype(wide)
        largest = float(np.max(np.abs(want[np.isfinite(want)]), initial=0.0))
        # Other orders of addition, and the functions' own errors of 2 ulp.
        np.testing.assert_allclose(got, want, rtol=0, atol=2 * tolerance * largest + 1e-12 * largest)
