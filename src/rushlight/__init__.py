"""Rushlight: a small deep-learning system that runs PyTorch programs.

``import rushlight as torch`` and go on as usual.
"""

from __future__ import annotations

import warnings as _warnings
from typing import Any as _Any
from builtins import bool as _bool
from typing import TYPE_CHECKING as _TYPE_CHECKING

# PyTorch computes inf and nan silently. NumPy's reports from inside this package are not the program's concern.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\.")

from .core import allocation as _allocation

_allocation.keep_freed_memory()

from . import tensor_methods as _tensor_methods  # binds the operations before anything uses them
from .core.device import device as device
from .core.errors import OutOfMemoryError as OutOfMemoryError
from .core.dtypes import (
    bfloat16 as bfloat16,
    bool_ as bool,
    can_cast as can_cast,
    complex64 as complex64,
    complex128 as complex128,
    dtype as dtype,
    float8_e4m3fn as float8_e4m3fn,
    float8_e4m3fnuz as float8_e4m3fnuz,
    float8_e5m2 as float8_e5m2,
    float8_e5m2fnuz as float8_e5m2fnuz,
    float8_e8m0fnu as float8_e8m0fnu,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    get_default_dtype as get_default_dtype,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    promote_types as promote_types,
    set_default_dtype as set_default_dtype,
    uint8 as uint8,
    uint16 as uint16,
    uint32 as uint32,
    uint64 as uint64,
)
from .core.shapes import Size as Size
from .core.tensor import Tensor as Tensor

# creation
from .ops.creation import (
    arange as arange,
    as_tensor as as_tensor,
    asarray as asarray,
    empty as empty,
    empty_like as empty_like,
    empty_strided as empty_strided,
    eye as eye,
    from_numpy as from_numpy,
    frombuffer as frombuffer,
    full as full,
    full_like as full_like,
    linspace as linspace,
    logspace as logspace,
    ones as ones,
    ones_like as ones_like,
    range_ as range,
    scalar_tensor as scalar_tensor,
    tensor as tensor,
    zeros as zeros,
    zeros_like as zeros_like,
)

# pointwise operations, comparisons, activations
from .ops.activations import (
    celu as celu,
    celu_ as celu_,
    hardshrink as hardshrink,
    log_softmax as log_softmax,
    prelu as prelu,
    relu as relu,
    relu_ as relu_,
    rrelu as rrelu,
    rrelu_ as rrelu_,
    selu as selu,
    selu_ as selu_,
    softmax as softmax,
    threshold as threshold,
    threshold_ as threshold_,
)
from .ops.bounds import (
    clamp as clamp,
    clamp_max as clamp_max,
    clamp_min as clamp_min,
    clamp as clip,
    fmax as fmax,
    fmin as fmin,
    heaviside as heaviside,
    maximum as maximum,
    minimum as minimum,
)
from .ops.comparison import (
    allclose as allclose,
    bitwise_and as bitwise_and,
    bitwise_left_shift as bitwise_left_shift,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_right_shift as bitwise_right_shift,
    bitwise_xor as bitwise_xor,
    eq as eq,
    equal as equal,
    ge as ge,
    gt as greater,
    ge as greater_equal,
    gt as gt,
    isclose as isclose,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    isneginf as isneginf,
    isposinf as isposinf,
    isreal as isreal,
    le as le,
    lt as less,
    le as less_equal,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    lt as lt,
    ne as ne,
    ne as not_equal,
    where as where,
)
from .ops.complex_numbers import (
    complex as complex,
    conj as conj,
    conj_physical as conj_physical,
    imag as imag,
    is_conj as is_conj,
    is_conj as is_neg,
    real as real,
    resolve_conj as resolve_conj,
    resolve_conj as resolve_neg,
    view_as_complex as view_as_complex,
    view_as_real as view_as_real,
)
from .ops.functions import (
    abs as abs,
    abs as absolute,
    acos as acos,
    acosh as acosh,
    angle as angle,
    acos as arccos,
    acosh as arccosh,
    asin as arcsin,
    asinh as arcsinh,
    atan2 as arctan2,
    atan as arctan,
    atanh as arctanh,
    asin as asin,
    asinh as asinh,
    atan as atan,
    atan2 as atan2,
    atanh as atanh,
    ceil as ceil,
    copysign as copysign,
    cos as cos,
    cosh as cosh,
    deg2rad as deg2rad,
    digamma as digamma,
    erf as erf,
    erfc as erfc,
    erfinv as erfinv,
    trunc as fix,
    floor as floor,
    frac as frac,
    hypot as hypot,
    lgamma as lgamma,
    logaddexp as logaddexp,
    logaddexp2 as logaddexp2,
    logit as logit,
    nextafter as nextafter,
    polar as polar,
    polygamma as polygamma,
    rad2deg as rad2deg,
    round as round,
    sgn as sgn,
    sigmoid as sigmoid,
    sign as sign,
    signbit as signbit,
    sin as sin,
    sinc as sinc,
    sinh as sinh,
    tan as tan,
    tanh as tanh,
    trunc as trunc,
    xlogy as xlogy,
)
from . import special as special
from .ops.normal_distribution import mvlgamma as mvlgamma
from .ops.special_functions import (
    frexp as frexp,
    i0 as i0,
    igamma as igamma,
    igammac as igammac,
)
from .ops.pointwise import (
    add as add,
    div as div,
    div as divide,
    floor_divide as floor_divide,
    fmod as fmod,
    gcd as gcd,
    lcm as lcm,
    mul as mul,
    mul as multiply,
    neg as neg,
    neg as negative,
    positive as positive,
    reciprocal as reciprocal,
    remainder as remainder,
    result_type as result_type,
    rsub as rsub,
    sub as sub,
    sub as subtract,
    true_divide as true_divide,
)
from .ops.powers import (
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    float_power as float_power,
    ldexp as ldexp,
    log as log,
    log10 as log10,
    log1p as log1p,
    log2 as log2,
    pow as pow,
    rsqrt as rsqrt,
    sqrt as sqrt,
    square as square,
)

