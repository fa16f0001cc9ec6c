"""Optimizers and learning-rate schedules."""

from . import lr_scheduler as lr_scheduler, swa_utils as swa_utils
from .adam import Adam as Adam, AdamW as AdamW
from .adam_variants import Adamax as Adamax, NAdam as NAdam, RAdam as RAdam, SparseAdam as SparseAdam
from .adaptive import Adadelta as Adadelta, Adagrad as Adagrad, RMSprop as RMSprop
from .averaged import ASGD as ASGD, Rprop as Rprop
from .lbfgs import LBFGS as LBFGS
from .matrix import Adafactor as Adafactor, Muon as Muon
from .optimizer import Optimizer as Optimizer
from .sgd import SGD as SGD
