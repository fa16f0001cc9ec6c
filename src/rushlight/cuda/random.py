"""The seeds and states of the GPUs' generators. Seeds given before CUDA is used are kept for then."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ..core.device import placed
from ..core.generator import SEEDS_ELSEWHERE
from ..core.tensor import Tensor, make_tensor
from ..ops.random import seed_elsewhere
from ..runtime import cuda as runtime
from .devices import device_count, gpu


def manual_seed(seed: int) -> None:
    """Seed the current GPU's generator; nothing where there is no GPU.

    Example:
        >>> import rushlight as torch
        >>> torch.cuda.manual_seed(0)
    """
    seed = int(seed)
    found = runtime.started()
    if found is None:
        SEEDS_ELSEWHERE[0] = seed
    else:
        _generator(None).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed every GPU's generator."""
    seed_elsewhere(int(seed))


def seed() -> None:
    """Seed the current GPU's generator from the system's entropy."""
    manual_seed(int.from_bytes(os.urandom(8), "little"))


def seed_all() -> None:
    """Seed every GPU's generator from the system's entropy, all alike."""
    manual_seed_all(int.from_bytes(os.urandom(8), "little"))


def initial_seed() -> int:
    """The seed that the current GPU's generator was given last."""
    return int(_generator(None).initial_seed())


def get_rng_state(device: Any = "cuda") -> Tensor:
    """A GPU's generator's state: 16 bytes, in a uint8 tensor on the CPU."""
    return make_tensor(_generator(device).state_bytes())


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Put a state of ``get_rng_state`` back; ``RuntimeError`` for one of another size."""
    from ..core.device import CPU

    _generator(device).set_state_bytes(placed(new_state._array, CPU))


def get_rng_state_all() -> list[Tensor]:
    """The states of all GPUs' generators."""
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Put the states of ``get_rng_state_all`` back."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)


def _generator(where: Any) -> Any:
    backend, index = gpu(None if where == "cuda" else where)
    return backend.generator(backend.devices[index])
