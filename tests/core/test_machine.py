"""Processor limits, read from made-up /proc and cgroup files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rushlight.core.machine import Processors, cgroup_cpu_quota, processors


class FakeMachine:
    """A folder that stands for a machine's /proc/self and /sys/fs/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cgroup_text = ""
        self.mountinfo_text = "22 1 0:21 / /proc rw,nosuid - proc proc rw\n"

    def mount(self, name: str, version: int, root: str = "/", controllers: str = "cpu,cpuacct") -> Path:
        point = self.folder / name
        point.mkdir(parents=True, exist_ok=True)
        shown = str(point).replace(" ", "\\040")
        kind = "cgroup2 cgroup2 rw,nsdelegate" if version == 2 else f"cgroup cgroup rw,{controllers}"
        self.mountinfo_text += f"30 22 0:26 {root} {shown} rw,nosuid shared:9 - {kind}\n"
        return point

    def quota(self) -> float | None:
        (self.folder / "cgroup.txt").write_text(self.cgroup_text)
        (self.folder / "mountinfo.txt").write_text(self.mountinfo_text)
        return cgroup_cpu_quota(str(self.folder / "cgroup.txt"), str(self.folder / "mountinfo.txt"))


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def limit_v2(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(text)


def limit_v1(folder: Path, quota: str, period: str = "100000\n") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text(period)


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    assert cgroup_cpu_quota(str(tmp_path / "none"), str(tmp_path / "none either")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", None),
        ("150000 100000\n", 1.5),
        ("50000 200000\n", 0.25),
        ("", None),
        ("garbage\n", None),
        ("0 0\n", None),
    ],
)
def test_version_2(fake: FakeMachine, text: str, expected: float | None) -> None:
    fake.cgroup_text = "0::/app.slice\n"
    limit_v2(fake.mount("cgroup", 2) / "app.slice", text)
    assert fake.quota() == expected


def test_version_2_takes_the_tightest_level(fake: FakeMachine) -> None:
    fake.cgroup_text = "0::/outer/middle/inner\n"
    top = fake.mount("cgroup", 2)
    limit_v2(top / "outer", "200000 100000")
    limit_v2(top / "outer" / "middle", "400000 100000")
    limit_v2(top / "outer" / "middle" / "inner", "max 100000")
    limit_v2(top / "other", "10000 100000")
    assert fake.quota() == 2.0


@pytest.mark.parametrize(
    ("quota", "expected"), [("-1\n", None), ("250000\n", 2.5), ("0\n", None), ("", None)]
)
def test_version_1(fake: FakeMachine, quota: str, expected: float | None) -> None:
    fake.cgroup_text = "5:memory:/elsewhere\n4:cpu,cpuacct:/jobs/7\n1:name=systemd:/\n0::/\n"
    fake.mount("memory", 1, controllers="memory")
    limit_v1(fake.mount("cpu,cpuacct", 1) / "jobs" / "7", quota)
    assert fake.quota() == expected


def test_version_1_in_a_hierarchy_of_another_controller_is_not_read(fake: FakeMachine) -> None:
    fake.cgroup_text = "4:cpuset:/jobs\n"
    limit_v1(fake.mount("cpuset", 1, controllers="cpuset") / "jobs", "100000")
    assert fake.quota() is None


def test_a_container_sees_its_own_cgroup_as_the_root(fake: FakeMachine) -> None:
    # Without a cgroup namespace, /proc/self/cgroup has the host's path, and only its last part is mounted.
    fake.cgroup_text = "4:cpu,cpuacct:/docker/0123abcd\n"
    limit_v1(fake.mount("cpu", 1, root="/docker/0123abcd"), "300000")
    assert fake.quota() == 3.0


def test_a_process_below_the_mounted_part(fake: FakeMachine) -> None:
    fake.cgroup_text = "0::/pods/one/worker\n"
    top = fake.mount("cgroup", 2, root="/pods/one")
    limit_v2(top, "max 100000")
    limit_v2(top / "worker", "100000 100000")
    assert fake.quota() == 1.0


def test_a_process_outside_of_the_mounted_part_gets_the_mounted_limit(fake: FakeMachine) -> None:
    fake.cgroup_text = "0::/../sibling\n"
    limit_v2(fake.mount("cgroup", 2), "100000 100000")
    limit_v2(fake.folder / "sibling", "10000 100000")
    assert fake.quota() == 1.0


def test_both_versions_side_by_side(fake: FakeMachine) -> None:
    fake.cgroup_text = "3:cpu,cpuacct:/a\n0::/b\n"
    limit_v1(fake.mount("v1", 1) / "a", "200000")
    limit_v2(fake.mount("v2", 2) / "b", "300000 100000")
    assert fake.quota() == 2.0


def test_mount_points_with_spaces(fake: FakeMachine) -> None:
    fake.cgroup_text = "0::/\n"
    limit_v2(fake.mount("a place", 2), "400000 100000")
    assert fake.quota() == 4.0


def test_lines_of_other_shapes_are_passed_over(fake: FakeMachine) -> None:
    fake.cgroup_text = "\nnonsense\n0::/\n"
    fake.mountinfo_text += "\n1 2 3\n30 22 0:26 / /x rw - cgroup2\n"
    limit_v2(fake.mount("cgroup", 2), "400000 100000")
    assert fake.quota() == 4.0


@pytest.mark.parametrize(
    ("affinity", "quota", "usable"),
    [(8, None, 8), (8, 2.0, 2), (8, 2.9, 2), (2, 16.0, 2), (8, 0.25, 1), (1, None, 1)],
)
def test_usable(affinity: int, quota: float | None, usable: int) -> None:
    assert Processors(logical=64, affinity=affinity, quota=quota).usable == usable


def test_the_affinity_of_this_process_is_read() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity to set")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert processors().affinity == 1
        assert processors().usable == 1
        assert processors().logical == os.cpu_count()
    finally:
        os.sched_setaffinity(0, before)


def test_systems_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert processors()[:2] == (6, 6)
