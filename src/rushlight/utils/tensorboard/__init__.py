"""Logging for TensorBoard: PyTorch's ``torch.utils.tensorboard``, without the tensorboard package."""

from .writer import SummaryWriter as SummaryWriter

__all__ = ["SummaryWriter"]
