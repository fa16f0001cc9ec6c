"""Optimizers and learning-rate schedules."""

from ..missing import explain_missing as _explain_missing, lazily as _lazily
from . import lr_scheduler as lr_scheduler, swa_utils as swa_utils
from .adam import Adam as Adam, AdamW as AdamW
from .adam_variants import Adamax as Adamax, NAdam as NAdam, RAdam as RAdam, SparseAdam as SparseAdam
from .adaptive import Adadelta as Adadelta, Adagrad as Adagrad, RMSprop as RMSprop
from .averaged import ASGD as ASGD, Rprop as Rprop
from .lbfgs import LBFGS as LBFGS
from .matrix import Adafactor as Adafactor, Muon as Muon
from .optimizer import Optimizer as Optimizer
from .sgd import SGD as SGD


def _name_older_places() -> None:
    """PyTorch has a module for each optimizer: ``from torch.optim.adadelta import Adadelta``."""
    import sys

    from . import adam, adam_variants, adaptive, averaged, matrix

    for module, names in (
        (adam, ("adamw",)),
        (adam_variants, ("adamax", "nadam", "radam", "sparse_adam")),
        (adaptive, ("adadelta", "adagrad", "rmsprop")),
        (averaged, ("asgd", "rprop")),
        (matrix, ("_adafactor", "_muon")),
    ):
        for name in names:
            sys.modules[f"{__name__}.{name}"] = module


_name_older_places()
del _name_older_places
_explain_missing(lr_scheduler)
# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
