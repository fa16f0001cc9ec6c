"""Every entry of PyTorch's operator database on a CUDA device against Rushlight's own CPU: values, gradients, devices.

Run as a program it prints, as JSON, what falls short of each entry (nothing where all is well), and how many round trips to
the CPU each record took. ``--pretend`` puts the stand-in for CuPy in the place of a GPU, ``--dtype=`` says of which dtype the
samples are; names may be given to run those alone. Pretended, operations go without compiled kernels (g++ would take minutes),
but trips of records that have such a kernel are not counted.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SAMPLES = 6  # of each entry: the database puts the plain ones first


def moved(value: Any, device: str, leaves: list[Any]) -> Any:
    """Arguments with their tensors copied to ``device``; those that ask for gradients are added to ``leaves``."""
    import rushlight as torch

    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided:
            raise NotImplementedError("a sparse sample")
        copy = value.detach().to(device)
        if device == "cpu":
            copy = copy.clone()
        if value.requires_grad:
            copy.requires_grad_(True)
            leaves.append(copy)
        return copy
    if isinstance(value, torch.device):
        return torch.device(device)
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        return type(value)([moved(item, device, leaves) for item in value])
    if isinstance(value, dict):
        return {key: moved(item, device, leaves) for key, item in value.items()}
    return value


def outcome(function: Any, args: Any, kwargs: Any, device: str) -> Any:
    """(results, gradients) of a call on ``device``, or the error."""
    import opinfo

    import rushlight as torch

    leaves: list[Any] = []
    placed_args, placed_kwargs = moved(args, device, leaves), moved(kwargs, device, leaves)
    if "device" in placed_kwargs:
        placed_kwargs["device"] = device
    torch.manual_seed(3)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*placed_args, **placed_kwargs)
            flat = [part for part in opinfo.flat(result) if isinstance(part, torch.Tensor)]
            roots = [part for part in flat if part.requires_grad]
            total = None
            for part in roots:
                real = torch.view_as_real(part) if part.is_complex() else part
                weight = torch.linspace(0.5, 1.5, max(real.numel(), 1), dtype=real.dtype)[: real.numel()]
                term = (real * weight.reshape(real.shape).to(device)).sum()
                total = term if total is None else total + term
            if total is not None and total.requires_grad:
                total.backward()
    except Exception as error:
        return error, None, None
    return result, flat, [leaf.grad for leaf in leaves]


def measure(operator: Any, kind: str = "float32") -> list[str]:
    """What falls short of an entry with samples of a dtype (none that lacks it), at most three lines."""
    import coverage_cases
    import opinfo

    import rushlight as torch

    function = coverage_cases.functions(operator)
    if function is None:
        return ["there is no such function"]
    case = opinfo.Case(operator.name)
    if getattr(opinfo.oracle(), kind) not in operator.supported_dtypes("cpu"):
        return []
    wrong = []
    comparable = coverage_cases.COMPARABLE.get(operator.name, (None, ""))[0]
    try:
        samples = list(zip(range(SAMPLES), case.samples(operator, kind), strict=False))
    except Exception as error:
        return [f"no samples: {error}"]
    for number, sample in samples:
        try:
            args, kwargs = opinfo.converted(sample)
            if operator.supports_autograd:
                for value in opinfo.flat((args, kwargs)):
                    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.is_leaf:
                        value.requires_grad_(True)
            expected, _, gradients = outcome(function, args, kwargs, "cpu")
        except (opinfo.NotConvertible, NotImplementedError):
            continue
        if isinstance(expected, Exception):
            continue  # the CPU's own tests answer for that
        actual, tensors, found = outcome(function, args, kwargs, "cuda")
        if isinstance(actual, Exception):
            place = ""
            where = actual.__traceback__
            while where is not None:
                file = Path(where.tb_frame.f_code.co_filename)
                if "rushlight" in file.parts and file.name not in (
                    "dispatch.py",
                    "cuda_operations.py",
                    "device.py",
                ):
                    place = f"{file.name}:{where.tb_lineno}"
                where = where.tb_next
            wrong.append(f"{number}: {type(actual).__name__} at {place}: {str(actual)[:150]}")
            continue
        if any(part.device.type != "cuda" for part in tensors):
            wrong.append(f"{number}: a result is on the CPU")
        host = moved_back(actual)
        try:
            if comparable is not None:
                host, expected = comparable(host, args, kwargs), comparable(expected, args, kwargs)
            else:
                parts = list(found), list(gradients)
                for mine, theirs in zip(*parts, strict=True):
                    if (mine is None) != (theirs is None):
                        wrong.append(f"{number}: a gradient is missing")
                    elif mine is not None:
                        if mine.device.type != "cuda":
                            wrong.append(f"{number}: a gradient is on the CPU")
                        wrong += differing(f"{number}: gradient", mine.cpu(), theirs)
            wrong += differing(f"{number}", host, expected)
        except Exception as error:
            wrong.append(f"{number}: comparison: {type(error).__name__}: {error}")
    return wrong[:3]


def moved_back(value: Any) -> Any:
    import rushlight as torch

    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, tuple | list):
        parts = [moved_back(item) for item in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    return value


def differing(what: str, actual: Any, expected: Any, roundings: int = 1) -> list[str]:
    """Where two results of Rushlight differ by more than float32's tolerance, or that of so many roundings to 16 bits."""
    import numpy as np
    import opinfo

    import rushlight as torch

    wrong = []
    mine, theirs = opinfo.flat(actual), opinfo.flat(expected)
    if len(mine) != len(theirs):
        return [f"{what}: {len(mine)} results for {len(theirs)}"]
    for a, b in zip(mine, theirs, strict=True):
        if isinstance(b, torch.Tensor):
            if a.dtype != b.dtype or a.shape != b.shape:
                wrong.append(f"{what}: {a.dtype} {tuple(a.shape)} for {b.dtype} {tuple(b.shape)}")
                continue
            x, y = (t.detach().resolve_conj() if hasattr(t, "resolve_conj") else t.detach() for t in (a, b))
            # One unit in the last place of 16 bits: both sides round once, from float32 numbers that differ a little.
            rtol = {torch.bfloat16: 8e-3, torch.float16: 1e-3, torch.float64: 1e-9}.get(b.dtype, 2e-5)
            rtol *= roundings if b.dtype in (torch.bfloat16, torch.float16) else 1
            x, y = (t.float().numpy() if t.dtype == torch.bfloat16 else t.numpy() for t in (x, y))
            if y.dtype.kind in "fc":
                x, y = (t.astype(np.complex128 if y.dtype.kind == "c" else np.float64) for t in (x, y))
                scale = (
                    rtol / 2 * max(1.0, float(np.nanmax(np.where(np.isfinite(y), np.abs(y), 0), initial=0)))
                )
                if not np.allclose(x, y, rtol=rtol, atol=scale, equal_nan=True):
                    wrong.append(f"{what}: differs by {np.nanmax(np.abs(x - y))}")
            elif not np.array_equal(x, y):
                wrong.append(f"{what}: other integers")
        elif isinstance(b, float) and not (abs(a - b) <= 1e-5 * max(1, abs(b)) or (a != a and b != b)):
            wrong.append(f"{what}: {a} for {b}")
    return wrong


