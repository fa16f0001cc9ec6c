"""``python -m torch.distributed.run``, under ``rushlight run -m``: torchrun's command line, given to ``rushlight launch``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None, *, pass_local_rank: bool = False) -> None:
    """Become ``rushlight launch`` with torchrun's arguments; one process where they do not say how many."""
    given = list(sys.argv[1:] if args is None else args)
    options = ["--nproc-per-node=1", *(["--pass-local-rank"] if pass_local_rank else [])]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "rushlight", "launch", *options, *given])


if __name__ == "__main__":
    main()
