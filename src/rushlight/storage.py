"""``torch.storage``: a tensor's memory as an object."""

from .missing import lazily as _lazily
from .ops.memory import TypedStorage as TypedStorage, UntypedStorage as UntypedStorage

__getattr__ = _lazily(__name__)


def is_storage(obj: object, /) -> bool:
    """Whether ``obj`` is a storage.

    Example:
        >>> import rushlight as torch
        >>> torch.is_storage(torch.ones(2).untyped_storage()), torch.is_storage(torch.ones(2))
        (True, False)
    """
    return isinstance(obj, UntypedStorage)