# random
from .ops.gamma_variates import (
    _dirichlet_grad as _dirichlet_grad,
    _sample_dirichlet as _sample_dirichlet,
    _standard_gamma as _standard_gamma,
    _standard_gamma_grad as _standard_gamma_grad,
    binomial as binomial,
)
from .ops.random import (
    Generator as Generator,
    bernoulli as bernoulli,
    default_generator as default_generator,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    multinomial as multinomial,
    normal as normal,
    poisson as poisson,
    rand as rand,
    rand_like as rand_like,
    randint as randint,
    randint_like as randint_like,
    randn as randn,
    randn_like as randn_like,
    randperm as randperm,
    seed as seed,
    set_rng_state as set_rng_state,
)
from . import random as random
from .core.limits import finfo as finfo, iinfo as iinfo
from .core.printing import set_printoptions as set_printoptions
from .serialization import load as load, save as save

# dtypes, devices and threads
from . import backends as backends
from .core.device import get_default_device as get_default_device, set_default_device as set_default_device
from .core.threads import (
    get_num_interop_threads as get_num_interop_threads,
    get_num_threads as get_num_threads,
    set_num_interop_threads as set_num_interop_threads,
    set_num_threads as set_num_threads,
)
from .ops.dlpack import from_dlpack as from_dlpack
from .ops.conversion import (
    STRIDED as strided,
    channels_last as channels_last,
    channels_last_3d as channels_last_3d,
    contiguous_format as contiguous_format,
    is_complex as is_complex,
    is_floating_point as is_floating_point,
    is_nonzero as is_nonzero,
    layout as layout,
    sparse_coo as sparse_coo,
    sparse_csc as sparse_csc,
    sparse_csr as sparse_csr,
    memory_format as memory_format,
    numel as numel,
    preserve_format as preserve_format,
)
from .ops.typed_tensors import (
    BFloat16Tensor as BFloat16Tensor,
    BoolTensor as BoolTensor,
    ByteTensor as ByteTensor,
    CharTensor as CharTensor,
    DoubleTensor as DoubleTensor,
    FloatTensor as FloatTensor,
    HalfTensor as HalfTensor,
    IntTensor as IntTensor,
    LongTensor as LongTensor,
    ShortTensor as ShortTensor,
)