class _Planned(Exception):
    """A compiled kernel would have done it."""


class _Planning:
    """An engine that compiles nothing: to find out whether a record has a kernel."""

    captures = takes_numpy = False
    setting = None

    def empty(self, shape: Any, dtype: Any) -> Any:
        raise _Planned


def count_without_compiled() -> None:
    """Take out of ``HOST_TRIPS`` what compiled kernels would do, were they not left out."""
    import numpy as np

    from rushlight.runtime import cuda_operations, cuda_plan

    planning, on_host = _Planning(), cuda_operations.CudaMode.on_host

    def counted(self: Any, record: Any, arrays: Any, attrs: Any) -> Any:
        result = on_host(self, record, arrays, attrs)
        whole = [np.empty(a.shape, a.dtype) if hasattr(a, "dtype") else a for a in arrays]
        try:
            cuda_plan.eager_call(record, whole, attrs, planning)
        except _Planned:
            cuda_operations.HOST_TRIPS[record.name] -= 1
        return result

    cuda_operations.CudaMode.on_host = counted  # type: ignore[method-assign]


def sweep(names: list[str], shard: tuple[int, int] = (0, 1), kind: str = "float32") -> dict[str, Any]:
    """What falls short, by entry, and the round trips of each record."""
    sys.path.insert(0, str(HERE.parent / "parity"))
    import coverage_cases
    import opinfo

    opinfo.oracle()
    result: dict[str, Any] = {"wrong": {}, "count": 0}
    for place, operator in enumerate(opinfo.load_database()):
        key = operator.name + ("." + operator.variant_test_name if operator.variant_test_name else "")
        if coverage_cases.exclusion(operator.name) is not None:
            continue
        if (names and key not in names and operator.name not in names) or place % shard[1] != shard[0]:
            continue
        result["count"] += 1
        wrong = measure(operator, kind)
        if wrong:
            result["wrong"][key] = wrong
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    result["host_trips"] = {name: times for name, times in HOST_TRIPS.most_common() if times}
    return result


def main(arguments: list[str]) -> None:
    if "--pretend" in arguments:
        arguments.remove("--pretend")
        sys.path.insert(0, str(HERE))
        import pretend_cupy

        os.environ["RUSHLIGHT_CUDA_KERNELS"] = "0"  # each would be compiled by g++
        pretend_cupy.install()
        count_without_compiled()
    kind = "float32"
    if arguments and arguments[0].startswith("--dtype="):
        kind = arguments.pop(0)[8:]
    shard = (0, 1)
    if arguments and arguments[0].startswith("--shard="):
        first, of = arguments.pop(0)[8:].split("/")
        shard = (int(first), int(of))
    warnings.simplefilter("ignore")
    print(json.dumps(sweep(arguments, shard, kind), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
