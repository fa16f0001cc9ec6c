"""Models for pictures, with torchvision's names, ``state_dict`` keys and initialisation.

``weights`` name published checkpoints; their files are read from ``torch.hub.get_dir()/checkpoints`` and never downloaded.
"""

from ...missing import lazily as _lazily
from .alexnet import AlexNet as AlexNet, AlexNet_Weights as AlexNet_Weights, alexnet as alexnet
from .densenet import (
    DenseNet as DenseNet,
    DenseNet121_Weights as DenseNet121_Weights,
    DenseNet161_Weights as DenseNet161_Weights,
    DenseNet169_Weights as DenseNet169_Weights,
    DenseNet201_Weights as DenseNet201_Weights,
    densenet121 as densenet121,
    densenet161 as densenet161,
    densenet169 as densenet169,
    densenet201 as densenet201,
)
from .mobilenetv2 import (
    MobileNet_V2_Weights as MobileNet_V2_Weights,
    MobileNetV2 as MobileNetV2,
    mobilenet_v2 as mobilenet_v2,
)
from .registry import (
    get_model as get_model,
    get_model_weights as get_model_weights,
    list_models as list_models,
)
from .resnet import (
    ResNet as ResNet,
    ResNet18_Weights as ResNet18_Weights,
    ResNet34_Weights as ResNet34_Weights,
    ResNet50_Weights as ResNet50_Weights,
    ResNet101_Weights as ResNet101_Weights,
    ResNet152_Weights as ResNet152_Weights,
    resnet18 as resnet18,
    resnet34 as resnet34,
    resnet50 as resnet50,
    resnet101 as resnet101,
    resnet152 as resnet152,
    resnext50_32x4d as resnext50_32x4d,
    resnext101_32x8d as resnext101_32x8d,
    wide_resnet50_2 as wide_resnet50_2,
    wide_resnet101_2 as wide_resnet101_2,
)
from .vgg import (
    VGG as VGG,
    VGG11_BN_Weights as VGG11_BN_Weights,
    VGG11_Weights as VGG11_Weights,
    VGG13_BN_Weights as VGG13_BN_Weights,
    VGG13_Weights as VGG13_Weights,
    VGG16_BN_Weights as VGG16_BN_Weights,
    VGG16_Weights as VGG16_Weights,
    VGG19_BN_Weights as VGG19_BN_Weights,
    VGG19_Weights as VGG19_Weights,
    vgg11 as vgg11,
    vgg11_bn as vgg11_bn,
    vgg13 as vgg13,
    vgg13_bn as vgg13_bn,
    vgg16 as vgg16,
    vgg16_bn as vgg16_bn,
    vgg19 as vgg19,
    vgg19_bn as vgg19_bn,
)

__getattr__ = _lazily(__name__)
