"""Lists and dicts that nobody changes in place: the arguments of a graph's nodes.

A node knows which other nodes use its result, so its arguments are exchanged as a whole (``node.args = ...``).
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["immutable_dict", "immutable_list"]


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(
        f"{type(self).__name__!r} object does not support mutation. If you are attempting to modify the kwargs or args of a "
        "torch.fx.Node object,\ninstead create a new copy of it and assign the copy to the node:\n\n"
        "    new_args = ...  # copy and mutate args\n    node.args = new_args"
    )


class immutable_list(list):  # type: ignore[type-arg]
    """A list that raises ``TypeError`` where it would change.

    Example:
        >>> immutable_list([1, 2]) + [3]
        [1, 2, 3]
    """

    __slots__ = ()
    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> Any:
        return type(self), (list(self),)


class immutable_dict(dict):  # type: ignore[type-arg]
    """A dict that raises ``TypeError`` where it would change.

    Example:
        >>> immutable_dict(a=1)["a"]
        1
    """

    __slots__ = ()
    __delitem__ = __ior__ = __setitem__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> Any:
        return type(self), (dict(self),)


def _register() -> None:
    # Trees of values treat them as what they are: pytree looks at exact types.
    from ..utils import _pytree

    _pytree.register_pytree_node(
        immutable_list, lambda value: (list(value), None), lambda values, _: immutable_list(values)
    )
    _pytree.register_pytree_node(
        immutable_dict,
        lambda value: (list(value.values()), list(value)),
        lambda values, keys: immutable_dict(zip(keys, values, strict=True)),
    )


_register()
