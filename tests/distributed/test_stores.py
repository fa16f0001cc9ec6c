"""Key-value stores: what PyTorch's do, in one process and for one who waits."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import rushlight.distributed as dist


def story(store: Any) -> list[Any]:
    """What happens to a few keys."""
    store.set("a", "1")
    found: list[Any] = [store.get("a"), store.add("n", 5), store.add("n", -2), store.get("n")]
    found += [store.compare_set("b", "", "first"), store.compare_set("b", "wrong", "second")]
    found += [store.compare_set("b", "first", "second"), store.get("b"), store.check(["a", "b"])]
    found += [store.check(["a", "none"]), store.delete_key("a"), store.delete_key("a"), store.check(["a"])]
    store.set("bytes", b"\0\xff")
    found.append(store.get("bytes"))
    store.set_timeout(timedelta(milliseconds=30))
    for wait in (lambda: store.get("none"), lambda: store.wait(["b", "none"], timedelta(milliseconds=30))):
        try:
            wait()
        except RuntimeError:
            found.append("timeout")
    return found


@pytest.mark.parity
def test_stores_do_what_pytorchs_do(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.distributed
    assert story(dist.HashStore()) == story(theirs.HashStore())
    assert story(dist.PrefixStore("p", dist.HashStore())) == story(
        theirs.PrefixStore("p", theirs.HashStore())
    )
    assert story(dist.TCPStore("localhost", 0, 1, True)) == story(theirs.TCPStore("localhost", 0, 1, True))


@pytest.mark.parametrize("kind", ["file", "tcp"])
def test_who_waits_gets_what_another_sets(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    first = dist.FileStore(path, 2) if kind == "file" else dist.TCPStore("localhost", 29878, None, True)
    second = dist.FileStore(path, 2) if kind == "file" else dist.TCPStore("localhost", 29878, None, False)
    timer = threading.Timer(0.1, first.set, ["key", "value"])
    timer.start()
    assert second.get("key") == b"value"
    timer.join()
    first.multi_set(["x", "y"], ["1", "2"])
    second.append("x", "0")
    assert first.multi_get(["x", "y"]) == [b"10", b"2"]
    assert second.num_keys() == (4 if kind == "file" else 3)  # as in PyTorch: a file's users have a key


def test_stores_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot be opened"):
        dist.FileStore(str(tmp_path / "none" / "store"), 1)
    with pytest.raises(dist.DistNetworkError, match="rushlight launch --hosts A,B"):
        dist.TCPStore("192.0.2.7", 1, 2, False)
    with pytest.raises(dist.DistStoreError, match="no process with is_master=True"):
        dist.TCPStore("localhost", 29879, 2, False, timedelta(milliseconds=50))
