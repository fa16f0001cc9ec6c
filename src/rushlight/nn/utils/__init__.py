"""Tools for parameters and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ...missing import on_first_use as _on_first_use
from . import rnn as rnn
from .clip_grad import (
    clip_grad_norm as clip_grad_norm,
    clip_grad_norm_ as clip_grad_norm_,
    clip_grad_value_ as clip_grad_value_,
    clip_grads_with_norm_ as clip_grads_with_norm_,
    get_total_norm as get_total_norm,
)
from .convert_parameters import (
    parameters_to_vector as parameters_to_vector,
    vector_to_parameters as vector_to_parameters,
)
from .spectral_norm import remove_spectral_norm as remove_spectral_norm, spectral_norm as spectral_norm
from .weight_norm import remove_weight_norm as remove_weight_norm, weight_norm as weight_norm

if _TYPE_CHECKING:
    from . import (
        parametrizations as parametrizations,
        parametrize as parametrize,
        prune as prune,
        stateless as stateless,
    )
    from .fusion import (
        fuse_conv_bn_eval as fuse_conv_bn_eval,
        fuse_conv_bn_weights as fuse_conv_bn_weights,
        fuse_linear_bn_eval as fuse_linear_bn_eval,
        fuse_linear_bn_weights as fuse_linear_bn_weights,
    )
    from .init import skip_init as skip_init
    from .memory_format import (
        convert_conv2d_weight_memory_format as convert_conv2d_weight_memory_format,
        convert_conv3d_weight_memory_format as convert_conv3d_weight_memory_format,
    )
else:
    # Of these, modules that define a function of their own name (spectral_norm, weight_norm) must stay above.
    _PLACES = {
        "fusion": (
            "fuse_conv_bn_eval",
            "fuse_conv_bn_weights",
            "fuse_linear_bn_eval",
            "fuse_linear_bn_weights",
        ),
        "init": ("skip_init",),
        "memory_format": ("convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"),
    }
    __getattr__, __dir__ = _on_first_use(
        __name__,
        {
            **{name: "." + name for name in ("parametrizations", "parametrize", "prune", "stateless")},
            **{name: f".{place}:{name}" for place, names in _PLACES.items() for name in names},
            **{place: "." + place for place in _PLACES},
        },
    )
