"""The everyday part of torchvision: data sets from files on disk, transforms, models, and pictures of batches.

``rushlight run`` answers ``import torchvision`` with this package. Pictures are Pillow's (``pip install
'rushlight[vision]'``); what works on tensors alone needs nothing else.
"""

from ..missing import lazily as _lazily

__version__ = "0.28.0"

__getattr__ = _lazily(
    __name__,
    {
        "datasets": ".datasets",
        "io": ".io",
        "ops": ".ops",
        "models": ".models",
        "transforms": ".transforms",
        "utils": ".utils",
    },
)


def get_image_backend() -> str:
    """ "PIL"."""
    return "PIL"


def set_image_backend(backend: str) -> None:
    """Accepts "PIL". Raises ``ValueError`` for anything else."""
    if backend != "PIL":
        raise ValueError(f"set_image_backend: got {backend!r}; only 'PIL' is here")
