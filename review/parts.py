"""The parts of a review, known without loading what does them: help must not wait for that."""

from typing import Final, Literal, get_args

Part = Literal["structure", "decisions", "proofs", "access", "packs"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
