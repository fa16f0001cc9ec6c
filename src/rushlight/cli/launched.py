"""One of the processes that ``rushlight launch`` starts: ``python -m rushlight.cli.launched PROGRAM``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rushlight.cli import run

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Set torchrun's variables, start MPI, and run the program; a failure of it ends all processes of the job."""
    from rushlight.distributed import engine
    from rushlight.distributed.environment import find_place, set_torchrun_variables

    arguments = list(arguments)
    pass_local_rank = arguments[:1] == ["--pass-local-rank"]
    del arguments[: int(pass_local_rank)]
    place = find_place()
    if pass_local_rank and place is not None:
        # Behind the program's name, as torch.distributed.launch gives it.
        arguments.insert(2 if arguments[:1] == ["-m"] else 1, f"--local-rank={place.local_rank}")
    if place is not None:
        set_torchrun_variables(place)
    # Now, not in init_process_group: a process that fails before it gets there can end the others only through MPI.
    engine.start(60.0)
    engine.open_notes(60.0)
    try:
        return run.main(arguments)
    except SystemExit as leaving:
        code = leaving.code
        if code not in (None, 0):
            if not isinstance(code, int):
                print(code, file=sys.stderr)
            engine.abort(code if isinstance(code, int) and 0 < code < 256 else 1)
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
