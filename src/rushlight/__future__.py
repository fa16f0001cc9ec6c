"""``torch.__future__``: how ``module.to(...)`` and its relatives give parameters their converted values."""

from __future__ import annotations

from .nn.conversion_settings import SETTINGS as _SETTINGS


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Whether conversions put new parameters into modules (false, the default: the old ones take the new values)."""
    _SETTINGS["overwrite"] = value


def get_overwrite_module_params_on_conversion() -> bool:
    """What ``set_overwrite_module_params_on_conversion`` set last."""
    return _SETTINGS["overwrite"]


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Whether conversions exchange parameters with their converted forms (``torch.utils.swap_tensors``), so that they stay
    the same objects whatever their class becomes. False unless set."""
    _SETTINGS["swap"] = value


def get_swap_module_params_on_conversion() -> bool:
    """What ``set_swap_module_params_on_conversion`` set last."""
    return _SETTINGS["swap"]
