"""Rushlight: a small deep-learning system that runs PyTorch programs.

``import rushlight as torch`` and go on as usual.
"""

from __future__ import annotations

import warnings as _warnings
from builtins import bool as _bool

# PyTorch computes inf and nan silently. NumPy's reports from inside this package are not the program's concern.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\.")

from . import tensor_methods as _tensor_methods  # noqa: E402 - binds the operations before anything uses them
from .core.device import device as device  # noqa: E402
from .core.dtypes import (  # noqa: E402
    bfloat16 as bfloat16,
    bool_ as bool,  # noqa: A004
    can_cast as can_cast,
    complex64 as complex64,
    complex128 as complex128,
    dtype as dtype,
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
)
from .core.shapes import Size as Size  # noqa: E402
from .core.tensor import Tensor as Tensor  # noqa: E402

# creation
from .ops.creation import (  # noqa: E402
    arange as arange,
    as_tensor as as_tensor,
    asarray as asarray,
    empty as empty,
    empty_like as empty_like,
    eye as eye,
    from_numpy as from_numpy,
    full as full,
    full_like as full_like,
    linspace as linspace,
    logspace as logspace,
    ones as ones,
    ones_like as ones_like,
    tensor as tensor,
    zeros as zeros,
    zeros_like as zeros_like,
)

# random
from .ops.random import (  # noqa: E402
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
from .core.limits import finfo as finfo, iinfo as iinfo  # noqa: E402
from .core.printing import set_printoptions as set_printoptions  # noqa: E402
from .serialization import load as load, save as save  # noqa: E402

# dtypes, devices and threads
from . import backends as backends, cuda as cuda, testing as testing  # noqa: E402
from .core.device import get_default_device as get_default_device, set_default_device as set_default_device  # noqa: E402
from .core.threads import (  # noqa: E402
    get_num_interop_threads as get_num_interop_threads,
    get_num_threads as get_num_threads,
    set_num_interop_threads as set_num_interop_threads,
    set_num_threads as set_num_threads,
)
from .ops.conversion import (  # noqa: E402
    STRIDED as strided,  # noqa: N811
    channels_last as channels_last,
    channels_last_3d as channels_last_3d,
    contiguous_format as contiguous_format,
    from_dlpack as from_dlpack,
    is_complex as is_complex,
    is_floating_point as is_floating_point,
    is_nonzero as is_nonzero,
    layout as layout,
    memory_format as memory_format,
    numel as numel,
    preserve_format as preserve_format,
)
from .ops.typed_tensors import (  # noqa: E402
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


float, double, half = float32, float64, float16  # noqa: A001
short, int, long = int16, int32, int64  # noqa: A001
cfloat, cdouble = complex64, complex128
from . import version as version  # noqa: E402
from .version import __version__ as __version__  # noqa: E402
