"""Data sets in their standard files on disk. Nothing is downloaded unless ``download=True``."""

from ...missing import lazily as _lazily
from .cifar import CIFAR10 as CIFAR10, CIFAR100 as CIFAR100
from .fake import FakeData as FakeData
from .folder import DatasetFolder as DatasetFolder, ImageFolder as ImageFolder
from .mnist import KMNIST as KMNIST, MNIST as MNIST, FashionMNIST as FashionMNIST
from .numbers import EMNIST as EMNIST, QMNIST as QMNIST, SVHN as SVHN, USPS as USPS
from .photographs import (
    STL10 as STL10,
    Caltech101 as Caltech101,
    Caltech256 as Caltech256,
    Food101 as Food101,
    OxfordIIITPet as OxfordIIITPet,
    VOCDetection as VOCDetection,
    VOCSegmentation as VOCSegmentation,
)
from .vision_dataset import VisionDataset as VisionDataset

__getattr__ = _lazily(__name__)
