"""Logging for TensorBoard: PyTorch's ``torch.utils.tensorboard``, without the tensorboard package."""

from ...missing import lazily as _lazily
from .writer import SummaryWriter as SummaryWriter

__all__ = ["SummaryWriter"]

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
