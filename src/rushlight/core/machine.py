"""What this process may use of the machine: CPUs by affinity, and CPU time by the cgroup's quota.

A container with a quota of two CPUs on a machine of sixty-four sees all sixty-four; threads started for each
of them are stopped together, again and again, when the quota of a period is spent. So the number of threads
follows from both limits.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple


class Processors(NamedTuple):
    """How many processors there are, and how many of them this process may use."""

    #: Logical processors of the machine.
    logical: int
    #: Those that the scheduler lets this process run on (affinity, cpusets).
    affinity: int
    #: CPU time a second of time that the cgroup allows, in processors: 1.5 is one and a half. None: no limit.
    quota: float | None

    @property
    def usable(self) -> int:
        """Threads that can run at the same time, all the time: at least 1, and the quota rounded down.

        Rounded down because threads that wait for each other lose more by being stopped in the middle of a
        step than they gain from a fraction of a processor.

        Example:
            >>> Processors(logical=64, affinity=16, quota=2.5).usable
            2
            >>> Processors(logical=64, affinity=16, quota=None).usable
            16
        """
        if self.quota is None:
            return self.affinity
        return max(1, min(self.affinity, math.floor(self.quota)))


def processors() -> Processors:
    """Read the limits in force now.

    Example:
        >>> 1 <= processors().usable <= processors().affinity
        True
    """
    logical = os.cpu_count() or 1
    # Only some systems tell a process's affinity; the others do not restrict it.
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return Processors(logical, affinity, cgroup_cpu_quota())


def cgroup_cpu_quota(
    cgroup_file: str = "/proc/self/cgroup", mountinfo_file: str = "/proc/self/mountinfo"
) -> float | None:
    """CPU time that this process's cgroups allow, in processors; None without a limit, or outside Linux.

    Both versions of cgroups are read, at the process's own level and every level above; the tightest holds.

    Args:
        cgroup_file: the process's place in each hierarchy, as ``/proc/PID/cgroup`` has it.
        mountinfo_file: where the hierarchies are mounted, as ``/proc/PID/mountinfo`` has it.
    """
    places = _cgroup_places(_read(cgroup_file))
    limits = []
    for version, root, mount_point in _cgroup_mounts(_read(mountinfo_file)):
        place = places.get(version)
        if place is None:
            continue
        for folder in _levels(place, root, mount_point):
            limit = _limit_v2(folder) if version == 2 else _limit_v1(folder)
            if limit is not None:
                limits.append(limit)
    return min(limits, default=None)


def _cgroup_places(text: str) -> dict[int, str]:
    """The process's path in the cpu hierarchy (version 1) and in the unified one (version 2)."""
    places = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            places[2] = path
        elif "cpu" in controllers.split(","):
            places[1] = path
    return places


def _cgroup_mounts(text: str) -> list[tuple[int, str, str]]:
    """(version, the path that is mounted, where) of each mounted hierarchy that can limit CPU time."""
    mounts = []
    for line in text.splitlines():
        fields, separator, tail = line.partition(" - ")
        before, after = fields.split(), tail.split()
        if not separator or len(before) < 5 or len(after) < 3:
            continue
        root, mount_point, kind, options = _unescape(before[3]), _unescape(before[4]), after[0], after[2]
        if kind == "cgroup2":
            mounts.append((2, root, mount_point))
        elif kind == "cgroup" and "cpu" in options.split(","):
            mounts.append((1, root, mount_point))
    return mounts


def _unescape(path: str) -> str:
    """Undo mountinfo's octal escapes for space, tab, newline and backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escape, character)
    return path


def _levels(place: str, root: str, mount_point: str) -> list[str]:
    """The folders of a process's cgroup and of every cgroup above it that is visible here."""
    # A container often sees its own cgroup mounted as the root, and its place as the host names it.
    prefix = root.rstrip("/")
    inside = place[len(prefix) :] if place == prefix or place.startswith(prefix + "/") else ""
    folders = [mount_point]
    for part in inside.split("/"):
        if part == "..":
            break  # the cgroup lies outside of what this namespace can see
        if part:
            folders.append(os.path.join(folders[-1], part))
    return folders


def _limit_v1(folder: str) -> float | None:
    quota = _number(_read(os.path.join(folder, "cpu.cfs_quota_us")))
    period = _number(_read(os.path.join(folder, "cpu.cfs_period_us")))
    return quota / period if quota and period and quota > 0 and period > 0 else None


def _limit_v2(folder: str) -> float | None:
    quota_text, _, period_text = _read(os.path.join(folder, "cpu.max")).partition(" ")
    quota, period = _number(quota_text), _number(period_text)
    return quota / period if quota and period and quota > 0 and period > 0 else None


def _number(text: str) -> int | None:
    """An integer, or None for anything else: 'max', a file that is not there."""
    try:
        return int(text)
    except ValueError:
        return None


def _read(path: str) -> str:
    """A file's text; nothing where there is no such file, which is how most machines say 'no limit'."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
