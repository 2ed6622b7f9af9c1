"""Ids of standards and of other tools' checks that ask for the same kind of thing.

The ids of HIPAA, PCI DSS and NIST are those that AWS maps to the Config rule of the same kind, as
the packs of cdk-nag carry them; of NIST's long lists the ones that are about the thing itself. The
PCI DSS packs speak of version 3.2.1. Prowler's and Datadog's ids were looked up one by one; where
none applies there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Standards = Mapping[str, tuple[str, ...]]

HIPAA: Final = "HIPAA Security Rule"
PCI: Final = "PCI DSS 3.2.1"
NIST: Final = "NIST 800-53 R5"
LENS: Final = "Well-Architected Generative AI Lens"
PROWLER: Final = "Prowler"
DATADOG: Final = "Datadog"

PRIVATE_NETWORK: Final[Standards] = {
    HIPAA: ("164.312(a)(1)", "164.312(e)(1)"),
    PCI: ("1.2.1", "1.3", "1.3.1", "1.3.2", "1.3.4", "1.3.6"),
    NIST: ("AC-4(21)", "SC-7b", "SC-7(3)", "SC-7(11)"),
    LENS: ("GENSEC01-BP02",),
}
PRIVATE_STORE: Final[Standards] = {
    HIPAA: ("164.312(a)(1)", "164.312(e)(1)"),
    PCI: ("1.2.1", "1.3", "1.3.1", "1.3.2", "1.3.4", "1.3.6"),
    NIST: ("AC-3", "AC-3(7)", "AC-4(21)", "AC-6"),
}
ENCRYPTED: Final[Standards] = {
    HIPAA: ("164.312(a)(2)(iv)", "164.312(e)(2)(ii)"),
    PCI: ("3.4", "8.2.1"),
    NIST: ("SC-13a", "SC-28(1)"),
}
TLS: Final[Standards] = {
    HIPAA: ("164.312(e)(1)", "164.312(e)(2)(i)"),
    PCI: ("4.1", "8.2.1"),
    NIST: ("SC-8", "SC-8(1)", "SC-23"),
}
KEPT: Final[Standards] = {
    HIPAA: ("164.308(a)(7)(i)", "164.308(a)(7)(ii)(A)", "164.312(c)(1)"),
    PCI: ("10.5.3",),
    NIST: ("CP-9a", "CP-10", "SI-13(5)"),
}
LOGGED: Final[Standards] = {
    HIPAA: ("164.308(a)(3)(ii)(A)", "164.312(b)"),
    PCI: ("10.1", "10.3.1", "10.3.2", "10.3.3", "10.3.4", "10.3.5", "10.3.6"),
    NIST: ("AU-2b", "AU-3a", "AU-12a", "AU-12c", "SI-4(17)"),
}
LEAST_PRIVILEGE: Final[Standards] = {
    HIPAA: ("164.308(a)(3)(i)", "164.308(a)(4)(ii)(B)", "164.312(a)(1)"),
    PCI: ("7.1.2", "7.1.3", "7.2.1", "7.2.2"),
    NIST: ("AC-3", "AC-6", "AC-6(3)"),
}
KEY_MANAGEMENT: Final[Standards] = {
    PCI: ("3.5", "3.6", "3.6.4"),
    NIST: ("SC-12", "SC-12(2)", "SC-12(6)"),
}


def also(standards: Standards, **tools: tuple[str, ...] | str) -> Standards:
    """Standards together with ids of tools: `prowler=`, `datadog=`."""
    names = {"prowler": PROWLER, "datadog": DATADOG}
    more = {names[tool]: (ids,) if isinstance(ids, str) else ids for tool, ids in tools.items()}
    return {**standards, **more}
