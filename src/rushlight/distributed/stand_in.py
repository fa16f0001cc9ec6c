"""What mpiexec runs in the place of a rank that it did not start (see ``joining``): a script of its own, which imports nothing.

It hands the rank the address at which the process manager of its MPI waits for it, and then lives as long as the rank does:
when the rank ends without having said so, this process ends the other stand-ins, whose ranks then end too. Two FIFOs connect
it to the rank. The system closes them when a process ends, in whatever way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

FAREWELL = b"b"  # the rank has ended as it should
REPORTED = b"r"  # it fails, and has said why itself


def main(folder: str) -> None:
    """Stand in for rank PMI_ID until it ends."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # mpiexec's note that a rank has left its line
    # What mpiexec sees end with a failure it ends at once, with all others.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    rank = os.environ.get("PMI_ID", "")
    if not rank or "PMI_PORT" not in os.environ:
        # A file, since nobody reads what mpiexec writes.
        with open(os.path.join(folder, "unusable"), "w"):
            pass
        return
    names = [os.path.join(folder, f"{rank}.{end}") for end in ("down", "up")]
    own_id = os.path.join(folder, f"{rank}.pid")
    with open(own_id, "w") as file:
        file.write(str(os.getpid()))
    down = os.open(names[0], os.O_WRONLY)  # waits until the rank is there
    wanted = ("PMI_", "MPI_")
    lines = [f"{name}={value}\n" for name, value in os.environ.items() if name.startswith(wanted)]
    os.write(down, "".join(lines).encode() + b"\n")
    up = os.open(names[1], os.O_RDONLY)
    os.unlink(names[0])
    heard = b""
    while True:
        got = os.read(up, 64)
        if not got:
            break
        heard += got
    os.unlink(names[1])
    os.unlink(own_id)
    if heard.endswith(FAREWELL):
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # by the last one
        return
    if not heard.endswith(REPORTED):
        unfinished = os.path.join(folder, f"ended.{rank}")
        with open(unfinished, "w") as file:
            file.write(rank)
        os.rename(unfinished, os.path.join(folder, "ended"))
    _end_the_others(folder)
    time.sleep(2)  # by then they have read why
    shutil.rmtree(folder, ignore_errors=True)


def _end_the_others(folder: str) -> None:
    for name in os.listdir(folder):
        if name.endswith(".pid"):
            with contextlib.suppress(OSError, ValueError), open(os.path.join(folder, name)) as file:
                os.kill(int(file.read()), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1])
