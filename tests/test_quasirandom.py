"""Sobol points, and the same ones as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

pytest.importorskip("scipy")
SobolEngine = rushlight.quasirandom.SobolEngine


def test_refusals():
    for dimension in (0, SobolEngine.MAXDIM + 1):
        with pytest.raises(ValueError):
            SobolEngine(dimension)
    engine = SobolEngine(2)
    engine.draw(3)
    with pytest.raises(ValueError, match="power of 2"):
        engine.draw_base2(2)


def test_every_half_of_an_axis_gets_half_of_the_points():
    points = SobolEngine(5, scramble=True, seed=1).draw(64).numpy()
    assert ((points >= 0) & (points < 1)).all()
    assert ((points < 0.5).sum(0) == 32).all()


@pytest.mark.parity
@pytest.mark.parametrize("scramble", [False, True])
@pytest.mark.parametrize("dimension", [1, 3, 40])
def test_the_same_points_as_pytorch(dimension, scramble):
    torch = pytest.importorskip("torch")
    engines = [
        module.quasirandom.SobolEngine(dimension, scramble=scramble, seed=7) for module in (torch, rushlight)
    ]
    assert repr(engines[0]) == repr(engines[1])

    def compare(function):
        theirs, ours = (
            function(engine, module) for engine, module in zip(engines, (torch, rushlight), strict=True)
        )
        assert str(ours.dtype) == str(theirs.dtype)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())

    compare(lambda engine, _: engine.draw())
    compare(lambda engine, _: engine.draw(7))
    compare(lambda engine, module: engine.draw_base2(3, dtype=module.float64))
    compare(lambda engine, _: engine.fast_forward(5).draw(3))
    compare(lambda engine, _: engine.quasi)
    compare(lambda engine, module: engine.draw(2, out=module.empty(0)))
    compare(lambda engine, _: engine.reset().draw(9))
    compare(lambda engine, _: engine.reset().fast_forward(3).draw(2))
