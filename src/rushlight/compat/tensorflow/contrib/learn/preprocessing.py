"""``tf.contrib.learn.preprocessing``: texts as rows of word numbers."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[\'\w\-]+", re.UNICODE)


def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """The words of each text."""
    for text in iterator:
        yield _WORD.findall(text)


class CategoricalVocabulary:
    """Words and their numbers; 0 stands for every unknown word."""

    def __init__(self, unknown_token: str = "<UNK>", support_reverse: bool = True) -> None:
        self._unknown = unknown_token
        self._mapping: dict[str, int] = {unknown_token: 0}
        self._counts: dict[str, int] = {}
        self._words = [unknown_token]
        self._frozen = False

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """Let no word be added any more."""
        self._frozen = freeze

    def get(self, category: str) -> int:
        """A word's number; an unknown one is added unless the vocabulary is frozen."""
        if category not in self._mapping:
            if self._frozen:
                return 0
            self._mapping[category] = len(self._mapping)
            self._words.append(category)
        return self._mapping[category]

    def add(self, category: str, count: int = 1) -> None:
        """Count a word."""
        if self.get(category) > 0:
            self._counts[category] = self._counts.get(category, 0) + count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Keep the words that were counted more than ``min_frequency`` times, numbered by how often they were."""
        ranked = sorted(sorted(self._counts.items()), key=lambda item: item[1], reverse=True)
        kept = [
            (word, count)
            for word, count in ranked
            if count > min_frequency and (max_frequency < 0 or count < max_frequency)
        ]
        self._words = [self._unknown, *[word for word, _ in kept]]
        self._mapping = {word: number for number, word in enumerate(self._words)}
        self._counts = dict(kept)

    def reverse(self, class_id: int) -> str:
        """The word of a number."""
        return self._words[class_id]


class VocabularyProcessor:
    """Turns texts into rows of ``max_document_length`` word numbers, filled up with 0.

    Args:
        max_document_length: the length of a row; longer texts are cut.
        min_frequency: keep words that :meth:`fit` has seen more often than this.
        vocabulary: one that is there already.
        tokenizer_fn: makes a list of words of each text of an iterable.

    Example:
        >>> processor = VocabularyProcessor(4)
        >>> [row.tolist() for row in processor.fit_transform(["a cat and", "a dog"])]
        [[1, 2, 3, 0], [1, 4, 0, 0]]
    """

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: CategoricalVocabulary | None = None,
        tokenizer_fn: Callable[[Iterable[str]], Iterable[list[str]]] | None = None,
    ) -> None:
        self.max_document_length, self.min_frequency = max_document_length, min_frequency
        self.vocabulary_ = CategoricalVocabulary() if vocabulary is None else vocabulary
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents: Iterable[str], unused_y: Any = None) -> VocabularyProcessor:
        """Learn the words of some texts; the vocabulary is frozen afterwards."""
        for words in self._tokenizer(raw_documents):
            for word in words:
                self.vocabulary_.add(word)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(
        self, raw_documents: Iterable[str], unused_y: Any = None
    ) -> Iterator[NDArray[np.int64]]:
        """:meth:`fit`, then :meth:`transform`."""
        texts = list(raw_documents)
        self.fit(texts)
        return self.transform(texts)

    def transform(self, raw_documents: Iterable[str]) -> Iterator[NDArray[np.int64]]:
        """One row of word numbers for each text."""
        for words in self._tokenizer(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for place, word in enumerate(words[: self.max_document_length]):
                row[place] = self.vocabulary_.get(word)
            yield row

    def reverse(self, documents: Iterable[Iterable[int]]) -> Iterator[str]:
        """The texts of rows of word numbers."""
        for row in documents:
            yield " ".join(self.vocabulary_.reverse(int(number)) for number in row)

    def save(self, filename: str) -> None:
        """Write all of this to a file, pickled."""
        with open(filename, "wb") as file:
            pickle.dump(self, file)

    @classmethod
    def restore(cls, filename: str) -> VocabularyProcessor:
        """Read what :meth:`save` wrote. Like every pickled file it can run code: read only files that you trust."""
        with open(filename, "rb") as file:
            found: VocabularyProcessor = pickle.load(file)
        return found
