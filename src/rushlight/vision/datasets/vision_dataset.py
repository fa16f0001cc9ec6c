"""What the data sets share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ...utils.data import Dataset


class VisionDataset(Dataset):
    """A data set of pictures in a folder ``root``, with transforms of picture and target, or of both together.

    Raises ``ValueError`` where ``transforms`` is given beside one of the other two.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ) -> None:
        self.root = os.path.expanduser(os.fspath(root)) if root is not None else ""
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError("Only transforms or transform/target_transform can be passed as argument")
        self.transform, self.target_transform, self.transforms = transform, target_transform, transforms

    def __len__(self) -> int:
        raise NotImplementedError

    def _transformed(self, picture: Any, target: Any) -> tuple[Any, Any]:
        if self.transforms is not None:
            picture, target = self.transforms(picture, target)
            return picture, target
        if self.transform is not None:
            picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}", f"Root location: {self.root}"]
        lines += self.extra_repr().splitlines()
        if self.transforms is not None:
            lines.append(repr(self.transforms))
        elif self.transform is not None or self.target_transform is not None:
            # As torchvision, whose object of both transforms has this name, and whose lines are not further indented.
            lines.append("StandardTransform")
            for head, transform in (
                ("Transform: ", self.transform),
                ("Target transform: ", self.target_transform),
            ):
                if transform is not None:
                    lines[-1] += "\n" + head + repr(transform).replace("\n", "\n" + " " * len(head))
        return "\n".join([f"Dataset {type(self).__name__}", *("    " + line for line in lines)])

    def extra_repr(self) -> str:
        """More lines for ``repr``."""
        return ""