def is_tensor(obj: object) -> _bool:
    """Whether ``obj`` is a tensor."""
    return isinstance(obj, Tensor)


# views, joins and indexing
from .ops.indexing import (
    index_add as index_add,
    index_copy as index_copy,
    index_fill as index_fill,
    index_put as index_put,
    index_put_ as index_put_,
    index_select as index_select,
    put as put,
    take as take,
)
from .ops.joining import (
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    block_diag as block_diag,
    broadcast_tensors as broadcast_tensors,
    cartesian_prod as cartesian_prod,
    cat as cat,
    column_stack as column_stack,
    combinations as combinations,
    concat as concat,
    concatenate as concatenate,
    dstack as dstack,
    hstack as hstack,
    meshgrid as meshgrid,
    row_stack as row_stack,
    stack as stack,
    vstack as vstack,
)
from .ops.splitting import (
    chunk as chunk,
    dsplit as dsplit,
    hsplit as hsplit,
    split as split,
    split_with_sizes as split_with_sizes,
    tensor_split as tensor_split,
    unbind as unbind,
    unsafe_chunk as unsafe_chunk,
    unsafe_split as unsafe_split,
    unsafe_split_with_sizes as unsafe_split_with_sizes,
    vsplit as vsplit,
)
from .ops.masking import (
    argwhere as argwhere,
    masked_fill as masked_fill,
    masked_scatter as masked_scatter,
    masked_select as masked_select,
    nonzero as nonzero,
    nonzero_static as nonzero_static,
)
from .ops.movement import (
    clone as clone,
    narrow as narrow,
    permute as permute,
    reshape as reshape,
    select as select,
    squeeze as squeeze,
    t as t,
    transpose as transpose,
    unsqueeze as unsqueeze,
)
from .ops.rearranging import (
    flip as flip,
    fliplr as fliplr,
    flipud as flipud,
    repeat_interleave as repeat_interleave,
    roll as roll,
    rot90 as rot90,
    tile as tile,
    tril as tril,
    tril_indices as tril_indices,
    triu as triu,
    triu_indices as triu_indices,
)
from .ops.scattering import (
    gather as gather,
    index_reduce as index_reduce,
    scatter as scatter,
    scatter_add as scatter_add,
    scatter_reduce as scatter_reduce,
    take_along_dim as take_along_dim,
)
from .ops.searching import (
    bucketize as bucketize,
    searchsorted as searchsorted,
)
from .ops.views import (
    adjoint as adjoint,
    as_strided_scatter as as_strided_scatter,
    broadcast_shapes as broadcast_shapes,
    broadcast_to as broadcast_to,
    diag as diag,
    diag_embed as diag_embed,
    diagflat as diagflat,
    diagonal as diagonal,
    diagonal_scatter as diagonal_scatter,
    flatten as flatten,
    moveaxis as moveaxis,
    movedim as movedim,
    narrow_copy as narrow_copy,
    ravel as ravel,
    select_scatter as select_scatter,
    slice_scatter as slice_scatter,
    swapaxes as swapaxes,
    swapdims as swapdims,
    unflatten as unflatten,
)
from .ops.shape_in_place import (
    as_strided_ as as_strided_,
)
from .ops.strided import (
    as_strided as as_strided,
)

# autograd
from . import autograd as autograd
from .autograd.fused_operations import (
    addcdiv as addcdiv,
    addcmul as addcmul,
    lerp as lerp,
    nan_to_num as nan_to_num,
    trapezoid as trapezoid,
    trapezoid as trapz,
)
from .autograd.anomaly_mode import (
    is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled,
    is_anomaly_enabled as is_anomaly_enabled,
)
from .core.grad_mode import (
    is_grad_enabled as is_grad_enabled,
    is_inference_mode_enabled as is_inference_mode_enabled,
)
from .autograd.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_inference as is_inference,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)

