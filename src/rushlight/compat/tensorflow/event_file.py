"""TensorBoard's event files; the records are written in ``rushlight.utils.event_file``."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ...utils.event_file import (
    graph_definition as graph_definition,
    graph_event as graph_event,
    histogram_summary as histogram_summary,
    image_summary as image_summary,
    masked_checksum as masked_checksum,
    record as record,
    scalar_summary as scalar_summary,
    summary_event as summary_event,
    text_summary as text_summary,
    version_event as version_event,
)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protocol-buffer message with their numbers."""
    place = 0

    def varint() -> int:
        nonlocal place
        result = shift = 0
        while True:
            byte = data[place]
            place += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    while place < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        yield key >> 3, data[place : place + size]
        place += size


_KINDS = {2: "simple_value", 4: "image", 5: "histo", 6: "audio", 8: "tensor"}


def read_values(summary: bytes) -> list[tuple[str, float, str | None]]:
    """The tag, number and kind of each value of a Summary message; 0 for values that are no numbers."""
    found = []
    for number, value in _fields(summary):
        if number == 1:
            tag, scalar, kind = "", 0.0, None
            for inner, data in _fields(value):
                kind = _KINDS.get(inner, kind)
                if inner == 1:
                    tag = data.decode()
                elif inner == 2:
                    (scalar,) = struct.unpack("<f", data)
            found.append((tag, scalar, kind))
    return found
