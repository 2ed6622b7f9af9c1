"""`python -m review.guard_hook OUT.zip`: writes the archive of rules for the Guard Hook."""

import sys
from pathlib import Path

from review.guard_hook import TEMPLATE, package


def main(arguments: list[str]) -> int:
    """Write the archive and say what to do with it; 2 for wrong use."""
    if len(arguments) != 1:
        print("usage: python -m review.guard_hook OUT.zip", file=sys.stderr)
        return 2
    file = Path(arguments[0])
    try:
        names = package(file)
    except (OSError, ValueError) as error:
        print(f"{file} was not written: {error}", file=sys.stderr)
        return 2
    print(f"{file}: {len(names)} files of rules; deploy {TEMPLATE.name} as docs/guard-hook.md says")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
