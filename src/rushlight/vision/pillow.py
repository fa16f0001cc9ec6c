"""Pillow, imported when a picture is first needed."""

from __future__ import annotations

from typing import Any


def require(what: str) -> Any:
    """The module ``PIL.Image``. Raises ``ModuleNotFoundError`` that says what needs it and how to get it."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{what} needs Pillow, which is not installed: pip install 'rushlight[vision]' (or pip install pillow)",
            name="PIL",
        ) from error
    return Image


def is_picture(value: Any) -> bool:
    """Whether ``value`` is a Pillow image; imports nothing."""
    import sys

    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)
