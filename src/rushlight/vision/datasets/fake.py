"""Pictures of noise, to try a program without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ops.random import get_rng_state, manual_seed, randint, randn, set_rng_state
from .vision_dataset import VisionDataset


class FakeData(VisionDataset):
    """``size`` pictures of normal noise with random classes; the same index always gives the same item.

    Raises ``IndexError`` for an index out of range.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size, self.num_classes, self.image_size = size, num_classes, image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from ..transforms.functional import to_pil_image

        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        state = get_rng_state()
        try:
            manual_seed(index + self.random_offset)
            picture = randn(*self.image_size)
            target = int(randint(0, self.num_classes, (1,)))
        finally:
            set_rng_state(state)
        return self._transformed(to_pil_image(picture), target)

    def __len__(self) -> int:
        return self.size
