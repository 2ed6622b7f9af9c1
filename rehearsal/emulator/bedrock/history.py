"""What became of jobs, for those who judge a rehearsal, and how fast jobs are."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rehearsal.bedrock_semantics.service import Bedrock
from rehearsal.emulator.bedrock.records import Job


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long something takes: what the file says now, or else what it takes as a rule."""

    seconds: float
    file: Path

    def now(self) -> float:
        """Seconds that what starts now takes."""
        try:
            return float(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return self.seconds

    def says(self, word: str) -> bool:
        """Whether the file holds a word in the place of a number."""
        try:
            return self.file.read_text(encoding="utf-8").strip() == word
        except OSError:
            return False


@dataclass(frozen=True, kw_only=True)
class History:
    """Every start and end of a job, with how many were in progress right after it.

    Bedrock counts a job that is stopping, too. The emulator writes this down itself: what the app
    keeps of its jobs is what is being judged.
    """

    bedrock: Bedrock
    file: Path

    def note(self, job: Job) -> None:
        """Write a line."""
        with self.bedrock.lock:
            running = len(self.bedrock.running())
            line = {
                "at": round(time.time(), 3),
                "job": job.name,
                "status": job.status,
                "in_progress": running,
            }
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
