"""The settings of TensorBoard's projector, which shows embeddings: written as ``projector_config.pbtxt``."""

from __future__ import annotations

import os
from typing import Any


class SpriteMetadata:
    """The pictures of an embedding's rows: ``image_path`` and the size of one in ``single_image_dim``."""

    def __init__(self) -> None:
        self.image_path = ""
        self.single_image_dim: list[int] = []


class EmbeddingInfo:
    """One embedding: the variable's name in ``tensor_name``, its rows' names in the file ``metadata_path``."""

    def __init__(self, tensor_name: str = "", metadata_path: str = "") -> None:
        self.tensor_name, self.metadata_path = tensor_name, metadata_path
        self.bookmarks_path = self.tensor_path = ""
        self.tensor_shape: list[int] = []
        self.sprite = SpriteMetadata()

    def lines(self) -> list[str]:
        """The settings as text."""
        found = [
            f'  {name}: "{value}"'
            for name in ("tensor_name", "metadata_path", "bookmarks_path", "tensor_path")
            if (value := getattr(self, name))
        ]
        found += [f"  tensor_shape: {extent}" for extent in self.tensor_shape]
        if self.sprite.image_path or self.sprite.single_image_dim:
            found.append("  sprite {")
            if self.sprite.image_path:
                found.append(f'    image_path: "{self.sprite.image_path}"')
            found += [f"    single_image_dim: {extent}" for extent in self.sprite.single_image_dim]
            found.append("  }")
        return ["embeddings {", *found, "}"]


class _Embeddings(list[EmbeddingInfo]):
    def add(self, **fields: Any) -> EmbeddingInfo:
        """Append one and give it back."""
        self.append(EmbeddingInfo(**fields))
        return self[-1]


class ProjectorConfig:
    """The embeddings that the projector shows: ``config.embeddings.add()`` makes one."""

    def __init__(self) -> None:
        self.model_checkpoint_path = ""
        self.embeddings = _Embeddings()

    def __str__(self) -> str:
        lines = (
            [f'model_checkpoint_path: "{self.model_checkpoint_path}"'] if self.model_checkpoint_path else []
        )
        for embedding in self.embeddings:
            lines += embedding.lines()
        return "".join(line + "\n" for line in lines)


def visualize_embeddings(summary_writer: Any, config: ProjectorConfig) -> None:
    """Write the settings to the folder of a ``tf.summary.FileWriter`` (or to a folder by name)."""
    folder = summary_writer if isinstance(summary_writer, str) else summary_writer.get_logdir()
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
        file.write(str(config))
