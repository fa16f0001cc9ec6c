"""``utils.data.default_collate`` and what it is made of, under PyTorch's private path."""

from __future__ import annotations

from ..collate import (
    collate as collate,
    collate_float_fn as collate_float_fn,
    collate_int_fn as collate_int_fn,
    collate_numpy_array_fn as collate_numpy_array_fn,
    collate_numpy_scalar_fn as collate_numpy_scalar_fn,
    collate_str_fn as collate_str_fn,
    collate_tensor_fn as collate_tensor_fn,
    default_collate as default_collate,
    default_collate_err_msg_format as default_collate_err_msg_format,
    default_collate_fn_map as default_collate_fn_map,
    default_convert as default_convert,
    np_str_obj_array_pattern as np_str_obj_array_pattern,
)
