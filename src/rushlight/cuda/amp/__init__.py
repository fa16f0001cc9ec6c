"""``torch.cuda.amp``: the older names of mixed precision on a GPU, which warn and do nothing without one."""

from . import autocast_mode as autocast_mode, common as common, grad_scaler as grad_scaler
from .autocast_mode import autocast as autocast, custom_bwd as custom_bwd, custom_fwd as custom_fwd
from .common import amp_definitely_not_available as amp_definitely_not_available
from .grad_scaler import GradScaler as GradScaler
