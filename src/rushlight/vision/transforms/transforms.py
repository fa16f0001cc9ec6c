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
from .policies import (
    AutoAugment as AutoAugment,
    AutoAugmentPolicy as AutoAugmentPolicy,
    RandAugment as RandAugment,
    TrivialAugmentWide as TrivialAugmentWide,
)
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
from .tones import (
    RandomAdjustSharpness as RandomAdjustSharpness,
    RandomAutocontrast as RandomAutocontrast,
    RandomEqualize as RandomEqualize,
    RandomPosterize as RandomPosterize,
    RandomSolarize as RandomSolarize,
)
from .warps import (
    FiveCrop as FiveCrop,
    LinearTransformation as LinearTransformation,
    RandomAffine as RandomAffine,
    RandomOrder as RandomOrder,
    RandomPerspective as RandomPerspective,
    TenCrop as TenCrop,
)

__all__ = [
    "AutoAugment", "AutoAugmentPolicy", "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "F",
    "FiveCrop", "GaussianBlur", "Grayscale", "InterpolationMode", "Lambda", "LinearTransformation", "Normalize",
    "PILToTensor", "Pad", "RandAugment", "RandomAdjustSharpness", "RandomAffine", "RandomApply",
    "RandomAutocontrast", "RandomChoice", "RandomCrop", "RandomEqualize", "RandomErasing", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomPerspective", "RandomPosterize",
    "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomVerticalFlip", "Resize", "TenCrop",
    "ToPILImage", "ToTensor", "TrivialAugmentWide",
]  # fmt: skip
