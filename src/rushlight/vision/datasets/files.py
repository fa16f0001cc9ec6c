"""Files of data sets: their checksums, and their download where a program asks for it."""

from __future__ import annotations

import os
from typing import Any


def digest(path: str) -> str:
    """A file's MD5, by which the data sets' publishers name the right content."""
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_intact(path: str, md5: str | None = None) -> bool:
    """Whether the file is there, with that MD5 where one is given."""
    return os.path.isfile(path) and (md5 is None or digest(path) == md5)


def download(url: str, path: str, md5: str | None) -> None:
    """Fetch ``url`` into ``path``, unless the right file is there already.

    Raises ``RuntimeError`` where it can't be fetched, and for the wrong content, which is not kept.
    """
    if is_intact(path, md5):
        return
    import shutil
    import urllib.error
    import urllib.request

    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.part{os.getpid()}"
    try:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "rushlight"})
            with urllib.request.urlopen(request, timeout=30) as answer, open(part, "wb") as file:
                shutil.copyfileobj(answer, file)
        except (urllib.error.URLError, OSError) as error:
            raise RuntimeError(
                f"download: can't fetch {url} ({error}); without a network, put the file at {path} by other means"
            ) from error
        if md5 is not None and digest(part) != md5:
            raise RuntimeError(
                f"download: what {url} gave has MD5 {digest(part)}, not {md5}; it is not kept. Get the file by other means"
            )
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def unpack(archive: str, folder: str) -> None:
    """Unpack a tar archive; entries that lie outside ``folder`` are refused."""
    import tarfile

    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")


def read_batch(path: str) -> dict[str, Any]:
    """A pickled dictionary of lists and NumPy arrays, as CIFAR's files are; nothing in it is executed.

    Raises ``pickle.UnpicklingError`` for a pickle of anything else.
    """
    import pickle

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            import numpy as np

            known: dict[str, Any] = {"ndarray": np.ndarray, "dtype": np.dtype}
            if module == "numpy" and name in known:
                return known[name]
            if name in ("_reconstruct", "scalar") and module in (
                "numpy.core.multiarray",
                "numpy._core.multiarray",
            ):
                # NumPy's own names for these moved; what they give has not changed.
                example: Any = (
                    np.zeros(1).__reduce__() if name == "_reconstruct" else np.float64(0).__reduce__()
                )
                return example[0]
            if name == "_frombuffer" and module in ("numpy.core.numeric", "numpy._core.numeric"):
                return np.zeros(1).__reduce_ex__(5)[0]
            if module in ("_codecs", "codecs") and name == "encode":
                import codecs

                return codecs.encode
            if module in ("builtins", "__builtin__") and name == "bytearray":
                return bytearray
            raise pickle.UnpicklingError(
                f"{path}: asks for {module}.{name}; only lists and NumPy arrays are read"
            )

    with open(path, "rb") as file:
        content = Reader(file, encoding="latin1").load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError(f"{path}: holds {type(content).__name__}, not a dictionary")
    return content
