"""How long collectives wait for other ranks, unless a program says otherwise."""

from __future__ import annotations

from datetime import timedelta

default_pg_timeout = default_pg_nccl_timeout = timedelta(minutes=30)