# copies of views, finite differences
from .ops.finite_differences import gradient as gradient, unravel_index as unravel_index
from .ops.view_copies import (
    alias_copy as alias_copy,
    as_strided_copy as as_strided_copy,
    detach_copy as detach_copy,
    diagonal_copy as diagonal_copy,
    empty_permuted as empty_permuted,
    expand_copy as expand_copy,
    fill as fill,
    fill_ as fill_,
    permute_copy as permute_copy,
    resize_as_ as resize_as_,
    select_copy as select_copy,
    slice_copy as slice_copy,
    split_copy as split_copy,
    split_with_sizes_copy as split_with_sizes_copy,
    squeeze_copy as squeeze_copy,
    t_copy as t_copy,
    transpose_copy as transpose_copy,
    unbind_copy as unbind_copy,
    unfold_copy as unfold_copy,
    unsqueeze_copy as unsqueeze_copy,
    view_as_complex_copy as view_as_complex_copy,
    view_as_real_copy as view_as_real_copy,
    view_copy as view_copy,
    zero_ as zero_,
)

# masked reductions
from . import masked as masked

# Fourier transforms and windows
from .ops.short_time_fourier import istft as istft, stft as stft
from . import fft as fft
from .ops.windows import (
    bartlett_window as bartlett_window,
    blackman_window as blackman_window,
    hamming_window as hamming_window,
    hann_window as hann_window,
    kaiser_window as kaiser_window,
)

# linear algebra and products
from . import linalg as linalg
from .ops.decompositions import (
    cholesky as cholesky,
    inverse as inverse,
    qr as qr,
)
from .ops.linalg import (
    bmm as bmm,
    dot as dot,
    inner as inner,
    matmul as matmul,
    mm as mm,
    mv as mv,
    outer as ger,
    outer as outer,
    vdot as vdot,
)
from .ops.linear import (
    addbmm as addbmm,
    addmm as addmm,
    addmv as addmv,
    addr as addr,
    baddbmm as baddbmm,
)
from .ops.matrix_functions import (
    det as det,
    logdet as logdet,
    matrix_exp as matrix_exp,
    matrix_power as matrix_power,
    pinverse as pinverse,
    slogdet as slogdet,
)
from .ops.reflections import (
    geqrf as geqrf,
    orgqr as orgqr,
    ormqr as ormqr,
)
from .ops.products import (
    bilinear as bilinear,
    chain_matmul as chain_matmul,
    cross as cross,
    einsum as einsum,
    kron as kron,
    tensordot as tensordot,
    trace as trace,
)
from .ops.spectra import svd as svd
from .ops.symmetric_factors import pca_lowrank as pca_lowrank, svd_lowrank as svd_lowrank
from .ops.triangular import (
    cholesky_inverse as cholesky_inverse,
    cholesky_solve as cholesky_solve,
    compact_lu as lu,
    lu_solve as lu_solve,
    lu_unpack as lu_unpack,
    triangular_solve as triangular_solve,
)

float, double, half = float32, float64, float16
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128
# reductions, sorting and scans
from .core import return_types as return_types
from .ops.distances import (
    cdist as cdist,
    dist as dist,
    norm as norm,
    pairwise_distance as pairwise_distance,
    pdist as pdist,
    renorm as renorm,
)
from .ops.extrema import (
    amax as amax,
    amin as amin,
    aminmax as aminmax,
    argmax as argmax,
    argmin as argmin,
    max as max,
    min as min,
)
from .ops.order_statistics import (
    median as median,
    mode as mode,
    nanmedian as nanmedian,
    nanquantile as nanquantile,
    quantile as quantile,
)
from .ops.reductions import (
    all as all,
    any as any,
    count_nonzero as count_nonzero,
    logsumexp as logsumexp,
    mean as mean,
    nanmean as nanmean,
    nansum as nansum,
    prod as prod,
    sum as sum,
)
from .ops.scans import (
    cummax as cummax,
    cummin as cummin,
    cumprod as cumprod,
    cumsum as cumsum,
    cumulative_trapezoid as cumulative_trapezoid,
    diff as diff,
    logcumsumexp as logcumsumexp,
)
from .ops.sorting import (
    argsort as argsort,
    kthvalue as kthvalue,
    msort as msort,
    sort as sort,
    topk as topk,
)
from .ops.statistics import (
    bincount as bincount,
    corrcoef as corrcoef,
    cov as cov,
    histc as histc,
    histogram as histogram,
    histogramdd as histogramdd,
    std as std,
    std_mean as std_mean,
    var as var,
    var_mean as var_mean,
)
from .ops.uniqueness import (
    isin as isin,
    unique as unique,
    unique_consecutive as unique_consecutive,
)

