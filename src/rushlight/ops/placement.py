"""Tensors on devices: moving them there, and what the operations are told of a device's arrays when it is first used."""

from __future__ import annotations

from _thread import get_ident
from typing import Any

import numpy as np

from ..core import device as devices
from ..core.device import CPU, device, device_of, placed, placed_beside
from ..core.history import Node
from ..core.tensor import Tensor, make_tensor
from ..runtime.pending import Pending
from .define import Primitive
from .dispatch import attach, computed_by


def _cuda() -> Any:
    from ..runtime import cuda  # only now: few programs have a use for it

    found = cuda.started()
    if found is None:
        found = cuda.backend()
        from ..runtime.cuda_operations import CudaMode

        mode = CudaMode(found)
        found.mode = mode
        computed_by(found.ndarray, lambda operands: _who_computes(found, operands))
    return found


def _who_computes(backend: Any, operands: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """The recording that this thread makes with arrays of the GPU, which gets the operands; else the GPU, at once."""
    tape = backend.tapes.get(get_ident()) if backend.tapes else None
    if tape is None or tape.finished:
        return operands, backend.mode
    for operand in operands:
        if isinstance(operand, Tensor) and type(operand._array) is not Pending:
            tape.adopt(operand)
    return operands, tape


def _cuda_is_usable() -> bool:
    from ..runtime import cuda

    return cuda.usable()


devices.LOADERS["cuda"] = _cuda
devices.USABLE["cuda"] = _cuda_is_usable


def _move_vjp(g: Tensor, node: Node) -> Tensor:
    return moved(g, node.attrs["source"])


MOVE = Primitive(
    "to_device",
    lambda x, source, target: placed(x, target).copy(),
    _move_vjp,
    grad_name="ToCopyBackward0",
    samples=lambda: [((np.array([1.0, -2.0]),), {"source": CPU, "target": CPU})],
)


def moved(tensor: Tensor, where: device) -> Tensor:
    """``tensor`` on ``where``, itself if it is there; gradients go back to where it was."""
    source = device_of(tensor._array)
    if source == where:
        return tensor
    attrs = {"source": source, "target": where}
    return attach(MOVE, (tensor,), attrs, placed(tensor._array, where))  # type: ignore[no-any-return]


def tensor_beside(like: Tensor, array: Any) -> Tensor:
    """A tensor of a new NumPy array, on the device of ``like``."""
    return make_tensor(placed_beside(array, like._array))
