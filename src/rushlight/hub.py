"""``torch.hub`` from a folder: a repository's ``hubconf.py`` names its models. Nothing is ever downloaded.

A folder is what ``source="local"`` names. For a GitHub name the folder must already lie where PyTorch's own hub put it
(``get_dir()``), else there is an error that says where it looked.
"""

from __future__ import annotations

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

import os
import re
import sys
from types import ModuleType
from typing import Any, Final

from .missing import lazily as _lazily

# How a file's name tells the first digits of its SHA-256.
HASH_REGEX: Final = re.compile(r"-([a-f0-9]*)\.")
_DIRECTORY: Final[list[str]] = []


def get_dir() -> str:
    """Where downloaded repositories and weights lie: ``$TORCH_HOME/hub``, by default ``~/.cache/torch/hub``."""
    return _DIRECTORY[0] if _DIRECTORY else os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.expanduser(home)


def set_dir(d: str | os.PathLike[str]) -> None:
    """Use another folder from now on."""
    _DIRECTORY[:] = [os.path.expanduser(d)]


def list(github: str, force_reload: bool = False, skip_validation: bool = False, *, source: str = "github",
         trust_repo: Any = None, verbose: bool = True) -> Any:  # fmt: skip
    """The names of a repository's entry points (public callables of its ``hubconf.py``). Arguments as for ``load``."""
    module = _hubconf(_folder("list", github, source))
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def help(github: str, model: str, force_reload: bool = False, skip_validation: bool = False, *,
         source: str = "github", trust_repo: Any = None) -> str | None:  # fmt: skip
    """The docstring of an entry point. Arguments as for ``load``."""
    text: str | None = _entry(_hubconf(_folder("help", github, source)), model).__doc__
    return text


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What the entry point ``model`` of a repository's ``hubconf.py`` returns for the other arguments.

    ``repo_or_dir`` is a folder with ``source="local"``, else ``"owner/name[:branch]"`` of a repository that is already in
    ``get_dir()``. The repository's Python code runs: give only what you trust. Its ``import torch`` needs `rushlight run`.
    Raises ``ValueError`` for another source, ``FileNotFoundError`` where there is no such folder, and ``RuntimeError``
    for a repository that is not there, a missing entry point, or a missing dependency that the repository declares.

    Example:
        >>> import pathlib, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> _ = pathlib.Path(folder, "hubconf.py").write_text("def answer(n=1):\\n    return 42 * n\\n")
        >>> load(folder, "answer", n=2, source="local")
        84
    """
    return _entry(_hubconf(_folder("load", repo_or_dir, source)), model)(*args, **kwargs)


def _folder(function: str, repository: str, source: str) -> str:
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local":
        folder = os.path.expanduser(repository)
    else:
        name, _, branch = repository.partition(":")
        base = name.replace("/", "_")
        branches = [branch] if branch else ["main", "master"]
        candidates = [os.path.join(get_dir(), f"{base}_{each.replace('/', '_')}") for each in branches]
        folder = next((path for path in candidates if os.path.isdir(path)), candidates[0])
    if not os.path.isfile(os.path.join(folder, "hubconf.py")):
        # As PyTorch does without a connection, and for a folder.
        kind = FileNotFoundError if source == "local" else RuntimeError
        raise kind(
            f"hub.{function}: no hubconf.py in {folder}; nothing is downloaded: get the repository yourself and give its "
            'folder with source="local"'
        )
    return folder


def _hubconf(folder: str) -> ModuleType:
    import importlib.util

    spec = importlib.util.spec_from_file_location("hubconf", os.path.join(folder, "hubconf.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


def _entry(module: ModuleType, name: str) -> Any:
    import importlib.util

    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    needed = getattr(module, "dependencies", [])
    missing = [each for each in needed if each not in sys.modules and importlib.util.find_spec(each) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    entry = getattr(module, name, None)
    if not callable(entry):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return entry


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Raises ``urllib.error.URLError``, as without a connection, unless ``dst`` is there already: nothing is downloaded."""
    if not os.path.exists(dst):
        raise _no_connection(
            f"hub.download_url_to_file: {dst} is not there; nothing is downloaded: fetch {url} and put it there"
        )


def _no_connection(message: str) -> Exception:
    from urllib.error import URLError

    return URLError(message)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """The checkpoint that ``url`` names, where its file lies in ``model_dir`` (``get_dir()/checkpoints``) already.

    With ``check_hash`` the file must have the SHA-256 that its name ends with. Raises ``urllib.error.URLError`` where it is not
    there (nothing is downloaded), ``RuntimeError`` for another hash.
    """
    from .serialization import load as load_file

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    name = file_name or os.path.basename(url.split("?", maxsplit=1)[0])
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        raise _no_connection(
            f"hub.load_state_dict_from_url: {path} is not there; nothing is downloaded: fetch {url} and put it there"
        )
    if check_hash:
        import hashlib

        expected = os.path.splitext(name)[0].rpartition("-")[2]
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not found.startswith(expected):
            raise RuntimeError(f'invalid hash value (expected "{expected}", got "{found}")')
    return load_file(path, map_location=map_location, weights_only=weights_only)


class _SilentBar:
    """What stands for ``tqdm.tqdm`` where that package is not installed: the same calls, and nothing is shown."""

    def __init__(self, iterable: Any = None, *args: Any, **settings: Any) -> None:
        self.iterable, self.n = iterable, 0.0

    def __iter__(self) -> Any:
        for value in self.iterable:
            yield value
            self.n += 1.0

    def __len__(self) -> int:
        return len(self.iterable)

    def __enter__(self) -> _SilentBar:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def update(self, n: float = 1) -> None:
        """Count ``n`` more."""
        self.n += n

    def nothing(self, *args: Any, **settings: Any) -> None:
        """Show nothing."""

    close = refresh = set_postfix = set_postfix_str = set_description = set_description_str = nothing


def _bar() -> Any:
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return _SilentBar
    return tqdm


# Public names that are not here raise MissingNameError.
_lazy = _lazily(__name__, {"urlparse": "urllib.parse:urlparse"})


def __getattr__(name: str) -> Any:
    if name == "tqdm":
        return _bar()
    return _lazy(name)
