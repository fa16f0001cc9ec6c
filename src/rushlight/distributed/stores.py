"""Key-value stores through which processes find each other, or tell each other small things.

MPI needs none; programs use them by themselves. All of them are files here, or a dictionary: ``TCPStore`` keeps the keys of one
host's processes in a file whose name follows from the port.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from .errors import DistNetworkError, DistStoreError
from .joining import is_this_host, keys_of_this_program

_DEFAULT = timedelta(seconds=300)
Keys = dict[str, bytes]


class Store:
    """What all stores have: text or bytes under names, which processes wait for."""

    def __init__(self) -> None:
        self.timeout = _DEFAULT

    def _keys(self) -> contextlib.AbstractContextManager[Keys]:
        """All keys, locked against other processes; changes are kept."""
        raise NotImplementedError

    def set(self, key: str, value: str | bytes) -> None:
        """Put ``value`` under ``key``."""
        with self._keys() as keys:
            keys[key] = _bytes(value)

    def get(self, key: str) -> bytes:
        """The value under ``key``; waits for it. Raises ``DistStoreError`` after the store's timeout."""
        return self._await([key], self.timeout, lambda keys: keys[key])  # type: ignore[no-any-return]

    def add(self, key: str, amount: int) -> int:
        """Add to the number under ``key``, which begins with 0; returns the sum."""
        with self._keys() as keys:
            total = int(keys.get(key, b"0")) + amount
            keys[key] = str(total).encode()
        return total

    def append(self, key: str, value: str | bytes) -> None:
        """Add ``value`` to the end of what is under ``key``."""
        with self._keys() as keys:
            keys[key] = keys.get(key, b"") + _bytes(value)

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        """Put the desired value where the expected one is, or where nothing is and nothing ('') is expected; returns what is
        then there."""
        expected, desired = _bytes(expected_value), _bytes(desired_value)
        with self._keys() as keys:
            if keys.get(key, b"") == expected:
                keys[key] = desired
            return keys.get(key, expected)

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Return when all ``keys`` are there; raises ``DistStoreError`` after ``timeout`` (the store's)."""
        self._await(keys, self.timeout if timeout is None else timeout, lambda found: None)

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all ``keys`` are there."""
        with self._keys() as found:
            return all(key in found for key in keys)

    def delete_key(self, key: str) -> bool:
        """Remove ``key``; whether it was there."""
        with self._keys() as keys:
            return keys.pop(key, None) is not None

    def num_keys(self) -> int:
        """How many keys there are."""
        with self._keys() as keys:
            return len(keys)

    def barrier(self, key: str, world_size: int, timeout: timedelta | None = None) -> None:
        """Return when ``world_size`` processes have called this with the same ``key``.

        Raises ``DistStoreError`` after ``timeout`` (the store's).

        Example:
            >>> HashStore().barrier("ready", 1)
        """
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit.total_seconds()
        rounds = -(-self.add(key, 1) // world_size)  # the key may serve again once all have come
        pause = 1e-3
        while True:
            with self._keys() as keys:
                here = int(keys.get(key, b"0"))
            if here >= rounds * world_size:
                return
            if time.monotonic() > deadline:
                raise DistStoreError(
                    f"barrier timeout after {int(1000 * limit.total_seconds())}ms: {here % world_size} of {world_size} are at "
                    f"{key!r}"
                )
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """The values under ``keys``; waits for them."""
        return self._await(keys, self.timeout, lambda found: [found[key] for key in keys])  # type: ignore[no-any-return]

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Put each value under its key."""
        with self._keys() as found:
            found.update(zip(keys, map(_bytes, values), strict=True))

    def set_timeout(self, timeout: timedelta) -> None:
        """How long ``get`` and ``wait`` wait."""
        self.timeout = timeout

    def has_extended_api(self) -> bool:
        """True: ``append``, ``multi_get`` and ``multi_set`` are there."""
        return True

    def _await(self, keys: Sequence[str], timeout: timedelta, found: Callable[[Keys], Any]) -> Any:
        deadline = time.monotonic() + timeout.total_seconds()
        pause = 1e-3
        while True:
            with self._keys() as present:
                missing = [key for key in keys if key not in present]
                if not missing:
                    return found(present)
            if time.monotonic() > deadline:
                raise DistStoreError(
                    f"wait timeout after {int(1000 * timeout.total_seconds())}ms, keys: /{', /'.join(missing)}"
                )
            time.sleep(pause)
            pause = min(2 * pause, 0.05)


class HashStore(Store):
    """A store of one process.

    Example:
        >>> store = HashStore()
        >>> store.set("first", "value")
        >>> store.get("first"), store.add("count", 2)
        (b'value', 2)
    """

    def __init__(self) -> None:
        super().__init__()
        self._content: Keys = {}

    @contextlib.contextmanager
    def _keys(self) -> Iterator[Keys]:
        yield self._content


class FileStore(Store):
    """A store in a file that all processes reach; the last one of ``world_size`` to close it removes it.

    Raises ``RuntimeError`` for a folder that does not exist.
    """

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        super().__init__()
        self.path = os.fspath(file_name)
        self._owner = os.getpid()
        self._world_size = world_size
        self._users = f"{_HIDDEN}users"
        try:
            self._count(1)
        except OSError as error:
            raise RuntimeError(f"FileStore: {self.path} cannot be opened: {error.strerror}") from error

    @contextlib.contextmanager
    def _keys(self) -> Iterator[Keys]:
        with self._locked() as content:
            hidden = {key: content.pop(key) for key in list(content) if key.startswith(_HIDDEN)}
            yield content
            content.update(hidden)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Keys]:
        import json

        try:
            import fcntl
        except ImportError:
            raise RuntimeError("FileStore: this system has no locks on files as Unix has them") from None
        with open(self.path, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            content = {key: value.encode("latin-1") for key, value in json.loads(text or b"{}").items()}
            before = dict(content)
            yield content
            if content != before:
                file.truncate(0)
                file.write(
                    json.dumps({key: value.decode("latin-1") for key, value in content.items()}).encode()
                )

    def num_keys(self) -> int:
        """How many keys there are, with the one in which the store counts its users."""
        with self._keys() as keys:
            return len(keys) + 1

    def _count(self, change: int) -> int:
        with self._locked() as content:
            users = int(content.get(self._users, b"0")) + change
            content[self._users] = str(users).encode()
        return users

    def __del__(self) -> None:
        if getattr(self, "_owner", None) == os.getpid():
            with contextlib.suppress(Exception):
                if os.path.exists(self.path) and self._count(-1) == 0:
                    os.unlink(self.path)


class TCPStore(FileStore):
    """PyTorch's store on one of the processes, here a file: for the processes of one host, whose ``port`` is equal.

    Args:
        host_name: must be this host; the ranks of several are started by ``rushlight launch`` and need no store.
        port: a name for the store. 0 on the master takes any: ``store.port``.
        world_size: with ``wait_for_workers``, how many processes the master waits for.
        is_master: the master begins with an empty store; the others wait for it, ``timeout`` at most.

    Raises ``DistNetworkError`` for another host, ``DistStoreError`` where the master does not come.
    """

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = _DEFAULT,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ) -> None:
        if not is_this_host(host_name):
            raise DistNetworkError(
                f"TCPStore: {host_name!r} is not this host; ranks on several hosts are started with `rushlight launch "
                f"--hosts A,B`, "
                "and tell each other things with broadcast_object_list() and all_gather_object()"
            )
        import tempfile

        if port == 0:
            port = 49152 + os.getpid() % 16384
        self.host, self.port = host_name, port
        self.is_master = is_master
        folder = os.path.join(tempfile.gettempdir(), f"rushlight-stores-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != os.getuid():
            raise DistStoreError(f"TCPStore: {folder} belongs to another user")
        paths = [os.path.join(folder, f"{port}-{key}") for key in keys_of_this_program()]
        path = next(filter(os.path.exists, paths), paths[0])
        deadline = time.monotonic() + timeout.total_seconds()
        if is_master:
            with contextlib.suppress(OSError):
                os.unlink(path)  # of a job that was killed
        super().__init__(path)
        self.timeout = timeout
        if is_master:
            self._put(_MASTER, str(os.getpid()).encode())
        while not is_master and not self._is_served():
            if time.monotonic() > deadline:
                raise DistStoreError(
                    f"TCPStore: timed out after {timeout.total_seconds():g} s: no process with is_master=True made the "
                    f"store of "
                    f"port {port}"
                )
            time.sleep(0.005)
            if not os.path.exists(path):
                self._count(1)  # the master has begun anew
        # PyTorch's counts the key at which workers wait for each other.
        self._waited = int(world_size is not None and world_size > 0 and wait_for_workers)
        if world_size is not None and world_size > 0 and wait_for_workers:
            self._await_workers(world_size, deadline)

    def num_keys(self) -> int:
        """How many keys there are, with the one at which workers waited for each other, if they did."""
        with self._keys() as keys:
            return len(keys) + self._waited

    def _put(self, key: str, value: bytes) -> None:
        with self._locked() as content:
            content[key] = value

    def _is_served(self) -> bool:
        with self._locked() as content:
            master = int(content.get(_MASTER, b"0"))
        try:
            os.kill(master, 0) if master else None
        except OSError:
            return False
        return master > 0

    def _await_workers(self, world_size: int, deadline: float) -> None:
        if not self.is_master:
            with self._locked() as content:
                content[_WORKERS] = str(int(content.get(_WORKERS, b"0")) + 1).encode()
            return
        while True:
            with self._locked() as content:
                here = 1 + int(content.get(_WORKERS, b"0"))
            if here >= world_size:
                return
            if time.monotonic() > deadline:
                raise DistStoreError(
                    f"TCPStore: timed out: {here} of {world_size} processes joined the store of port {self.port}"
                )
            time.sleep(0.005)


class PrefixStore(Store):
    """``store`` with ``prefix`` before every key."""

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self.prefix = prefix
        self.underlying_store = store
        self.timeout = store.timeout

    @contextlib.contextmanager
    def _keys(self) -> Iterator[Keys]:
        start = f"{self.prefix}/"
        with self.underlying_store._keys() as keys:
            own = {key.removeprefix(start): value for key, value in keys.items() if key.startswith(start)}
            before = set(own)
            yield own
            for key in before - set(own):
                del keys[start + key]
            keys.update({start + key: value for key, value in own.items()})


_HIDDEN = "\0"
_MASTER = f"{_HIDDEN}master"
_WORKERS = f"{_HIDDEN}workers"


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return bytes(value)
