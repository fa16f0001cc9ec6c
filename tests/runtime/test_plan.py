"""Plans: what they compute, what they refuse, and that threads change nothing."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compiler.launch import HostLaunch, Place, Space
from rushlight.runtime import plan as plan_module, table, workers
from rushlight.runtime.plan import Plan

from .plan_samples import add_constant, arena, chain, float32, input_, line, output, row_sums


def test_a():
    pass
