"""What the app's templates would deploy, with the settings they were made from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from review.template.deployment import Deployment, Template
from settings import Settings


@dataclass(frozen=True, kw_only=True)
class AppDeployment(Deployment):
    """The stacks of one environment of this app."""

    settings: Settings

    @cached_property
    def training_cidrs(self) -> dict[str, str]:
        """The range of the training subnet of each zone, by zone letter."""
        return self._slots(self.settings.network.training_zones, first=0)

    @cached_property
    def service_cidrs(self) -> dict[str, str]:
        """The range of the service subnet of each zone, by zone letter."""
        return self._slots(self.settings.network.service_zones, first=16)

    def _slots(self, zones: Sequence[str], *, first: int) -> dict[str, str]:
        slots = _slots(self.settings.network.cidr)
        return {zone: slots[first + ord(zone) - ord("a")] for zone in zones}

    def plus(self, part: str, type_: str, **properties: object) -> AppDeployment:
        """A copy with one resource more, in the stack of one part of the environment."""
        stack = f"finetune-{self.settings.environment}-{part}"

        def change(templates: dict[str, Template]) -> None:
            templates[stack]["Resources"]["Added00000000"] = {
                "Type": type_,
                "Properties": properties,
            }

        return self.changed(change)


@cache
def _slots(cidr: str) -> list[str]:
    """The 32 equal parts of the VPC's range, among which each zone letter has its places."""
    return [str(part) for part in ipaddress.ip_network(cidr).subnets(prefixlen_diff=5)]
