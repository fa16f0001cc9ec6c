"""The functions behind the layers: no state, everything is an argument. Names and signatures are PyTorch's."""

from __future__ import annotations

from ...missing import lazily as _lazily
from ...ops.activations import (
    hardtanh as hardtanh,
    relu as relu,
    relu6 as relu6,
    relu_ as relu_,
    rrelu as rrelu,
    softplus as softplus,
    softsign as softsign,
    tanhshrink as tanhshrink,
    threshold as threshold,
)
from ...ops.distances import pairwise_distance as pairwise_distance, pdist as pdist
from ...ops.functions import sigmoid as sigmoid, tanh as tanh
from ...ops.linear import linear as linear
from ...ops.products import bilinear as bilinear
from ...ops.scattering import one_hot as one_hot
from .activation import (
    _get_softmax_dim as _get_softmax_dim,
    celu_ as celu_,
    elu_ as elu_,
    gumbel_softmax as gumbel_softmax,
    hardtanh_ as hardtanh_,
    leaky_relu_ as leaky_relu_,
    log_softmax as log_softmax,
    rrelu_ as rrelu_,
    selu_ as selu_,
    softmax as softmax,
    softmin as softmin,
    threshold_ as threshold_,
)

# convolution, pooling, normalization
from .convolution import (
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
)
from .cross_entropy import cross_entropy as cross_entropy, nll_loss as nll_loss
from .ctc import ctc_loss as ctc_loss
from .distance import (
    normalize as normalize,
)
from .fractional_pooling import (
    fractional_max_pool2d as fractional_max_pool2d,
    fractional_max_pool2d_with_indices as fractional_max_pool2d_with_indices,
    fractional_max_pool3d as fractional_max_pool3d,
    fractional_max_pool3d_with_indices as fractional_max_pool3d_with_indices,
)
from .fused import (
    celu as celu,
    cosine_similarity as cosine_similarity,
    elu as elu,
    gelu as gelu,
    glu as glu,
    group_norm as group_norm,
    hardshrink as hardshrink,
    hardsigmoid as hardsigmoid,
    hardswish as hardswish,
    huber_loss as huber_loss,
    layer_norm as layer_norm,
    leaky_relu as leaky_relu,
    logsigmoid as logsigmoid,
    mish as mish,
    prelu as prelu,
    rms_norm as rms_norm,
    scaled_dot_product_attention as scaled_dot_product_attention,
    selu as selu,
    silu as silu,
    smooth_l1_loss as smooth_l1_loss,
    softshrink as softshrink,
)
from .grid_sampling import (
    GRID_SAMPLE_INTERPOLATION_MODES as GRID_SAMPLE_INTERPOLATION_MODES,
    GRID_SAMPLE_PADDING_MODES as GRID_SAMPLE_PADDING_MODES,
    affine_grid as affine_grid,
    grid_sample as grid_sample,
)
from .linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from .loss import (
    binary_cross_entropy as binary_cross_entropy,
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    gaussian_nll_loss as gaussian_nll_loss,
    kl_div as kl_div,
    l1_loss as l1_loss,
    mse_loss as mse_loss,
    poisson_nll_loss as poisson_nll_loss,
)
from .margin_loss import (
    cosine_embedding_loss as cosine_embedding_loss,
    hinge_embedding_loss as hinge_embedding_loss,
    margin_ranking_loss as margin_ranking_loss,
    multi_margin_loss as multi_margin_loss,
    multilabel_margin_loss as multilabel_margin_loss,
    multilabel_soft_margin_loss as multilabel_soft_margin_loss,
    soft_margin_loss as soft_margin_loss,
    triplet_margin_loss as triplet_margin_loss,
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from .multi_head_attention import (
    _canonical_mask as _canonical_mask,
    _in_projection as _in_projection,
    _in_projection_packed as _in_projection_packed,
    _mha_shape_check as _mha_shape_check,
    _none_or_dtype as _none_or_dtype,
    multi_head_attention_forward as multi_head_attention_forward,
)
from .native_forms import conv_tbc as conv_tbc
from .normalization import (
    batch_norm as batch_norm,
    instance_norm as instance_norm,
    local_response_norm as local_response_norm,
)
from .padding import pad as pad
from .pooling import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d,
    adaptive_max_pool1d as adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d as adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices,
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
    lp_pool1d as lp_pool1d,
    lp_pool2d as lp_pool2d,
    lp_pool3d as lp_pool3d,
    max_pool1d as max_pool1d,
    max_pool1d_with_indices as max_pool1d_with_indices,
    max_pool2d as max_pool2d,
    max_pool2d_with_indices as max_pool2d_with_indices,
    max_pool3d as max_pool3d,
    max_pool3d_with_indices as max_pool3d_with_indices,
    max_unpool1d as max_unpool1d,
    max_unpool2d as max_unpool2d,
    max_unpool3d as max_unpool3d,
)
from .regularization import (
    alpha_dropout as alpha_dropout,
    dropout as dropout,
    dropout1d as dropout1d,
    dropout2d as dropout2d,
    dropout3d as dropout3d,
    feature_alpha_dropout as feature_alpha_dropout,
)
from .resampling import (
    channel_shuffle as channel_shuffle,
    fold as fold,
    interpolate as interpolate,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
    unfold as unfold,
    upsample as upsample,
    upsample_bilinear as upsample_bilinear,
    upsample_nearest as upsample_nearest,
)
from .sparse import embedding as embedding, embedding_bag as embedding_bag

__getattr__ = _lazily(__name__, {"grad": "..grad", "native_channel_shuffle": ".resampling:channel_shuffle"})
