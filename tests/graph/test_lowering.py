"""Every record's lowering against the record: the graph's reference value, and the compiled program."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight  # noqa: F401 - defines the records
from rushlight.compiler.lowering.lower import lower
from rushlight.compiler.lowering.table import TABLE
from rushlight.compiler.pipeline import build
from rushlight.ir.graph import Graph, Kind, Node, Output
from rushlight.ir.verify import verify
from rushlight.ops.define import PRIMITIVES
from rushlight.runtime.reference import evaluate

from .record_calls import CALLS


def graph_of(name, arguments, parameters):
    """The graph of one CALL whose array arguments are inputs; its inputs."""
    record = PRIMITIVES[name]
    inputs = [np.asarray(x) for x in arguments if isinstance(x, np.ndarray)]
    literals = tuple([(i, x) for i, x in enumerate(arguments) if not isinstance(x, np.ndarray)])
    nodes = [Node(Kind.INPUT, (), (i,), x.shape, x.dtype) for i, x in enumerate(inputs)]
    call = Node(
        Kind.CALL,
        tuple(range(len(inputs))),
        (record, literals, tuple(parameters.items())),
        None,
        np.dtype(float),
    )
    result = record.impl(*arguments, **parameters)
    if isinstance(result, tuple):
        nodes.append(call)
        outputs = []
        for i, part in enumerate(result):
            part = np.asarray(part)
            nodes.append(Node(Kind.ITEM, (len(inputs),), (i,), part.shape, part.dtype))
            outputs.append(Output(len(nodes) - 1, -1))
    else:
        result = np.asarray(result)
        nodes.append(call._replace(shape=result.shape, dtype=result.dtype))
        outputs = [Output(len(inputs), -1)]
        result = (result,)
    return Graph(tuple(nodes), tuple(range(len(inputs))), tuple(outputs)), inputs, result


def in_dtype(arguments, dtype):
    return tuple(
        [x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype == np.float32 else x for x in arguments]
    )


def compare(got, wanted, dtype):
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    if wanted.dtype.kind in "biu":
        np.testing.assert_array_equal(got, wanted)
        return
    tolerance = {2: 1e-2, 4: 4e-6, 8: 1e-12}[np.dtype(dtype).itemsize]
    np.testing.assert_allclose(got.astype(float), np.asarray(wanted).astype(float), tolerance, tolerance)


DTYPES = (np.float32, np.float64, np.float16)
NOT_IN_HALF = {
    "isclose": "compared in half precision by the record",
    "normalize_gradient": "its statistics are float32",
}


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("name", sorted(CALLS))
def test_lowered_equals_the_record(name, dtype):
    lowered = 0
    # The formulas are the same for all dtypes: float32 has them all, the others some.
    for arguments, parameters in CALLS[name] if dtype == np.float32 else CALLS[name][:2]:
        if dtype == np.float16 and name in NOT_IN_HALF:
            continue
        with np.errstate(all="ignore"):
            graph, inputs, wanted = graph_of(name, in_dtype(arguments, dtype), parameters)
        verify(graph)
        after = verify(lower(graph))
        lowered += not any(
            node.kind is Kind.CALL and node.attrs[0] is PRIMITIVES[name] for node in after.nodes
        )
        for got, want in zip(evaluate(after, inputs), wanted, strict=True):
            compare(got, want, dtype)
        program = build(graph)
        verify(program.graph_after)
        outputs = [np.zeros(shape, d) for shape, d in program.outputs]
        program.run([np.array(x) for x in inputs], outputs)
        for got, want in zip(outputs, wanted, strict=True):
            compare(got, want, dtype)
    assert lowered or (dtype == np.float16 and name in NOT_IN_HALF)


def test_every_lowered_record_is_tried():
    ufuncs = {name for name in TABLE if name not in PRIMITIVES}
    assert set(TABLE) - ufuncs == set(CALLS)
