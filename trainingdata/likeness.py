"""By what two records are found to be the same, or nearly: digests and sketches.

A sketch is a one-permutation MinHash (Li, Owen, Zhang 2012) with empty bins filled from their
neighbours (Shrivastava, Li 2014), over all sequences of a few words. The share of equal numbers in
two sketches estimates the share of sequences that two records have in common. It is our own, in
this one file, because it must be fast in plain Python and kept in a few bytes a record; libraries
for it bring NumPy and keep an object for each.
"""

import hashlib
import zlib
from array import array
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TypeAlias

from trainingdata.formats.base import Facts

Numbers: TypeAlias = "array[int]"
"""Whole numbers, each in the same few bytes."""
SKETCH = 32
"""Numbers in a sketch."""
BANDS, ROWS = 8, 4
"""Records are compared when all rows of a band are equal: of those that share 80 % of their
sequences, 98 % are."""
LEAST_WORDS = 8
"""Shorter records are compared as a whole, without regard to case and space."""
_KEPT = 512
"""Sequences of a record that are looked at, about: enough to fill every bin."""
_VOCABULARY = 200_000
"""Words whose codes are remembered."""
_HIGHEST = (1 << 32, 0)


class _Codes(dict[str, int]):
    """Code of each word, made when it is asked for first."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _VOCABULARY:
            self.clear()
        code = self[word] = zlib.crc32(word.lower().encode("utf-8", "surrogatepass"))
        return code


class Likeness:
    """Makes digests and sketches; remembers words from record to record."""

    def __init__(self) -> None:
        self._codes = _Codes()

    @staticmethod
    def digests(facts: Facts) -> tuple[int, int]:
        """Digests of a whole record, and of what the model is given of it.

        They do not depend on how the JSON is written: spaces, escapes, order of fields.
        """
        digest = hashlib.blake2b(digest_size=8)
        parts = [facts.roles, *facts.media, *facts.texts[: facts.asked]]
        digest.update("\0".join(parts).encode("utf-8", "surrogatepass"))
        asked = digest.copy().digest()
        digest.update("\1".join(("", *facts.texts[facts.asked :])).encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest()), int.from_bytes(asked)

    def sketch(self, facts: Facts, words: Sequence[Sequence[str]]) -> Numbers:
        """The sketch of a record's texts without its system prompts, which many records share.

        `words` are those of each text. All zero, and so like no other, for records with media:
        texts about two pictures may well be the same.
        """
        if facts.media:
            return array("I", bytes(4 * SKETCH))
        said = list(chain.from_iterable(words[facts.system :]))
        length = facts.characters
        size = 3
        if len(said) * 20 < length:
            # Scripts without spaces between words: characters, in longer sequences.
            size = 5
            said = list("".join(said))
        if len(said) < LEAST_WORDS:
            whole = zlib.crc32(" ".join(said).lower().encode("utf-8", "surrogatepass"))
            return array("I", [whole | 1] * SKETCH)
        return _bins(list(map(self._codes.__getitem__, said)), size=size)


def _bins(codes: list[int], *, size: int) -> Numbers:
    """The least sequence of each bin, as 32 bits that are never zero.

    Sequences are ordered by the code of their first word, and by their hash where that is the
    same. So of a long text only those need be looked at that begin with a word of a low code: the
    least of a bin is among them, but for the few bins that they leave empty.
    """
    starts: Sequence[int] = range(len(codes) - size + 1)
    if len(codes) > 2 * _KEPT:
        cut = (1 << 32) // (len(codes) // _KEPT)
        low = [at for at, code in enumerate(codes[: 1 - size]) if code < cut]
        # A text that repeats itself has few words, and perhaps no low one.
        starts = low if len(low) > _KEPT // 2 else starts
    least: dict[int, tuple[int, int]] = {}
    get = least.get
    for at in starts:
        one = hash(tuple(codes[at : at + size]))
        bin_, value = one & (SKETCH - 1), (codes[at], one)
        if value < get(bin_, _HIGHEST):
            least[bin_] = value
    filled = sorted(least)
    numbers = [0] * SKETCH
    for bin_ in filled:
        numbers[bin_] = _short(least[bin_], 0)
    for bin_, after in pairwise([*filled, filled[0] + SKETCH]):
        for empty in range(bin_ + 1, after):
            numbers[empty % SKETCH] = _short(least[after % SKETCH], after - empty)
    return array("I", numbers)


def _short(value: tuple[int, int], distance: int) -> int:
    return hash((*value, distance)) & 0xFFFFFFFF | 1