from . import nn as nn

# neural networks
from .nn.functional import (
    channel_shuffle as channel_shuffle,
    cosine_similarity as cosine_similarity,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
)
from .nn.functional.top_level import (
    alpha_dropout as alpha_dropout,
    alpha_dropout_ as alpha_dropout_,
    constant_pad_nd as constant_pad_nd,
    dropout as dropout,
    dropout_ as dropout_,
    feature_alpha_dropout as feature_alpha_dropout,
    feature_alpha_dropout_ as feature_alpha_dropout_,
    feature_dropout as feature_dropout,
    feature_dropout_ as feature_dropout_,
)

# convolution, pooling, normalization
from .nn.functional.convolution import (
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
)
from .nn.functional.normalization import (
    rms_norm as rms_norm,
)
from .nn.functional.grid_sampling import (
    affine_grid_generator as affine_grid_generator,
    grid_sampler as grid_sampler,
    grid_sampler_2d as grid_sampler_2d,
    grid_sampler_3d as grid_sampler_3d,
)
from .nn.functional.pooling import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    adaptive_max_pool1d as adaptive_max_pool1d,
    avg_pool1d as avg_pool1d,
    max_pool1d as max_pool1d,
    max_pool1d_with_indices as max_pool1d_with_indices,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
)

# arguments in torch's own order, reductions by number; recurrent layers as functions; segments
from .nn.functional.native_forms import (
    batch_norm as batch_norm,
    batch_norm_update_stats as batch_norm_update_stats,
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    conv_tbc as conv_tbc,
    convolution as convolution,
    cosine_embedding_loss as cosine_embedding_loss,
    ctc_loss as ctc_loss,
    embedding as embedding,
    embedding_bag as embedding_bag,
    frobenius_norm as frobenius_norm,
    group_norm as group_norm,
    hinge_embedding_loss as hinge_embedding_loss,
    instance_norm as instance_norm,
    kl_div as kl_div,
    layer_norm as layer_norm,
    margin_ranking_loss as margin_ranking_loss,
    native_batch_norm as native_batch_norm,
    native_dropout as native_dropout,
    native_group_norm as native_group_norm,
    native_layer_norm as native_layer_norm,
    norm_except_dim as norm_except_dim,
    nuclear_norm as nuclear_norm,
    poisson_nll_loss as poisson_nll_loss,
    triplet_margin_loss as triplet_margin_loss,
)
from .nn.recurrent_functions import (
    gru as gru,
    gru_cell as gru_cell,
    lstm as lstm,
    lstm_cell as lstm_cell,
    rnn_relu as rnn_relu,
    rnn_relu_cell as rnn_relu_cell,
    rnn_tanh as rnn_tanh,
    rnn_tanh_cell as rnn_tanh_cell,
)
from .ops.segments import segment_reduce as segment_reduce, vander as vander

# switches, sizes as symbols, numbers
from math import e as e, inf as inf, nan as nan, pi as pi
from .settings import (
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
    compiled_with_cxx11_abi as compiled_with_cxx11_abi,
    get_deterministic_debug_mode as get_deterministic_debug_mode,
    get_float32_matmul_precision as get_float32_matmul_precision,
    is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled as is_warn_always_enabled,
    set_default_tensor_type as set_default_tensor_type,
    set_deterministic_debug_mode as set_deterministic_debug_mode,
    set_float32_matmul_precision as set_float32_matmul_precision,
    set_flush_denormal as set_flush_denormal,
    set_warn_always as set_warn_always,
    typename as typename,
    use_deterministic_algorithms as use_deterministic_algorithms,
)
from .symbolic import (
    SymBool as SymBool,
    SymFloat as SymFloat,
    SymInt as SymInt,
    sym_float as sym_float,
    sym_int as sym_int,
    sym_ite as sym_ite,
    sym_max as sym_max,
    sym_min as sym_min,
    sym_not as sym_not,
    sym_sqrt as sym_sqrt,
    sym_sum as sym_sum,
)

