"""Runs an operator of PyTorch's OpInfo database on CPU tensors and on ``meta`` tensors, and says where the results differ."""

from __future__ import annotations

import warnings
from itertools import islice
from typing import Any

import rushlight
from rushlight.core.tensor import Tensor

SAMPLES = 8


def on_meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        moved = value.detach().to("meta")
        return moved.requires_grad_(value.requires_grad)
    if isinstance(value, tuple | list):
        parts = [on_meta(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: "meta" if key == "device" else on_meta(part) for key, part in value.items()}
    return value


def tensors_in(value: Any) -> list[Any]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for part in value for tensor in tensors_in(part)]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in tensors_in(part)]
    return []


def differences(opinfo: Any, operator: Any, function: Any, backward: bool) -> str | None:
    """What differs first between CPU and meta tensors over the operator's samples in float32; None where nothing does."""
    torch = opinfo.oracle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some samples are made with what PyTorch calls deprecated
        generator = opinfo.seeded(operator.sample_inputs("cpu", torch.float32, requires_grad=backward))
        samples = list(islice(generator, SAMPLES))
    for sample in samples:
        try:
            args = opinfo.to_rushlight([sample.input, *sample.args])
            kwargs = opinfo.to_rushlight(sample.kwargs)
        except opinfo.NotConvertible:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta_args, meta_kwargs = on_meta(args), on_meta(kwargs)
            try:
                expected = function(*args, **kwargs)
            except Exception:
                continue
            found = function(*meta_args, **meta_kwargs)
            wrong = _compared(found, expected)
            if wrong is None and backward:
                wrong = _backward(found, expected, (args, kwargs), (meta_args, meta_kwargs))
        if wrong is not None:
            return f"{wrong} for {opinfo.describe((args, kwargs))[:200]}"
    return None


def _compared(found: Any, expected: Any) -> str | None:
    ours, theirs = tensors_in(found), tensors_in(expected)
    if len(ours) != len(theirs):
        return f"{len(ours)} results instead of {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        if a.device.type != "meta":
            return f"a result on {a.device}"
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{a.dtype} {tuple(a.shape)} instead of {b.dtype} {tuple(b.shape)}"
        if _steps(a) != _steps(b) and a.numel():
            return f"strides {a.stride()} instead of {b.stride()}"
        if a.requires_grad != b.requires_grad:
            return f"requires_grad is {a.requires_grad}"
    return None


def _steps(tensor: Any) -> list[int]:
    return [step for step, extent in zip(tensor.stride(), tensor.shape, strict=True) if extent > 1]


def _backward(found: Any, expected: Any, given: Any, meta_given: Any) -> str | None:
    def total(result: Any) -> Any:
        parts = [t for t in tensors_in(result) if t.requires_grad and t.dtype.is_floating_point]
        return sum([part.sum() for part in parts[1:]], parts[0].sum()) if parts else None

    loss = total(expected)
    if loss is None:
        return None
    try:
        loss.backward()
    except Exception:
        return None
    total(found).backward()
    for a, b in zip(tensors_in(meta_given), tensors_in(given), strict=True):
        if (a.grad is None) != (b.grad is None):
            return "a gradient is there or not"
        if a.grad is not None and (a.grad.shape != b.grad.shape or a.grad.device.type != "meta"):
            return f"a gradient {a.grad.shape} on {a.grad.device}"
    return None


def function_of(name: str) -> Any:
    """What Rushlight answers to the database's ``name`` with; None where it has nothing of that name."""
    if name == "slice":
        return lambda x, dim=0, start=None, end=None, step=1: x[
            (slice(None),) * dim + (slice(start, end, step),)
        ]
    found: Any = rushlight.Tensor if name.startswith("__") else rushlight
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except (AttributeError, NotImplementedError):
        found = None
    if found is None or isinstance(found, rushlight.dtype):
        found = vars(rushlight.Tensor).get(name)
        return found.fget if isinstance(found, property) else found
    return found


def result_of(opinfo: Any, name: str, backward: bool) -> str | None:
    """What is wrong with the operator ``name``; None where nothing is."""
    function = function_of(name)
    if function is None:
        return None  # the coverage tables say which functions there are
    for operator in opinfo.database()[name]:
        if not any(str(dtype) == "torch.float32" for dtype in operator.supported_dtypes("cpu")):
            continue
        if backward and not operator.supports_autograd:
            continue
        try:
            wrong = differences(opinfo, operator, function, backward)
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:150]}"
        if wrong is not None:
            return wrong
    return None


__all__ = ["differences", "on_meta", "result_of", "rushlight"]
