"""What a review has seen on its way, kept for those who want to read how it came to its verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from review.decisions.run import Asked
from review.findings import Finding
from review.proofs.baseline import Baseline
from review.proofs.proof import Proof
from review.rules import Profile
from review.template.deployment import Deployment


@dataclass(kw_only=True)
class Record:
    """The steps of one review; a part that was not asked for leaves its own empty."""

    deployment: Deployment
    profile: Profile
    asked: list[Asked] = field(default_factory=list)
    """Decisions, as the table has them in order."""
    proofs: list[Proof] = field(default_factory=list)
    baseline: Baseline | None = None
    """What the access was compared with."""
    baseline_file: Path | None = None
    access: list[Finding] = field(default_factory=list)
    """What is allowed that was not approved, and the other way round."""
