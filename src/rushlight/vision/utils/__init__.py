"""``torchvision.utils``: pictures of batches."""

from ...missing import lazily as _lazily
from ..pictures import make_grid as make_grid, save_image as save_image

__getattr__ = _lazily(__name__)
