"""The event files of ``SummaryWriter``, read back record by record."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.event_file import masked_checksum
from rushlight.utils.tensorboard import SummaryWriter


def records(folder):
    (name,) = [n for n in os.listdir(folder) if n.startswith("events.out.tfevents")]
    data, found = (folder / name).read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked_checksum(data[:8])
        found.append(data[12 : 12 + length])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_checksum(found[-1])
        data = data[16 + length :]
    return found


def fields(message):
    """The message's fields: number and value, the latter bytes for strings and nested messages."""

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    at, found = 0, {}
    while at < len(message):
        key = varint()
        if key & 7 == 0:
            value = varint()
        elif key & 7 == 2:
            length = varint()
            value, at = message[at : at + length], at + length
        else:
            size, kind = {1: (8, "<d"), 5: (4, "<f")}[key & 7]
            (value,), at = struct.unpack(kind, message[at : at + size]), at + size
        found[key >> 3] = value
    return found


def value_of(event):
    return fields(fields(fields(event)[5])[1])


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", torch.tensor(0.25), 7)
        writer.add_scalar("loss", 0.5, 8, walltime=3.0)
        with pytest.raises(ValueError, match="one number"):
            writer.add_scalar("loss", torch.zeros(2))
    first, *events = records(tmp_path)
    assert fields(first)[3] == b"brain.Event:2"
    assert [(fields(e)[2], value_of(e)[1], value_of(e)[2]) for e in events] == [
        (7, b"loss", 0.25),
        (8, b"loss", 0.5),
    ]
    assert fields(events[1])[1] == 3.0


def test_several_scalars_have_a_folder_each(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.add_scalars("a/b", {"x": 1.0, "y": 2.0}, 3)
    writer.close()
    assert value_of(records(tmp_path / "a_b_y")[1]) == {1: b"a/b", 2: 2.0}
    assert len(records(tmp_path / "a_b_x")) == 2


def test_histogram_and_text(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.add_histogram("weights", torch.arange(10.0), 1)
    writer.add_text("note", "**bold**", 2)
    writer.flush()
    _, histogram, text = records(tmp_path)
    message = fields(value_of(histogram)[5])
    assert (message[1], message[2], message[3], message[4]) == (0.0, 9.0, 10.0, 45.0)
    assert np.frombuffer(message[7]).sum() == 10
    value = value_of(text)
    assert value[1] == b"note/text_summary"
    assert fields(value[8])[8] == b"**bold**"
    assert fields(fields(value[9])[1])[1] == b"text"
    with pytest.raises(ValueError, match="no element"):
        writer.add_histogram("weights", torch.zeros(0))
    writer.close()


def pixels_of(event):
    image = fields(value_of(event)[4])
    data, chunks = image[4][8:], {}
    while data:
        (length,) = struct.unpack(">I", data[:4])
        chunks[data[4:8]] = data[8 : 8 + length]
        assert struct.unpack(">I", data[8 + length : 12 + length])[0] == zlib.crc32(data[4 : 8 + length])
        data = data[12 + length :]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(image[1], -1)
    return rows[:, 1:].reshape(image[1], image[2], image[3])


def test_images(tmp_path):
    image = torch.rand(3, 4, 5)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("a", image)
        writer.add_image("a", (image * 255).to(torch.uint8).permute(1, 2, 0), dataformats="HWC")
        writer.add_image("gray", torch.ones(4, 5), dataformats="HW")
        writer.add_images("batch", torch.ones(10, 1, 4, 5))
        with pytest.raises(AssertionError, match="input format"):
            writer.add_image("a", torch.ones(4, 5))
        with pytest.raises(ValueError, match="channels"):
            writer.add_image("a", torch.ones(2, 4, 5))
    _, first, second, gray, batch = records(tmp_path)
    expected = (image * 255).to(torch.uint8).permute(1, 2, 0).numpy()
    assert np.array_equal(pixels_of(first), expected)
    assert np.array_equal(pixels_of(second), expected)
    assert (pixels_of(gray) == 255).all()
    assert pixels_of(batch).shape == (8, 40, 1)
    assert (pixels_of(batch)[4:, :10] == 255).all()
    assert (pixels_of(batch)[4:, 10:] == 0).all()


def test_writing_goes_on_after_close(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.close()
    writer.add_scalar("x", 1.0)
    writer.close()
    assert len(records(tmp_path)) == 2
    assert writer.get_logdir() == str(tmp_path)
