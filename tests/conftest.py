from __future__ import annotations

from hypothesis import settings

# No deadline: a test on a busy machine is slow, not wrong. Derandomized: a change fails for what it changed.
settings.register_profile("rushlight", deadline=None, derandomize=True)
settings.load_profile("rushlight")
