"""Random functions: states, forks and arguments that can not be."""

from __future__ import annotations

import pytest

import rushlight as torch


def test_fork_rng_puts_the_state_back_also_after_an_error() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with pytest.raises(KeyError), torch.random.fork_rng():
        torch.rand(3)
        raise KeyError
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("draw", [torch.rand, torch.randn])
def test_what_is_refused_draws_nothing(draw: object) -> None:
    state = torch.get_rng_state()
    for arguments, options in (((-1,), {}), ((2,), {"generator": 1}), ((2,), {"dtype": "float32"}), ((), {})):
        with pytest.raises((RuntimeError, TypeError)):
            draw(*arguments, **options)  # type: ignore[operator]
    assert torch.equal(state, torch.get_rng_state())
