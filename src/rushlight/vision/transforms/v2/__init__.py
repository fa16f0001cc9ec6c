"""The second version of the transforms: those of the first, and the conversions that replace ``ToTensor``.

A transform here takes one picture (a Pillow image or a tensor). Bounding boxes and masks beside it are not transformed.
"""

from ....missing import lazily as _lazily
from .. import functional as functional
from ..classes import (
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
from ..interpolation import InterpolationMode as InterpolationMode
from ..random_classes import (
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
from ..tones import (
    RandomAdjustSharpness as RandomAdjustSharpness,
    RandomAutocontrast as RandomAutocontrast,
    RandomEqualize as RandomEqualize,
    RandomPosterize as RandomPosterize,
    RandomSolarize as RandomSolarize,
)
from ..warps import (
    FiveCrop as FiveCrop,
    LinearTransformation as LinearTransformation,
    RandomAffine as RandomAffine,
    RandomOrder as RandomOrder,
    RandomPerspective as RandomPerspective,
    TenCrop as TenCrop,
)
from .conversion import (
    RGB as RGB,
    Identity as Identity,
    ToDtype as ToDtype,
    ToImage as ToImage,
    ToPureTensor as ToPureTensor,
)
from .mixing import CutMix as CutMix, GaussianNoise as GaussianNoise, MixUp as MixUp

__getattr__ = _lazily(__name__)
