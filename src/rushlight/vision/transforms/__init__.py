"""Transforms of pictures: Pillow's images, and tensors ``(…, C, H, W)``."""

from ...missing import lazily as _lazily
from . import functional as functional
from .classes import (
    CenterCrop as CenterCrop,
    Compose as Compose,
    ConvertImageDtype as ConvertImageDtype,
    Grayscale as Grayscale,
    Lambda as Lambda,
    Normalize as Normalize,
    Pad as Pad,
    PILToTensor as PILToTensor,
    Resize as Resize,
    ToPILImage as ToPILImage,
    ToTensor as ToTensor,
)
from .interpolation import InterpolationMode as InterpolationMode
from .random_classes import (
    ColorJitter as ColorJitter,
    GaussianBlur as GaussianBlur,
    RandomApply as RandomApply,
    RandomChoice as RandomChoice,
    RandomCrop as RandomCrop,
    RandomErasing as RandomErasing,
    RandomGrayscale as RandomGrayscale,
    RandomHorizontalFlip as RandomHorizontalFlip,
    RandomInvert as RandomInvert,
    RandomResizedCrop as RandomResizedCrop,
    RandomRotation as RandomRotation,
    RandomVerticalFlip as RandomVerticalFlip,
)

__getattr__ = _lazily(__name__, {"transforms": ".transforms", "v2": ".v2"})
