"""``rearrange``: dimensions by name, in the notation of einops (A. Rogozhnikov, 2022)."""

from __future__ import annotations

from typing import Any, Final

from ..core.tensor import Tensor
from ..ops.joining import stack

_DOTS: Final = "…"  # dimensions without names, each by itself
_MERGED: Final = "(…)"  # in parentheses: all of them in one
Group = list[str]


def rearrange(
    tensor: Tensor | list[Tensor] | tuple[Tensor, ...], pattern: str, **axes_lengths: int
) -> Tensor:
    """``tensor`` with its dimensions as ``pattern`` says: ``"a (b c) d -> c (a d) b"``.

    Names stand for dimensions, parentheses for several in one, ``...`` for any number, 1 for a dimension of extent 1. The
    lengths of names in parentheses on the left are given as keywords; one in each may be left out. A list of tensors of one
    shape counts as a tensor with one dimension more in front.

    Raises ``ValueError`` for a pattern that is none or does not fit, ``TypeError`` for lengths that are no ints.

    Example:
        >>> import rushlight as torch
        >>> torch.func.rearrange(torch.zeros(2, 6, 5), "b (h w) c -> b c h w", h=3).shape
        torch.Size([2, 5, 3, 2])
    """
    x: Any = stack(list(tensor)) if isinstance(tensor, list | tuple) else tensor
    if pattern.count("->") != 1:
        raise ValueError("Pattern must contain a single '->' separator")
    before, after = pattern.split("->")
    left, right = _parsed(before), _parsed(after)
    _check(pattern, left, right, axes_lengths)
    shape = tuple(x.shape)
    if not shape and not left:
        return x  # type: ignore[no-any-return]
    free = len(shape) - len([group for group in left if group != [_DOTS]])
    if free < 0 or (free and [_DOTS] not in left):
        raise ValueError(
            f"Number of dimensions in pattern ({len(left)}) must be equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    dots = [f"{_DOTS}{i}" for i in range(free)]
    left, right = _with_dots(left, dots), _with_dots(right, dots)
    for dim in reversed([i for i, group in enumerate(left) if not group]):
        x = x.select(dim, 0)  # a dimension of extent 1 goes
    left = [group for group in left if group]
    lengths = _lengths(left, tuple(x.shape), axes_lengths)
    names = [name for group in left for name in group]
    order = [name for group in right for name in group]
    x = x.reshape([lengths[name] for name in names]).permute([names.index(name) for name in order])
    return x.reshape([_product([lengths[name] for name in group]) for group in right])  # type: ignore[no-any-return]


def _with_dots(groups: list[Group], dots: list[str]) -> list[Group]:
    """The groups with names for the dimensions that have none."""
    result: list[Group] = []
    for group in groups:
        if group == [_DOTS]:
            result += [[name] for name in dots]
        else:
            result.append([part for name in group for part in (dots if name == _MERGED else [name])])
    return result


def _product(lengths: list[int]) -> int:
    result = 1
    for length in lengths:
        result *= length
    return result


def _parsed(side: str) -> list[Group]:
    """The groups of names, one for each dimension; an empty one is a dimension of extent 1."""
    groups: list[Group] = []
    inside: Group | None = None
    if "." in side and side.count("...") * 3 != side.count("."):
        raise ValueError(f"Expression may contain dots only inside ellipsis (...); not well-formed: {side!r}")
    for token in side.replace("...", f" {_DOTS} ").replace("(", " ( ").replace(")", " ) ").split():
        if token == "(":
            if inside is not None:
                raise ValueError("Axis composition is one-level (brackets inside brackets not allowed)")
            inside = []
        elif token == ")":
            if inside is None:
                raise ValueError(f"Brackets are not balanced in expression: {side!r}")
            groups.append(inside)
            inside = None
        elif token == "1":
            if inside is None:
                groups.append([])
        elif token == _DOTS or token.isidentifier():
            if inside is None:
                groups.append([token])
            else:
                inside.append(_MERGED if token == _DOTS else token)
        elif token.isdecimal():
            raise ValueError("rearrange only supports unnamed axes of size 1")
        else:
            raise ValueError(f"Invalid axis identifier: {token!r}")
    if inside is not None:
        raise ValueError(f"Imbalanced parentheses in expression: {side!r}")
    names = [name for group in groups for name in group]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated or (_DOTS in names and _MERGED in names):
        raise ValueError(f"Indexing expression contains duplicate dimension {(repeated or ['...'])[0]!r}")
    return groups


def _check(pattern: str, left: list[Group], right: list[Group], lengths: dict[str, int]) -> None:
    names = {name for group in left for name in group}
    wanted = {name for group in right for name in group}
    if _MERGED in names:
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    if wanted & {_DOTS, _MERGED} and _DOTS not in names:
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    wanted = {_DOTS if name == _MERGED else name for name in wanted}
    if names ^ wanted:
        raise ValueError(
            f"Identifiers only on one side of rearrange expression (should be on both): {names ^ wanted}"
        )
    for length in lengths.values():
        if isinstance(length, bool) or not isinstance(length, int):
            raise TypeError(f"rearrange axis lengths must be integers, got: {type(length)}")
    if unknown := set(lengths) - names:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")


def _lengths(left: list[Group], shape: tuple[int, ...], given: dict[str, int]) -> dict[str, int]:
    """The length of every name, of which one in each group may be found from the others."""
    lengths = dict(given)
    for group, extent in zip(left, shape, strict=True):
        unknown = [name for name in group if name not in lengths]
        known = _product([lengths[name] for name in group if name in lengths])
        if len(unknown) > 1:
            raise ValueError(
                f"cannot infer the sizes of two dimensions at once {unknown[0]} and {unknown[1]}"
            )
        if (not unknown and known != extent) or (unknown and (not known or extent % known)):
            raise ValueError(
                f"inferred dimension does not evenly fit into larger dimension: {extent} vs {tuple(group)}"
            )
        if unknown:
            lengths[unknown[0]] = extent // known
    return lengths