newaxis = None
legacy_contiguous_format = contiguous_format

from . import version as version
from .torch_version import __version__ as __version__


# the in-place methods that torch has as functions too
for _name in (
    "abs_", "acos_", "acosh_", "addmv_", "arccos_", "arccosh_", "arcsin_", "arcsinh_", "arctan_", "arctanh_", "asin_",
    "asinh_", "atan_", "atanh_", "ceil_", "clamp_", "clamp_max_", "clamp_min_", "clip_", "conj_physical_", "cos_", "cosh_",
    "deg2rad_", "detach", "detach_", "erf_", "erfc_", "exp2_", "exp_", "expm1_", "fix_", "floor_", "frac_", "gcd_", "i0_",
    "lcm_", "ldexp_", "log10_", "log1p_", "log2_", "log_", "logit_", "nan_to_num_", "neg_", "negative_", "rad2deg_",
    "reciprocal_", "round_", "rsqrt_", "sigmoid_", "sin_", "sinc_", "sinh_", "sqrt_", "square_", "tan_", "tanh_", "trunc_",
    "xlogy_",
):  # fmt: skip
    globals()[_name] = vars(Tensor)[_name]
    if not globals()[_name].__doc__:
        globals()[
            _name
        ].__doc__ = f"``Tensor.{_name}`` as a function: changes its first argument in place and returns it."
del _name

if _TYPE_CHECKING:
    from . import amp as amp, cpu as cpu, cuda as cuda, func as func, optim as optim, signal as signal
    from . import distributed as distributed, distributions as distributions, sparse as sparse
    from . import testing as testing, utils as utils
    from .amp.autocast_mode import (
        autocast as autocast,
        clear_autocast_cache as clear_autocast_cache,
        get_autocast_cpu_dtype as get_autocast_cpu_dtype,
        get_autocast_dtype as get_autocast_dtype,
        get_autocast_gpu_dtype as get_autocast_gpu_dtype,
        is_autocast_cache_enabled as is_autocast_cache_enabled,
        is_autocast_cpu_enabled as is_autocast_cpu_enabled,
        is_autocast_enabled as is_autocast_enabled,
        set_autocast_cache_enabled as set_autocast_cache_enabled,
        set_autocast_dtype as set_autocast_dtype,
    )
    from .amp.grad_scaler import GradScaler as GradScaler
    from .func.vectorize import vmap as vmap
    from .jit.compile import compile as compile
    from .jit.control_flow import cond as cond, map_fn as map_fn, scan as scan, while_loop as while_loop
    from .jit.explain import explain as explain
