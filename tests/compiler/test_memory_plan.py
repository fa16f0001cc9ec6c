"""The memory plan: what is alive at one time never shares bytes, and the arena is not much larger than what is alive."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st

from rushlight.compiler.launch import Place, Space
from rushlight.compiler.memory import ALIGNMENT, Buffer, allocate

LIVES = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 20), st.integers(0, 8)), min_size=1, max_size=40
)


@settings(max_examples=300, deadline=None)
@given(lives=LIVES)
def test_living_buffers_are_apart(lives):
    buffers = [Buffer(size, np.dtype(np.uint8), first, first + length) for size, first, length in lives]
    end = allocate(buffers)
    for i, a in enumerate(buffers):
        assert a.place.space is Space.ARENA
        assert a.place.offset % ALIGNMENT == 0
        assert a.place.offset + a.nbytes <= end
        for b in buffers[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert (
                    a.place.offset + a.nbytes <= b.place.offset or b.place.offset + b.nbytes <= a.place.offset
                )
    assert end <= sum([-(-b.nbytes // ALIGNMENT) * ALIGNMENT for b in buffers])


def test_memory_is_used_again():
    buffers = [Buffer(1000, np.dtype(np.float32), i, i + 1) for i in range(50)]
    assert allocate(buffers) <= 3 * 4096


def test_buffers_that_have_a_place_keep_it():
    place = Place(Space.OUTPUT, 3, 0)
    buffer = Buffer(10, np.dtype(np.float32), 0, 1, place)
    assert allocate([buffer]) == 0
    assert buffer.place == place
