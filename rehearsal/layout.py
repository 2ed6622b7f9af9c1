"""Where things are: the repository, and the folder of one rehearsal."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The repository."""
STATE_HOME = ROOT / ".rehearsal"
"""Folder of all rehearsals; git ignores it."""
KEPT_FILE = STATE_HOME / "env.json"
"""How to reach a kept rehearsal: endpoint, CA file, credentials, Region."""