else:
    from .missing import explain_missing as _explain_missing, on_first_use as _on_first_use

    _ASSERTIONS = (
        "assert_async", "check", "check_index", "check_is_size", "check_not_implemented", "check_tensor_all",
        "check_tensor_all_with", "check_type", "check_value", "check_with",
    )  # fmt: skip
    # With and without _ at the end, where there are both.
    _FOREACH = [
        name + ending
        for name in (
            "abs", "acos", "add", "addcdiv", "addcmul", "asin", "atan", "ceil", "clamp_max", "clamp_min", "cos", "cosh", "div",
            "erf", "erfc", "exp", "expm1", "floor", "frac", "lerp", "lgamma", "log", "log10", "log1p", "log2", "maximum",
            "minimum", "mul", "neg", "pow", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "sub",
            "tan", "tanh", "trunc",
        )
        for ending in ("", "_")
    ] + ["clone", "copy_", "max", "mm", "norm", "powsum", "zero_"]  # fmt: skip
    _AUTOCAST = (
        "autocast", "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache",
        "get_autocast_cpu_dtype", "get_autocast_dtype", "get_autocast_gpu_dtype", "is_autocast_cache_enabled",
        "is_autocast_cpu_enabled", "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype",
        "set_autocast_cpu_enabled", "set_autocast_dtype", "set_autocast_enabled", "set_autocast_gpu_dtype",
    )  # fmt: skip
    _STORED_BY_NO_TENSOR = ["qint8", "qint32", "quint8", "quint2x4", "quint4x2"] + [
        f"{sign}int{bits}" for sign in ("", "u") for bits in "1234567"
    ]
    _SCRIPT_TYPES = [
        kind + "Type"
        for kind in (
            "Aggregation", "Any", "Await", "Bool", "Class", "Complex", "ConcreteModule", "DeviceObj", "Dict", "Enum", "Float",
            "Future", "Inferred", "Interface", "Int", "List", "None", "Number", "Optional", "PyObject", "RRef", "StreamObj",
            "String", "SymBool", "SymInt", "Tensor", "Tuple", "", "Union",
        )
    ]  # fmt: skip
    # Imported when a program first asks for it. The first table's names are also those of dir() and `import *`.
    __getattr__, __dir__ = _on_first_use(
        __name__,
        {
            **{
                name: "." + name
                for name in ("amp", "cpu", "cuda", "func", "optim", "signal", "testing", "utils")
            },
            **{name: f".amp.autocast_mode:{name}" for name in _AUTOCAST},
            "GradScaler": ".amp.grad_scaler:GradScaler",
            "vmap": ".func.vectorize:vmap",
        },
        {
            "_C": "._C",
            "__config__": ".__config__",
            "__future__": ".__future__",
            "accelerator": ".accelerator",
            "Event": ".cuda.streams:Event",
            "Stream": ".cuda.streams:Stream",
            "classes": ".operators:classes",
            "chalf": ".core.dtypes:complex32",
            "complex32": ".core.dtypes:complex32",
            **{name: f".core.dtypes:{name}" for name in _STORED_BY_NO_TENSOR},
            **{name: f".jit.script_types:{name}" for name in _SCRIPT_TYPES},
            "export": ".absent_modules:export",
            "functional": ".functional",
            "futures": ".futures",
            "Future": ".futures:Future",
            "ScriptModule": ".nn.scripted:ScriptModule",
            **{
                f"_{name}": f".ops.compressed_indices:{name}"
                for name in ("convert_indices_from_coo_to_csr", "convert_indices_from_csr_to_coo")
            },
            "_prims_common": "._prims_common",
            "_fused_sdp_choice": ".nn.functional.native_forms:_fused_sdp_choice",
            "_masked_softmax": ".nn.functional.native_forms:_masked_softmax",
            "_grid_sampler_2d_cpu_fallback": ".nn.functional.grid_sampling:grid_sampler_2d",
            "_scaled_dot_product_attention_math": (
                ".nn.functional.native_forms:_scaled_dot_product_attention_math"
            ),
            "_segment_reduce": ".ops.segments:segment_reduce",
            "_shape_as_tensor": ".assertions:shape_as_tensor",
            "PyTorchFileReader": ".absent_modules:PyTorchFileReader",
            "PyTorchFileWriter": ".absent_modules:PyTorchFileWriter",
            "nested": ".absent_modules:nested",
            "_utils": "._utils",
            "_VF": "._VF",
            "_tensor": "._tensor",
            "_tensor_str": "._tensor_str",
            "fx": ".fx",
            "onnx": ".absent_modules:onnx",
            "library": ".library",
            "lobpcg": "._lobpcg:lobpcg",
            "Tag": ".library:Tag",
            "native_channel_shuffle": ".nn.functional:channel_shuffle",
            "get_device_module": ".other_accelerators:get_device_module",
            "mps": ".other_accelerators:mps",
            "mtia": ".other_accelerators:mtia",
            "xpu": ".other_accelerators:xpu",
            "types": ".types",
            "TypedStorage": ".storage:TypedStorage",
            **{
                f"{kind}Storage": f".storage:{kind}Storage"
                for kind in (
                    "Float",
                    "Double",
                    "Half",
                    "BFloat16",
                    "Long",
                    "Int",
                    "Short",
                    "Char",
                    "Byte",
                    "Bool",
                    "ComplexFloat",
                    "ComplexDouble",
                )
            },
            "from_file": ".storage:from_file",
            "hash_tensor": ".ops.hashing:hash_tensor",
            **{
                name: f".method_functions:{name}"
                for name in (
                    "ccol_indices_copy",
                    "col_indices_copy",
                    "crow_indices_copy",
                    "embedding_renorm_",
                    "get_device",
                    "indices_copy",
                    "is_distributed",
                    "is_same_size",
                    "is_signed",
                    "row_indices_copy",
                    "values_copy",
                )
            },
            **{name: f".jit.scripting:{name}" for name in ("fork", "wait")},
            "set_anomaly_enabled": ".autograd.anomaly_mode:set_anomaly_enabled",
            "AcceleratorError": ".core.errors:AcceleratorError",
            **{
                name: f".method_functions:{name}"
                for name in ("has_lapack", "has_mkl", "has_openmp", "has_spectral")
            },
            "is_vulkan_available": ".method_functions:is_vulkan_available",
            "to_dlpack": ".ops.dlpack:to_dlpack",
            "UntypedStorage": ".storage:UntypedStorage",
            "is_storage": ".storage:is_storage",
            "storage": ".storage",
            "torch": "rushlight",
            "torch_version": ".torch_version",
            "_higher_order_ops": "._higher_order_ops",
            **{f"_{name}": f".assertions:{name}" for name in _ASSERTIONS},
            "_assert": ".assertions:assert_true",
            **{f"_foreach_{name}": f".ops.foreach:_foreach_{name}" for name in _FOREACH},
            **{
                f"_cast_{short}": f".ops.older_casts:_cast_{short}"
                for short in ("Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
            },
            "compile": ".jit.compile:compile",
            "compiler": ".compiler",
            "cond": ".jit.control_flow:cond",
            "distributed": ".distributed",
            "distributions": ".distributions",
            "explain": ".jit.explain:explain",
            "hub": ".hub",
            "_dynamo": "._dynamo",
            "jit": ".jit",
            "map_fn": ".jit.control_flow:map_fn",
            "multiprocessing": ".multiprocessing",
            "profiler": ".profiler",
            "quasirandom": ".quasirandom",
            "overrides": ".overrides",
            "scan": ".jit.control_flow:scan",
            # sparse tensors
            "dsmm": ".ops.linalg:mm",
            "hsmm": ".ops.sparse_products:hspmm",
            "hspmm": ".ops.sparse_products:hspmm",
            "saddmm": ".ops.sparse_products:sparse_addmm",
            "smm": ".ops.sparse_products:smm",
            "sparse": ".sparse",
            "sparse_bsc_tensor": ".ops.sparse_creation:sparse_bsc_tensor",
            "sparse_bsr_tensor": ".ops.sparse_creation:sparse_bsr_tensor",
            "sparse_compressed_tensor": ".ops.sparse_creation:sparse_compressed_tensor",
            "sparse_coo_tensor": ".ops.sparse_creation:sparse_coo_tensor",
            "sparse_csc_tensor": ".ops.sparse_creation:sparse_csc_tensor",
            "sparse_csr_tensor": ".ops.sparse_creation:sparse_csr_tensor",
            "spmm": ".ops.linalg:mm",
            "sspaddmm": ".ops.sparse_products:sspaddmm",
            "vision": ".vision",
            "while_loop": ".jit.control_flow:while_loop",
        },
    )
    _explain_missing(nn.functional, nn.init, linalg, fft, special, backends, random, masked)

from .nn.compiled import COMPILER as _COMPILER


def _compile_later(call: _Any, **options: _Any) -> _Any:
    from .jit.compile import compile

    return compile(call, **options)


_COMPILER.append(_compile_later)


from .ops import meta as _meta_device  # which makes the device's name known


def _operators(name: str) -> _Any:  # torch.ops.aten, and the namespaces of torch.library
    if name.startswith("__"):  # what Python and tools ask of every module
        raise AttributeError(f"module 'rushlight.ops' has no attribute {name!r}")
    from importlib.util import find_spec

    from .operators import namespace

    if (
        find_spec(f"rushlight.ops.{name}") is not None
    ):  # `from rushlight.ops import ...` asks before it imports
        raise AttributeError(f"module 'rushlight.ops' has no attribute {name!r}")
    return namespace(name)


ops.__getattr__ = _operators  # type: ignore[name-defined]  # noqa: F821 - the package of that name

# Last, because it may have to look at every public function.
from .overriding.subclasses import install as _install_overriding

_install_overriding((nn.Parameter, nn.Buffer))
