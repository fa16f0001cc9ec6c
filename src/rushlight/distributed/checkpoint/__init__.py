"""``torch.distributed.checkpoint``: the state of models and optimizers as dictionaries; there are no sharded files.

``state_dict`` is here. Saving and loading files of many parts is not: use ``torch.save`` and ``torch.load``.
"""

from __future__ import annotations

from ...absent import absent_class, absent_function
from ...missing import lazily as _lazily
from . import state_dict as state_dict

_SAVE = "torch.save and torch.load of a state_dict"

for _name in ("save", "load", "async_save", "save_state_dict", "load_state_dict"):
    globals()[_name] = absent_function(__name__, _name, _SAVE)
for _name in ("FileSystemReader", "FileSystemWriter", "DefaultLoadPlanner", "DefaultSavePlanner"):
    globals()[_name] = absent_class(__name__, _name, _SAVE)
del _name

__getattr__ = _lazily(__name__)
