"""The app without the gates it must pass: `python -m rehearsal.without_gates`, run by the CDK CLI.

What a scenario deploys was judged before, and its variants differ in jobs, data and zones: the nag
packs would take most of a scenario's time. Templates differ in the packs' metadata alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rehearsal.layout import ROOT

# The app's own source roots, as `python app.py` has them.
sys.path[:0] = [str(ROOT), str(ROOT / "constructs"), str(ROOT / "lambda")]
# CloudFormation's built-in validation is a gate, too; it is set when the CDK is loaded.
os.environ["CDK_VALIDATION"] = "false"


def main() -> int:
    """Synthesise what `app.py` does, and return the exit code."""
    import app  # noqa: PLC0415 - after the environment is as it must be

    made = app.new_app()
    app.build_app(made, directory=Path(os.environ["FINETUNE_CONFIG"]), gates=False)
    made.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
