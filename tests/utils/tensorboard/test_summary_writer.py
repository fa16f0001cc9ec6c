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
        with pytest.raises(AssertionError, match="scalar should be 0D"):
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


def tagged(folder):
    """The values of a folder's events by tag: the last one of each."""
    return {value_of(event)[1].decode(): value_of(event) for event in records(folder)[1:]}


def content(value):
    """What a value holds for its plug-in: the plug-in's name, and its message."""
    plugin = fields(fields(value[9])[1])
    return plugin[1].decode(), plugin.get(2, b"")


def test_hyperparameters(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams(
            {"lr": 0.25, "name": "x"}, {"accuracy": 0.5}, {"name": ["x", "y"]}, run_name="first"
        )
        for wrong in ([1], None):
            with pytest.raises(TypeError):
                writer.add_hparams(wrong, {})
        with pytest.raises(ValueError, match="int, float, str, bool"):
            writer.add_hparams({"sizes": [1, 2]}, {})
        with pytest.raises(TypeError, match="same type"):
            writer.add_hparams({"lr": 0.1}, {}, {"lr": ["a"]})
    values = tagged(tmp_path / "first")
    assert fields(fields(content(values["_hparams_/session_end_info"])[1])[4])[1] == 1
    name, start = content(values["_hparams_/session_start_info"])
    assert name == "hparams"
    chosen = fields(fields(fields(start)[3])[1])  # of several entries the last one remains
    assert (chosen[1], fields(chosen[2])[3]) == (b"name", b"x")
    experiment = fields(fields(content(values["_hparams_/experiment"])[1])[2])
    info = fields(experiment[4])
    assert (info[1], info[4]) == (b"name", 1)
    assert fields(fields(info[5])[1])[3] == b"y"
    assert fields(fields(experiment[5])[1])[2] == b"accuracy"
    assert values["accuracy"][2] == 0.5


def test_precision_and_recall(tmp_path):
    labels, predictions = torch.tensor([0, 1, 1, 0]), torch.tensor([0.1, 0.9, 0.4, 0.6])
    with SummaryWriter(tmp_path) as writer:
        writer.add_pr_curve("pr", labels, predictions, 2, num_thresholds=3)
    value = tagged(tmp_path)["pr"]
    assert content(value) == ("pr_curves", b"\x10\x03")
    rows = np.frombuffer(fields(value[8])[5], "<f4").reshape(6, 3)
    # At least 0, 1/2 and 1 of two steps: 0.1 and 0.4 fall into the first, 0.9 and 0.6 into the second.
    np.testing.assert_array_equal(rows[:4], [[2, 1, 0], [2, 1, 0], [0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(rows[4:], [[0.5, 0.5, 0], [1, 0.5, 0]])


def test_tensors_histograms_and_exact_numbers(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_tensor("t", torch.tensor([[1.0, 2.0]]), 1)
        writer.add_scalar("d", 1 / 3, double_precision=True)
        writer.add_histogram_raw("h", 0.0, 2.0, 3, 4.0, 5.0, [1.0, 2.0], [1, 2])
        with pytest.raises(ValueError, match="bucket_counts"):
            writer.add_histogram_raw("h", 0.0, 2.0, 3, 4.0, 5.0, [1.0], [1, 2])
    values = tagged(tmp_path)
    np.testing.assert_array_equal(np.frombuffer(fields(values["t"][8])[5], "<f4"), [1, 2])
    assert struct.unpack("<d", fields(values["d"][8])[6]) == (1 / 3,)
    histogram = fields(values["h"][5])
    assert [histogram.get(field, 0.0) for field in (1, 2, 3, 4, 5)] == [0.0, 2.0, 3.0, 4.0, 5.0]
    np.testing.assert_array_equal(np.frombuffer(histogram[7], "<f8"), [1, 2])


def test_sound(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("a", torch.tensor([[0.0, 1.0, -2.0]]), sample_rate=100)
        with pytest.raises(AssertionError, match="1 dimensional"):
            writer.add_audio("a", torch.zeros(2, 3))
    sound = fields(tagged(tmp_path)["a"][6])
    assert (sound[1], sound[2], sound[3], sound[5]) == (100.0, 1, 3, b"audio/wav")
    import io
    import wave

    with wave.open(io.BytesIO(sound[4])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (100, 1, 2)
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [0, 32767, -32767]


def test_figures(tmp_path):
    pyplot = pytest.importorskip("matplotlib.figure")
    figure = pyplot.Figure(figsize=(2, 1), dpi=50)
    figure.add_subplot().plot([1, 2])
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("f", figure, close=False)
    image = fields(tagged(tmp_path)["f"][4])
    assert (image[1], image[2], image[3]) == (50, 100, 3)


def test_embeddings(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        points = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        writer.add_embedding(
            points, [["a", 1], ["b", 2]], global_step=3, tag="e", metadata_header=["name", "n"]
        )
        with pytest.raises(AssertionError, match="labels"):
            writer.add_embedding(points, ["a"])
        with pytest.raises(AssertionError, match="#images"):
            writer.add_embedding(points, label_img=torch.zeros(7, 3, 4, 4))
    assert (tmp_path / "00003/e/tensors.tsv").read_text() == "1.0\t2.0\n3.0\t4.0\n"
    assert (tmp_path / "00003/e/metadata.tsv").read_text() == "name\tn\na\t1\nb\t2\n"
    assert 'tensor_path: "00003/e/tensors.tsv"' in (tmp_path / "projector_config.pbtxt").read_text()


def test_layouts(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_custom_scalars({"c": {"t": ["Multiline", ["x", "y"]]}})
        writer.add_custom_scalars_marginchart(["v", "low", "high"], "c", "t")
        with pytest.raises(AssertionError, match="3 tags"):
            writer.add_custom_scalars_marginchart(["v"], "c", "t")
    several, margin = [fields(fields(value_of(event)[8])[8])[2] for event in records(tmp_path)[1:]]
    assert fields(several)[1] == b"c"
    assert fields(fields(fields(several)[2])[2])[1] == b"y"
    assert fields(fields(fields(fields(margin)[2])[3])[1]) == {1: b"v", 2: b"low", 3: b"high"}


def test_what_is_not_there_says_what_to_use():
    for method in ("add_video", "add_mesh", "add_onnx_graph", "add_image_with_boxes"):
        with pytest.raises(NotImplementedError, match=method):
            getattr(SummaryWriter, method)(None)


def test_the_real_tensorboard_reads_it(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 0.5, 3)
        writer.add_hparams({"lr": 0.25}, {"accuracy": 1.0}, run_name="run")
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(3, 0.5)]
    run = EventAccumulator(str(tmp_path / "run"))
    run.Reload()
    metadata = run.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert HParamsPluginData.FromString(metadata).session_start_info.hparams["lr"].number_value == 0.25
