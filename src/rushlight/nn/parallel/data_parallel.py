"""``DataParallel``: one process, several GPUs. With one device there is nothing to divide."""

from __future__ import annotations

from typing import Any

from ...core.device import CPU
from ...core.tensor import Tensor
from ..module import Module


class DataParallel(Module):
    """``module`` under the name that PyTorch gives it (keys begin with ``module.``); it runs as it is.

    ``device_ids``, ``output_device`` and ``dim`` are kept; on one device the batch is not divided. For several processes use
    ``DistributedDataParallel``.

    Example:
        >>> import rushlight as torch
        >>> model = torch.nn.DataParallel(torch.nn.Linear(2, 1))
        >>> list(model.state_dict())
        ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []
        self.output_device = output_device
        self.dim = dim
        self.src_device_obj = CPU

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """``module(*inputs, **module_kwargs)``; a single tensor may be given as ``inputs``."""
    if isinstance(inputs, Tensor):
        inputs = (inputs,)
    return module(*(inputs or ()), **(module_kwargs or {}))
