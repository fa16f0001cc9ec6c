"""The class of compiled modules, where libraries look for it."""

from __future__ import annotations

from ..nn.compiled import OptimizedModule as OptimizedModule
