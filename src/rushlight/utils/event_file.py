"""TensorBoard's event files: framed records of a few protocol-buffer messages, written by hand.

A record is its length, a checksum of that, the bytes and a checksum of those; the messages are Event, Summary and
GraphDef, of which a handful of fields are needed. The packages that write them bring protobuf and more along; this has
no dependency, so that programs with a FileWriter run everywhere.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CASTAGNOLI = 0x82F63B78


@functools.cache
def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_CASTAGNOLI if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


def masked_checksum(data: bytes) -> int:
    """The CRC-32C of ``data``, rotated and shifted as the format asks for.

    Example:
        >>> from rushlight.utils.event_file import masked_checksum
        >>> hex(masked_checksum(b"123456789"))
        '0xc78ab0e5'
    """
    table = _table()
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """``data`` with its length and checksums."""
    length = struct.pack("<Q", len(data))
    return (
        length + struct.pack("<I", masked_checksum(length)) + data + struct.pack("<I", masked_checksum(data))
    )


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers take ten bytes
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def scalar_summary(tag: str, value: float) -> bytes:
    """A Summary message with one number."""
    return _bytes(1, _bytes(1, tag.encode()) + _float(2, value))


def histogram_summary(tag: str, values: NDArray[Any]) -> bytes:
    """A Summary message with the histogram of ``values``, in 30 equal parts."""
    flat = np.asarray(values, np.float64).ravel()
    flat = flat[np.isfinite(flat)]
    if flat.size:
        counts, edges = np.histogram(flat, bins=30)
        low, high = float(flat.min()), float(flat.max())
    else:
        counts, edges, low, high = np.zeros(1), np.array([0.0, 1.0]), 0.0, 0.0
    message = (
        _double(1, low) + _double(2, high) + _double(3, float(flat.size)) + _double(4, float(flat.sum()))
    )
    message += _double(5, float(np.square(flat).sum()))
    message += _bytes(6, edges[1:].astype("<f8").tobytes()) + _bytes(7, counts.astype("<f8").tobytes())
    return _bytes(1, _bytes(1, tag.encode()) + _bytes(5, message))


def _shown_by(plugin: str, content: bytes = b"") -> bytes:
    """The field of a Summary value that says which part of TensorBoard shows it."""
    return _bytes(9, _bytes(1, _bytes(1, plugin.encode()) + (_bytes(2, content) if content else b"")))


def text_summary(tag: str, text: str) -> bytes:
    """A Summary message with a text, which TensorBoard reads as Markdown."""
    tensor = _int(1, 7) + _bytes(2, _bytes(2, _int(1, 1))) + _bytes(8, text.encode())  # one string
    return _bytes(1, _bytes(1, f"{tag}/text_summary".encode()) + _bytes(8, tensor) + _shown_by("text"))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of height × width × channels bytes: 1 channel is gray, 3 are colors, 4 colors with opacity."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    height, width, channels = pixels.shape
    color = {1: 0, 3: 2, 4: 6}[channels]
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def image_summary(tag: str, pixels: NDArray[np.uint8]) -> bytes:
    """A Summary message with an image of height × width × channels (1, 3 or 4) bytes."""
    height, width, channels = pixels.shape
    image = _int(1, height) + _int(2, width) + _int(3, channels) + _bytes(4, png(pixels))
    return _bytes(1, _bytes(1, tag.encode()) + _bytes(4, image))


def graph_definition(operations: Iterable[tuple[str, str, Sequence[str], str]]) -> bytes:
    """A GraphDef message from (name, type, inputs, device) of each operation."""
    nodes = []
    for name, kind, inputs, device in operations:
        node = _bytes(1, name.encode()) + _bytes(2, kind.encode())
        node += b"".join(_bytes(3, source.encode()) for source in inputs)
        nodes.append(_bytes(1, node + (_bytes(4, device.encode()) if device else b"")))
    return b"".join(nodes) + _bytes(4, _int(1, 1))


def version_event(wall_time: float) -> bytes:
    """The Event message that a file begins with."""
    return _double(1, wall_time) + _bytes(3, b"brain.Event:2")


def summary_event(wall_time: float, step: int, summary: bytes) -> bytes:
    """An Event message with a summary."""
    return _double(1, wall_time) + _int(2, step) + _bytes(5, summary)


def graph_event(wall_time: float, graph: bytes) -> bytes:
    """An Event message with a graph."""
    return _double(1, wall_time) + _bytes(4, graph)
