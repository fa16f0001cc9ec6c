"""TensorFlow 1's graphs and sessions over Rushlight: ``import rushlight.compat.tensorflow as tf``.

``rushlight run program.py`` makes a program's own ``import tensorflow as tf`` (and ``tensorflow.compat.v1``) find this.
"""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from builtins import bool as _bool

from . import (
    app as app,
    bitwise as bitwise,
    checks as debugging,
    compat as compat,
    contrib as contrib,
    data as data,
    distribute as distribute,
    distributions as distributions,
    dtypes as dtypes,
    errors as errors,
    flags as flags,
    gfile as gfile,
    image as image,
    initializers as initializers,
    io as io,
    layers as layers,
    linalg as linalg,
    logging as logging,
    losses as losses,
    math as math,
    meta_graph as graph_util,
    metrics as metrics,
    nest as nest,
    nn as nn,
    ops_rearranging as manip,
    python_io as python_io,
    random as random,
    signal as signal,
    sparse as sparse,
    spectral as spectral,
    strings as strings,
    summary as summary,
    test as test,
    train as train,
)
from .checks import (
    add_check_numerics_ops as add_check_numerics_ops,
    assert_equal as assert_equal,
    assert_greater as assert_greater,
    assert_greater_equal as assert_greater_equal,
    assert_integer as assert_integer,
    assert_less as assert_less,
    assert_less_equal as assert_less_equal,
    assert_near as assert_near,
    assert_negative as assert_negative,
    assert_non_negative as assert_non_negative,
    assert_non_positive as assert_non_positive,
    assert_none_equal as assert_none_equal,
    assert_positive as assert_positive,
    assert_proper_iterable as assert_proper_iterable,
    assert_rank as assert_rank,
    assert_rank_at_least as assert_rank_at_least,
    assert_rank_in as assert_rank_in,
    assert_same_float_dtype as assert_same_float_dtype,
    assert_scalar as assert_scalar,
    assert_type as assert_type,
    is_non_decreasing as is_non_decreasing,
    is_numeric_tensor as is_numeric_tensor,
    is_strictly_increasing as is_strictly_increasing,
    verify_tensor_all_finite as verify_tensor_all_finite,
)
from .clipping import (
    check_numerics as check_numerics,
    clip_by_average_norm as clip_by_average_norm,
    clip_by_global_norm as clip_by_global_norm,
    clip_by_norm as clip_by_norm,
    clip_by_value as clip_by_value,
    global_norm as global_norm,
    norm as norm,
)
from .compat import dimension_at_index as dimension_at_index, dimension_value as dimension_value
from .control_flow import (
    assert_true as Assert,
    case as case,
    cond as cond,
    group as group,
    no_op as no_op,
    print_ as Print,
    print_v2 as print,
    switch_case as switch_case,
    tuple_ as tuple,
    while_loop as while_loop,
)
from .conversion import (
    constant as constant,
    constant_value as get_static_value,
    convert_to_tensor as convert_to_tensor,
    is_tensor as is_tensor,
)
from .custom_gradient import custom_gradient as custom_gradient, grad_pass_through as grad_pass_through
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
from .errors import OpError as OpError
from .graph import (
    Graph as Graph,
    GraphKeys as GraphKeys,
    Operation as Operation,
    Tensor as Tensor,
    get_default_graph as get_default_graph,
    get_default_session as get_default_session,
    name_scope as name_scope,
    name_scope as op_scope,
    reset_default_graph as reset_default_graph,
)
from .image_files import (
    decode_bmp as decode_bmp,
    decode_gif as decode_gif,
    decode_image as decode_image,
    decode_jpeg as decode_jpeg,
    decode_png as decode_png,
    encode_jpeg as encode_jpeg,
    encode_png as encode_png,
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
    cholesky_solve as cholesky_solve,
    det as matrix_determinant,
    eigh as self_adjoint_eig,
    eigvalsh as self_adjoint_eigvals,
    inv as matrix_inverse,
    lstsq as matrix_solve_ls,
    qr as qr,
    solve as matrix_solve,
    svd as svd,
    trace as trace,
    triangular_solve as matrix_triangular_solve,
)
from .loops import foldl as foldl, foldr as foldr, map_fn as map_fn, scan as scan
from .meta_graph import GraphDef as GraphDef, NodeDef as NodeDef, import_graph_def as import_graph_def
from .missing import getter as _getter
from .ops_array import (
    broadcast_to as broadcast_to,
    concat as concat,
    diag as diag,
    diag_part as diag_part,
    expand_dims as expand_dims,
    eye as eye,
    fill as fill,
    identity as guarantee_const,
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
    angle as angle,
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
    floor_div as floor_div,
    floordiv as floordiv,
    floormod as floormod,
    greater as greater,
    greater_equal as greater_equal,
    igamma as igamma,
    igammac as igammac,
    imag as imag,
    is_finite as is_finite,
    is_inf as is_inf,
    is_nan as is_nan,
    lbeta as lbeta,
    less as less,
    less_equal as less_equal,
    lgamma as lgamma,
    log as log,
    log1p as log1p,
    log_sigmoid as log_sigmoid,
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
    polygamma as polygamma,
    pow as pow,
    real as real,
    realdiv as realdiv,
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
    to_bfloat16 as to_bfloat16,
    to_complex64 as to_complex64,
    to_complex128 as to_complex128,
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
    random_gamma as random_gamma,
    random_normal as random_normal,
    random_poisson as random_poisson,
    random_shuffle as random_shuffle,
    random_uniform as random_uniform,
    set_random_seed as set_random_seed,
    truncated_normal as truncated_normal,
)
from .ops_rearranging import (
    argsort as argsort,
    batch_gather as batch_gather,
    batch_to_space as batch_to_space,
    batch_to_space_nd as batch_to_space_nd,
    bitcast as bitcast,
    broadcast_dynamic_shape as broadcast_dynamic_shape,
    broadcast_static_shape as broadcast_static_shape,
    cross as cross,
    depth_to_space as depth_to_space,
    ensure_shape as ensure_shape,
    extract_image_patches as extract_image_patches,
    identity_n as identity_n,
    matrix_diag as matrix_diag,
    matrix_set_diag as matrix_set_diag,
    repeat as repeat,
    roll as roll,
    searchsorted as searchsorted,
    shape_n as shape_n,
    sort as sort,
    space_to_batch as space_to_batch,
    space_to_batch_nd as space_to_batch_nd,
    space_to_depth as space_to_depth,
    tensor_scatter_nd_add as tensor_scatter_add,
    tensor_scatter_nd_add as tensor_scatter_nd_add,
    tensor_scatter_nd_max as tensor_scatter_nd_max,
    tensor_scatter_nd_min as tensor_scatter_nd_min,
    tensor_scatter_nd_sub as tensor_scatter_nd_sub,
    tensor_scatter_nd_sub as tensor_scatter_sub,
    tensor_scatter_nd_update as tensor_scatter_nd_update,
    tensor_scatter_nd_update as tensor_scatter_update,
    unravel_index as unravel_index,
    where_v2 as where_v2,
)
from .ops_reduce import (
    argmax as arg_max,
    argmax as argmax,
    argmin as arg_min,
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
from .ops_segments import (
    bincount as bincount,
    confusion_matrix as confusion_matrix,
    count_up_to as count_up_to,
    dynamic_partition as dynamic_partition,
    dynamic_stitch as dynamic_stitch,
    edit_distance as edit_distance,
    histogram_fixed_width as histogram_fixed_width,
    histogram_fixed_width_bins as histogram_fixed_width_bins,
    invert_permutation as invert_permutation,
    segment_max as segment_max,
    segment_mean as segment_mean,
    segment_min as segment_min,
    segment_prod as segment_prod,
    segment_sum as segment_sum,
    setdiff1d as setdiff1d,
    sparse_segment_mean as sparse_segment_mean,
    sparse_segment_sqrt_n as sparse_segment_sqrt_n,
    sparse_segment_sum as sparse_segment_sum,
    unique_with_counts as unique_with_counts,
    unsorted_segment_max as unsorted_segment_max,
    unsorted_segment_mean as unsorted_segment_mean,
    unsorted_segment_min as unsorted_segment_min,
    unsorted_segment_prod as unsorted_segment_prod,
    unsorted_segment_sqrt_n as unsorted_segment_sqrt_n,
    unsorted_segment_sum as unsorted_segment_sum,
)
from .parsing import (
    FixedLenFeature as FixedLenFeature,
    FixedLenSequenceFeature as FixedLenSequenceFeature,
    VarLenFeature as VarLenFeature,
    parse_example as parse_example,
    parse_single_example as parse_single_example,
    parse_single_sequence_example as parse_single_sequence_example,
)
from .placement import DeviceSpec as DeviceSpec
from .python_function import (
    numpy_function as numpy_function,
    py_func as py_func,
    py_function as py_function,
    read_file as read_file,
    write_file as write_file,
)
from .queues import (
    FIFOQueue as FIFOQueue,
    QueueBase as QueueBase,
    RandomShuffleQueue as RandomShuffleQueue,
)
from .readers import (
    FixedLengthRecordReader as FixedLengthRecordReader,
    IdentityReader as IdentityReader,
    ReaderBase as ReaderBase,
    TextLineReader as TextLineReader,
    TFRecordReader as TFRecordReader,
    WholeFileReader as WholeFileReader,
    matching_files as matching_files,
)
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
from .sparse_tensor import (
    IndexedSlices as IndexedSlices,
    SparseTensor as SparseTensor,
    SparseTensorValue as SparseTensorValue,
    sparse_add as sparse_add,
    sparse_concat as sparse_concat,
    sparse_placeholder as sparse_placeholder,
    sparse_reduce_sum as sparse_reduce_sum,
    sparse_reorder as sparse_reorder,
    sparse_reshape as sparse_reshape,
    sparse_retain as sparse_retain,
    sparse_softmax as sparse_softmax,
    sparse_tensor_dense_matmul as sparse_tensor_dense_matmul,
    sparse_to_dense as sparse_to_dense,
    sparse_to_indicator as sparse_to_indicator,
    sparse_transpose as sparse_transpose,
    to_dense as sparse_tensor_to_dense,
)
from .spectral import (
    fft as fft,
    fft2d as fft2d,
    fft3d as fft3d,
    ifft as ifft,
    ifft2d as ifft2d,
    ifft3d as ifft3d,
)
from .strings import (
    as_string as as_string,
    decode_csv as decode_csv,
    decode_raw as decode_raw,
    join as string_join,
    reduce_join as reduce_join,
    regex_replace as regex_replace,
    string_split as string_split,
    strip as string_strip,
    substr as substr,
    to_hash_bucket as string_to_hash_bucket,
    to_hash_bucket_fast as string_to_hash_bucket_fast,
    to_number as string_to_number,
)
from .summary import Summary as Summary
from .tensor_array import (
    TensorArray as TensorArray,
)
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
    scatter_div as scatter_div,
    scatter_max as scatter_max,
    scatter_min as scatter_min,
    scatter_mul as scatter_mul,
    scatter_nd_add as scatter_nd_add,
    scatter_nd_sub as scatter_nd_sub,
    scatter_nd_update as scatter_nd_update,
    scatter_sub as scatter_sub,
    scatter_update as scatter_update,
    trainable_variables as trainable_variables,
    variables_initializer as variables_initializer,
)

