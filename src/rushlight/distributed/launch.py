"""``python -m torch.distributed.launch``, under ``rushlight run -m``: as ``run``, and programs get ``--local-rank``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rushlight.distributed import run


def main(args: Sequence[str] | None = None) -> None:
    """Become ``rushlight launch``; without ``--use-env`` the program's first argument is ``--local-rank=N``."""
    given = list(sys.argv[1:] if args is None else args)
    by_environment = "--use-env" in given or "--use_env" in given
    run.main(given, pass_local_rank=not by_environment)


if __name__ == "__main__":
    main()
