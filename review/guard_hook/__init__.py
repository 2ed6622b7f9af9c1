"""Our Guard rules as a package that CloudFormation runs before every deployment of an account.

https://docs.aws.amazon.com/cloudformation-cli/latest/hooks-userguide/guard-hooks.html
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

RULES: Final = Path(__file__).resolve().parents[1] / "guard"
TEMPLATE: Final = Path(__file__).with_name("hook.yaml")
_ANY_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The same rules make the same file, whenever and wherever it is made."""


def rule_files() -> list[Path]:
    """The rules, by name."""
    return sorted(RULES.glob("*.guard"))


def package(file: Path) -> list[str]:
    """Write the rules into one archive, as a Guard Hook takes them.

    Args:
        file: The archive; its name has to end with `.zip`.

    Returns:
        The names of the files in it.

    Raises:
        ValueError: The name ends otherwise, which CloudFormation refuses.
    """
    if file.suffix != ".zip":
        raise ValueError(f"a Guard Hook takes rules from a .zip, got {file.name!r}: name it so")
    names = []
    with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for rule in rule_files():
            entry = zipfile.ZipInfo(rule.name, date_time=_ANY_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, rule.read_bytes())
            names.append(rule.name)
    return names
