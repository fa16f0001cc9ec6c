"""Optimizers and learning-rate schedules."""

from . import lr_scheduler as lr_scheduler
from .adam import Adam as Adam, AdamW as AdamW
from .adaptive import Adadelta as Adadelta, Adagrad as Adagrad, RMSprop as RMSprop
from .optimizer import Optimizer as Optimizer
from .sgd import SGD as SGD
