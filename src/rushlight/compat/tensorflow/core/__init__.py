"""``tensorflow.core``: the messages that programs import from there, under the modules' names of TensorFlow 1."""

from __future__ import annotations

from typing import Final

from ..gathered import make

_PLACES: Final[dict[str, str]] = {
    "example.example_pb2": ".train",
    "example.feature_pb2": ".train",
    "framework.graph_pb2": ".",
    "framework.node_def_pb2": ".",
    "framework.summary_pb2": ".",
    "protobuf.config_pb2": ".",
    "util.event_pb2": ".",
}

for _name, _where in _PLACES.items():
    make(__name__, _name, tuple(_where.split()))
