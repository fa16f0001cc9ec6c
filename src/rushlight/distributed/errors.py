"""The exceptions of this package: PyTorch's names, all of them ``RuntimeError``."""

from __future__ import annotations


class DistError(RuntimeError):
    """Something went wrong between the processes of a job."""


class DistBackendError(DistError):
    """The engine that carries the messages (MPI) failed, or a collective waited longer than its timeout."""


class DistNetworkError(DistError):
    """The processes of a job cannot reach each other."""


class DistStoreError(DistError):
    """A key-value store failed. Kept for ``except`` clauses: MPI needs no store."""


class RanksDisagree(DistError):
    """The ranks called different collectives, or one with different shapes, dtypes or roots.

    Every rank of the group raises it, with the same message.
    """
