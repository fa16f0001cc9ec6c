"""Where operations run: device names as TensorFlow writes them, scopes of them, and which devices there are.

A graph remembers for each operation what was asked for (``op.device``). A session places it when it is to run: on this
process's processor, or, where another device was asked for, as ``ConfigProto(allow_soft_placement=…)`` says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from . import errors

_HERE: Final = "/job:localhost/replica:0/task:0"


class DeviceSpec:
    """A device's name in parts, of which any may be open: ``/job:worker/replica:0/task:1/device:GPU:0``.

    Example:
        >>> DeviceSpec.from_string("/job:worker/task:1/cpu:0").to_string()
        '/job:worker/task:1/device:CPU:0'
    """

    def __init__(
        self,
        job: str | None = None,
        replica: int | None = None,
        task: int | None = None,
        device_type: str | None = None,
        device_index: int | None = None,
    ) -> None:
        self.job = job or None
        self.replica = None if replica is None else int(replica)
        self.task = None if task is None else int(task)
        self.device_type = device_type if device_type is None else str(device_type).upper()
        self.device_index = None if device_index is None else int(device_index)

    @classmethod
    def from_string(cls, spec: str) -> DeviceSpec:
        """The parts of ``spec``; ``ValueError`` for what is no part of a device's name."""
        return cls().parse_from_string(spec)

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Take over the parts of ``spec``, in place."""
        self.job = self.replica = self.task = self.device_type = self.device_index = None
        for part in spec.split("/"):
            names = part.split(":")
            kind = names[0]
            if kind == "job" and len(names) == 2:
                self.job = names[1]
            elif kind == "replica" and len(names) == 2:
                self.replica = _number(names[1], spec)
            elif kind == "task" and len(names) == 2:
                self.task = _number(names[1], spec)
            elif kind.upper() in ("CPU", "GPU") and len(names) <= 2:
                self._set_type(kind, names[1] if len(names) == 2 else "*", spec)
            elif kind == "device" and len(names) == 3:
                self._set_type(names[1], names[2], spec)
            elif kind:
                raise ValueError(f"Unknown attribute: '{kind}' in '{spec}'")
        return self

    def _set_type(self, kind: str, index: str, spec: str) -> None:
        if self.device_type is not None:
            raise ValueError(f"Cannot specify multiple device types: {spec}")
        self.device_type = kind.upper()
        self.device_index = None if index == "*" else _number(index, spec)

    def merge_from(self, other: DeviceSpec) -> None:
        """Take over the parts that ``other`` names, in place."""
        for name in ("job", "replica", "task", "device_type", "device_index"):
            value = getattr(other, name)
            if value is not None:
                setattr(self, name, value)

    def to_string(self) -> str:
        """The name, without the open parts."""
        text = "" if self.job is None else f"/job:{self.job}"
        text += "" if self.replica is None else f"/replica:{self.replica}"
        text += "" if self.task is None else f"/task:{self.task}"
        if self.device_type is not None:
            text += f"/device:{self.device_type}:{'*' if self.device_index is None else self.device_index}"
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceSpec) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())

    def __repr__(self) -> str:
        return f"<DeviceSpec {self.to_string()!r}>"


def _number(text: str, spec: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"invalid literal for int() with base 10: '{text}' in the device name '{spec}'")
    return int(text)


def merged(outer: str, inner: str) -> str:
    """``outer``, with the parts that ``inner`` names as there."""
    result = DeviceSpec.from_string(outer)
    result.merge_from(DeviceSpec.from_string(inner))
    return result.to_string()


Scope = str | Callable[[Any], Any] | None


def as_scope(device: Any) -> Scope:
    """What ``tf.device`` was given: checked and written in full. ``ValueError`` for a name that is none."""
    if device is None or (callable(device) and not isinstance(device, DeviceSpec)):
        return device
    if isinstance(device, DeviceSpec):
        return device.to_string()
    if not isinstance(device, str):
        raise TypeError(
            f"tf.device: expected a device's name, a function or None, got {type(device).__name__}"
        )
    return DeviceSpec.from_string(device).to_string()


def asked_for(scopes: Sequence[Scope], op: Any) -> None:
    """Set ``op.device`` as the open scopes say, from the innermost to the outermost; None ends the search.

    A function is called with the operation, whose ``device`` is what the inner scopes said, and returns the device.
    """
    for scope in reversed(scopes):
        if scope is None:
            return
        if isinstance(scope, str):
            op.device = merged(scope, op.device)
        else:
            found = as_scope(scope(op))
            if callable(found):
                raise TypeError(
                    "tf.device: a device function must return a device's name or None, not a function"
                )
            op.device = found or ""


# --- devices ----------------------------------------------------------------------------------------------------------


def device_names(config: Any = None) -> list[str]:
    """The devices: this process's processor, under as many numbers as the configuration asks for."""
    counts = _option(config, "device_count") or {}
    number = counts.get("CPU", 1) if isinstance(counts, dict) else 1
    return [f"{_HERE}/device:CPU:{i}" for i in range(max(1, int(number)))]


def place(ops: Iterable[Any], config: Any = None) -> None:
    """Find a device for each operation; ``InvalidArgumentError`` where there is none.

    All CPUs are this process's processor, whatever their number. With ``allow_soft_placement`` a type of device that is not
    here means the CPU too; another job's or task's device is an error all the same.
    """
    soft = bool(_option(config, "allow_soft_placement"))
    logged = bool(_option(config, "log_device_placement"))
    for op in ops:
        found = _HERE + "/device:CPU:0"
        if op.device:
            spec = DeviceSpec.from_string(op.device)
            here = spec.job in (None, "localhost") and not spec.replica and not spec.task
            if not here or (spec.device_type not in (None, "CPU") and not soft):
                raise _no_device(op, config, here)
            if spec.device_type == "CPU":
                found = f"{_HERE}/device:CPU:{spec.device_index or 0}"
        if logged:
            sys.stderr.write(f"{op.name}: ({op.type}): {found}\n")


def _no_device(op: Any, config: Any, here: bool) -> errors.InvalidArgumentError:
    advice = (
        " Make sure the device specification refers to a valid device, or make the session with "
        "tf.ConfigProto(allow_soft_placement=True)."
        if here
        else " Make sure the device specification refers to a valid device. A session runs in this process alone; several "
        "processes work together through rushlight.distributed."
    )
    return errors.InvalidArgumentError(
        op,
        op,
        f"Cannot assign a device for operation {op.name}: Operation was explicitly assigned to {op.device} but available "
        f"devices are [ {', '.join(device_names(config))} ].{advice}\n\t [[node {op.name} (defined at {op.defined_at}) ]]",
    )


def _option(config: Any, name: str) -> Any:
    # Not getattr: a bag of options invents what it does not have.
    return None if config is None else vars(config).get(name)
