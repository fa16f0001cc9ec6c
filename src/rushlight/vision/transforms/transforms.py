"""The classes by the place where torchvision defines them: ``from torchvision.transforms import transforms``."""

from . import functional as F
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

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "F", "GaussianBlur", "Grayscale", "InterpolationMode",
    "Lambda", "Normalize", "PILToTensor", "Pad", "RandomApply", "RandomChoice", "RandomCrop", "RandomErasing",
    "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomResizedCrop", "RandomRotation",
    "RandomVerticalFlip", "Resize", "ToPILImage", "ToTensor",
]  # fmt: skip