newaxis = None


class AggregationMethod:
    """Ways of adding gradients up; they are accepted without effect."""

    ADD_N = DEFAULT = 0
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


class UnconnectedGradients:
    """What ``tf.gradients`` gives where there is no connection."""

    NONE, ZERO = "none", "zero"


class VariableSynchronization:
    """How copies of a variable follow each other; accepted without effect."""

    AUTO, NONE, ON_WRITE, ON_READ = 0, 1, 2, 3


class VariableAggregation:
    """How changes of copies of a variable are joined; accepted without effect."""

    NONE, SUM, MEAN, ONLY_FIRST_REPLICA = 0, 1, 2, 3


GIT_VERSION = COMPILER_VERSION = "unknown"
__version__ = "1.15.5"
VERSION = __version__


def disable_v2_behavior() -> None:
    """Nothing to do: this is TensorFlow 1's behaviour."""


disable_eager_execution = disable_v2_tensorshape = disable_resource_variables = disable_v2_behavior
enable_resource_variables = disable_control_flow_v2 = enable_control_flow_v2 = disable_v2_behavior
disable_tensor_equality = disable_v2_behavior


def enable_eager_execution(*args: object, **options: object) -> None:
    """Refuse: for operations that run at once, use Rushlight itself."""
    raise NotImplementedError(
        "enable_eager_execution: this module has graphs only; `import rushlight as torch` runs eagerly"
    )


def tables_initializer(name: str = "init_all_tables") -> Operation:
    """An operation that fills all tables of the default graph."""
    return group(*get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS), name=name)


initialize_all_tables = tables_initializer


def executing_eagerly() -> _bool:
    """False: operations are added to a graph."""
    return False


__getattr__ = _getter(__name__)
