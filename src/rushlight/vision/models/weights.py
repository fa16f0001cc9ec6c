"""Names of published checkpoints, and the models that are made from them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from ...nn.module import Module

M = TypeVar("M", bound=Module)

_SERVER = "https://download.pytorch.org/models/"


class WeightsEnum(Enum):
    """A published checkpoint of a model; its value is the file's name."""

    @property
    def url(self) -> str:
        """Where the file is published."""
        return _SERVER + str(self.value)

    @property
    def meta(self) -> dict[str, Any]:
        """The number of classes."""
        return {"num_classes": 1000}

    def transforms(self) -> Any:
        """What a picture goes through before the model: 256 pixels, the middle 224, ImageNet's mean and deviation."""
        from ...core.dtypes import float32
        from ..transforms import CenterCrop, Compose, ConvertImageDtype, Normalize, PILToTensor, Resize

        size = 232 if self.name.endswith("V2") else 256
        return Compose(
            [
                Resize(size),
                CenterCrop(224),
                PILToTensor(),
                ConvertImageDtype(float32),
                Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The checkpoint, from ``torch.hub.get_dir()/checkpoints``. Raises ``FileNotFoundError`` where it is not there."""
        from ...hub import load_state_dict_from_url

        return load_state_dict_from_url(self.url, check_hash=True)


def weights_class(name: str, **files: str) -> Any:
    """An enumeration of a model's checkpoints; DEFAULT is the last."""
    *_, newest = files.values()
    make: Any = WeightsEnum  # the functional form, which type checkers know only for Enum itself
    return make(name, {**files, "DEFAULT": newest}, module="rushlight.vision.models")


def chosen(weights: Any, options: dict[str, Any], known: Any) -> Any:
    """The checkpoint that a builder's ``weights`` (or the older ``pretrained``) means; None for none.

    Raises ``ValueError`` for a name that the model does not have.
    """
    if options.pop("pretrained", False) or weights is True:
        weights = "DEFAULT"
    if weights is None or weights is False:
        return None
    if isinstance(weights, str):
        name = weights.rpartition(".")[2]
        if known is None or name not in known.__members__:
            allowed = ", ".join(known.__members__) if known is not None else "none"
            raise ValueError(f"weights: got {weights!r}; this model has {allowed}")
        weights = known[name]
    if known is None or not isinstance(weights, known):
        raise TypeError(f"weights: got {weights!r}; expected {getattr(known, '__name__', 'None')} or None")
    options.setdefault("num_classes", 1000)
    if options["num_classes"] != 1000:
        raise ValueError(
            f"The parameter 'num_classes' expected value 1000 but got {options['num_classes']} instead."
        )
    return weights


def filled(model: M, weights: Any) -> M:
    """``model`` with the checkpoint's parameters, if there is one."""
    if weights is not None:
        model.load_state_dict(weights.get_state_dict())
    return model


def builder(name: str, weights: Any, make: Callable[..., Any], doc: str, **fixed: Any) -> Any:
    """A model's function ``name(weights=None, progress=True, **options)``: ``make`` with ``fixed`` and the options."""

    def build(*, weights: Any = None, progress: bool = True, **options: Any) -> Any:
        found = chosen(weights, options, known)
        return filled(make(**(fixed | options)), found)

    known = weights
    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"{doc} ``weights`` as for ``resnet18``."
    vars(build)["weights"] = weights
    return build
