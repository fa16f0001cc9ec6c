"""Models by name."""

from __future__ import annotations

from typing import Any

_FILES = (
    "alexnet", "convnext", "densenet", "efficientnet", "googlenet", "inception", "mnasnet", "mobilenetv2", "mobilenetv3",
    "regnet", "resnet", "shufflenetv2", "squeezenet", "swin_transformer", "vgg", "vision_transformer",
)  # fmt: skip


def _builders() -> dict[str, Any]:
    from importlib import import_module

    # By their full names: the package's attribute `alexnet` is the builder, not the module.
    found: dict[str, Any] = {}
    for name in _FILES:
        module = import_module(f"{__package__}.{name}")
        found.update((builder, getattr(module, builder)) for builder in module.BUILDERS)
    return found


def list_models(module: Any = None, include: Any = None, exclude: Any = None) -> list[str]:
    """The names that ``get_model`` takes, sorted; ``include`` and ``exclude`` are shell patterns, or lists of them.

    Example:
        >>> list_models(include="resnet*")
        ['resnet101', 'resnet152', 'resnet18', 'resnet34', 'resnet50']
    """
    from fnmatch import fnmatch

    def matches(name: str, patterns: Any) -> bool:
        return any(
            fnmatch(name, pattern) for pattern in ([patterns] if isinstance(patterns, str) else patterns)
        )

    names = sorted(_builders())
    if include:
        names = [name for name in names if matches(name, include)]
    return [name for name in names if not (exclude and matches(name, exclude))]


def get_model(name: str, **config: Any) -> Any:
    """The model of that name, built with ``config``. Raises ``ValueError`` for an unknown name."""
    builders = _builders()
    if name.lower() not in builders:
        raise ValueError(f"Unknown model {name}; known are {', '.join(sorted(builders))}")
    return builders[name.lower()](**config)


def get_model_weights(name: Any) -> Any:
    """The enumeration of a model's checkpoints, by the model's name or its builder.

    Raises ``ValueError`` for an unknown name, or a model that has none here.
    """
    builders = _builders()
    key = name if isinstance(name, str) else name.__name__
    found = getattr(builders.get(key), "weights", None)
    if found is None:
        raise ValueError(f"get_model_weights: no weights are known for {key!r}")
    return found
