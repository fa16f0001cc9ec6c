"""Boxes, regions of feature maps, and the blocks of which vision models are made."""

from ...absent import absent_class as _absent_class, absent_function as _absent_function
from ...missing import lazily as _lazily
from . import boxes as boxes, misc as misc
from .boxes import (
    batched_nms as batched_nms,
    box_area as box_area,
    box_convert as box_convert,
    box_iou as box_iou,
    clip_boxes_to_image as clip_boxes_to_image,
    complete_box_iou as complete_box_iou,
    distance_box_iou as distance_box_iou,
    generalized_box_iou as generalized_box_iou,
    masks_to_boxes as masks_to_boxes,
    nms as nms,
    remove_small_boxes as remove_small_boxes,
)
from .misc import (
    MLP as MLP,
    Conv2dNormActivation as Conv2dNormActivation,
    Conv3dNormActivation as Conv3dNormActivation,
    FrozenBatchNorm2d as FrozenBatchNorm2d,
    Permute as Permute,
    SqueezeExcitation as SqueezeExcitation,
    StochasticDepth as StochasticDepth,
    sigmoid_focal_loss as sigmoid_focal_loss,
    stochastic_depth as stochastic_depth,
)
from .pyramid import FeaturePyramidNetwork as FeaturePyramidNetwork, MultiScaleRoIAlign as MultiScaleRoIAlign
from .regions import (
    PSRoIAlign as PSRoIAlign,
    PSRoIPool as PSRoIPool,
    RoIAlign as RoIAlign,
    RoIPool as RoIPool,
    ps_roi_align as ps_roi_align,
    ps_roi_pool as ps_roi_pool,
    roi_align as roi_align,
    roi_pool as roi_pool,
)

deform_conv2d = _absent_function(__name__, "deform_conv2d", "torch.nn.functional.conv2d")
DeformConv2d = _absent_class(__name__, "DeformConv2d", "torch.nn.Conv2d")

# The modules under torchvision's names.
__getattr__ = _lazily(__name__, {"feature_pyramid_network": ".pyramid", "poolers": ".pyramid"})
