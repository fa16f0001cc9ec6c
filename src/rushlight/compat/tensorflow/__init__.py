"""TensorFlow 1's graphs and sessions over Rushlight: ``import rushlight.compat.tensorflow as tf``.

``rushlight run program.py`` makes a program's own ``import tensorflow as tf`` (and ``tensorflow.compat.v1``) find this.
"""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from builtins import bool as _bool

from . import (
    app as app,
    compat as compat,
    contrib as contrib,
    distribute as distribute,
    errors as errors,
    flags as flags,
    gfile as gfile,
    initializers as initializers,
    layers as layers,
    linalg as linalg,
    logging as logging,
    losses as losses,
    math as math,
    metrics as metrics,
    nn as nn,
    random as random,
    summary as summary,
    train as train,
)
from .clipping import (
    check_numerics as check_numerics,
    clip_by_global_norm as clip_by_global_norm,
    clip_by_norm as clip_by_norm,
    clip_by_value as clip_by_value,
    global_norm as global_norm,
    norm as norm,
)
from .control_flow import (
    assert_true as Assert,
    case as case,
    cond as cond,
    group as group,
    no_op as no_op,
    print_ as Print,
    tuple_ as tuple,
    while_loop as while_loop,
)
from .conversion import (
    constant as constant,
    convert_to_tensor as convert_to_tensor,
    is_tensor as is_tensor,
)
from .differentiate import gradients as gradients, hessians as hessians
from .dtypes import (
    DType as DType,
    as_dtype as as_dtype,
    bfloat16 as bfloat16,
    bool_ as bool,
    complex64 as complex64,
    complex128 as complex128,
    double as double,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    half as half,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    string as string,
    uint8 as uint8,
)
from .graph import (
    Graph as Graph,
    GraphKeys as GraphKeys,
    Operation as Operation,
    Tensor as Tensor,
    get_default_graph as get_default_graph,
    get_default_session as get_default_session,
    name_scope as name_scope,
    reset_default_graph as reset_default_graph,
)
from .initializers import (
    constant_initializer as constant_initializer,
    glorot_normal_initializer as glorot_normal_initializer,
    glorot_uniform_initializer as glorot_uniform_initializer,
    ones_initializer as ones_initializer,
    orthogonal_initializer as orthogonal_initializer,
    random_normal_initializer as random_normal_initializer,
    random_uniform_initializer as random_uniform_initializer,
    truncated_normal_initializer as truncated_normal_initializer,
    uniform_unit_scaling_initializer as uniform_unit_scaling_initializer,
    variance_scaling_initializer as variance_scaling_initializer,
    zeros_initializer as zeros_initializer,
)
from .linalg import (
    cholesky as cholesky,
    det as matrix_determinant,
    inv as matrix_inverse,
    solve as matrix_solve,
    trace as trace,
)
from .loops import foldl as foldl, foldr as foldr, map_fn as map_fn, scan as scan
from .ops_array import (
    broadcast_to as broadcast_to,
    concat as concat,
    diag as diag,
    diag_part as diag_part,
    expand_dims as expand_dims,
    eye as eye,
    fill as fill,
    identity as identity,
    lin_space as lin_space,
    linspace as linspace,
    matrix_band_part as matrix_band_part,
    matrix_diag_part as matrix_diag_part,
    matrix_transpose as matrix_transpose,
    meshgrid as meshgrid,
    ones as ones,
    ones_like as ones_like,
    pad as pad,
    parallel_stack as parallel_stack,
    placeholder as placeholder,
    placeholder_with_default as placeholder_with_default,
    range_ as range,
    rank as rank,
    reshape as reshape,
    reverse as reverse,
    reverse_sequence as reverse_sequence,
    shape as shape,
    size as size,
    split as split,
    squeeze as squeeze,
    stack as stack,
    stop_gradient as stop_gradient,
    tile as tile,
    transpose as transpose,
    unstack as unstack,
    zeros as zeros,
    zeros_like as zeros_like,
)
from .ops_indexing import (
    boolean_mask as boolean_mask,
    gather as gather,
    gather_nd as gather_nd,
    one_hot as one_hot,
    scatter_nd as scatter_nd,
    sequence_mask as sequence_mask,
    slice_ as slice,
    strided_slice as strided_slice,
    unique as unique,
    where as where,
)
from .ops_math import (
    abs as abs,
    accumulate_n as accumulate_n,
    acos as acos,
    acosh as acosh,
    add as add,
    add_n as add_n,
    asin as asin,
    asinh as asinh,
    atan as atan,
    atan2 as atan2,
    atanh as atanh,
    cast as cast,
    ceil as ceil,
    complex as complex,
    conj as conj,
    cos as cos,
    cosh as cosh,
    digamma as digamma,
    div as div,
    div_no_nan as div_no_nan,
    divide as divide,
    einsum as einsum,
    equal as equal,
    erf as erf,
    erfc as erfc,
    exp as exp,
    expm1 as expm1,
    floor as floor,
    floordiv as floordiv,
    floormod as floormod,
    greater as greater,
    greater_equal as greater_equal,
    imag as imag,
    is_finite as is_finite,
    is_inf as is_inf,
    is_nan as is_nan,
    less as less,
    less_equal as less_equal,
    lgamma as lgamma,
    log as log,
    log1p as log1p,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    matmul as matmul,
    maximum as maximum,
    minimum as minimum,
    mod as mod,
    multiply as multiply,
    negative as negative,
    not_equal as not_equal,
    pow as pow,
    real as real,
    reciprocal as reciprocal,
    rint as rint,
    round as round,
    rsqrt as rsqrt,
    saturate_cast as saturate_cast,
    scalar_mul as scalar_mul,
    sigmoid as sigmoid,
    sign as sign,
    sin as sin,
    sinh as sinh,
    sqrt as sqrt,
    square as square,
    squared_difference as squared_difference,
    subtract as subtract,
    tan as tan,
    tanh as tanh,
    tensordot as tensordot,
    to_double as to_double,
    to_float as to_float,
    to_int32 as to_int32,
    to_int64 as to_int64,
    truediv as truediv,
    truncatediv as truncatediv,
    truncatemod as truncatemod,
)
from .ops_random import (
    get_seed as get_seed,
    multinomial as multinomial,
    random_crop as random_crop,
    random_normal as random_normal,
    random_shuffle as random_shuffle,
    random_uniform as random_uniform,
    set_random_seed as set_random_seed,
    truncated_normal as truncated_normal,
)
from .ops_reduce import (
    argmax as argmax,
    argmin as argmin,
    count_nonzero as count_nonzero,
    cumprod as cumprod,
    cumsum as cumsum,
    reduce_all as reduce_all,
    reduce_any as reduce_any,
    reduce_logsumexp as reduce_logsumexp,
    reduce_max as reduce_max,
    reduce_mean as reduce_mean,
    reduce_min as reduce_min,
    reduce_prod as reduce_prod,
    reduce_sum as reduce_sum,
)
from .placement import DeviceSpec as DeviceSpec
from .python_function import py_func as py_func
from .scopes import (
    add_to_collection as add_to_collection,
    add_to_collections as add_to_collections,
    colocate_with as colocate_with,
    container as container,
    control_dependencies as control_dependencies,
    device as device,
    get_collection as get_collection,
    get_collection_ref as get_collection_ref,
)
from .session import (
    ConfigProto as ConfigProto,
    GPUOptions as GPUOptions,
    GraphOptions as GraphOptions,
    InteractiveSession as InteractiveSession,
    OptimizerOptions as OptimizerOptions,
    RunMetadata as RunMetadata,
    RunOptions as RunOptions,
    Session as Session,
)
from .summary import Summary as Summary
from .tensor_shape import (
    Dimension as Dimension,
    TensorShape as TensorShape,
)
from .variable_scope import (
    AUTO_REUSE as AUTO_REUSE,
    VariableScope as VariableScope,
    get_local_variable as get_local_variable,
    get_variable as get_variable,
    get_variable_scope as get_variable_scope,
    make_template as make_template,
    no_regularizer as no_regularizer,
    variable_op_scope as variable_op_scope,
    variable_scope as variable_scope,
)
from .variables import (
    Variable as Variable,
    all_variables as all_variables,
    assert_variables_initialized as assert_variables_initialized,
    assign as assign,
    assign_add as assign_add,
    assign_sub as assign_sub,
    global_variables as global_variables,
    global_variables_initializer as global_variables_initializer,
    initialize_all_variables as initialize_all_variables,
    initialize_local_variables as initialize_local_variables,
    initialize_variables as initialize_variables,
    is_variable_initialized as is_variable_initialized,
    local_variables as local_variables,
    local_variables_initializer as local_variables_initializer,
    model_variables as model_variables,
    moving_average_variables as moving_average_variables,
    report_uninitialized_variables as report_uninitialized_variables,
    scatter_add as scatter_add,
    scatter_sub as scatter_sub,
    scatter_update as scatter_update,
    trainable_variables as trainable_variables,
    variables_initializer as variables_initializer,
)

newaxis = None
__version__ = "1.15.5"
VERSION = __version__


def disable_v2_behavior() -> None:
    """Nothing to do: this is TensorFlow 1's behaviour."""


disable_eager_execution = disable_v2_tensorshape = disable_resource_variables = disable_v2_behavior


def enable_eager_execution(*args: object, **options: object) -> None:
    """Refuse: for operations that run at once, use Rushlight itself."""
    raise NotImplementedError(
        "enable_eager_execution: this module has graphs only; `import rushlight as torch` runs eagerly"
    )


def executing_eagerly() -> _bool:
    """False: operations are added to a graph."""
    return False
