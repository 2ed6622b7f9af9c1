"""The emulated account, as an environment's settings need it."""

from __future__ import annotations

from rehearsal.emulator_process import World
from rehearsal.errors import RehearsalError
from settings import Settings, foundation_models
from settings.prefix_lists import prefix_lists

ACCOUNT = "0" * 12
"""Stands for "some account" where the settings name none."""
JOB_SECONDS = 4.0


def world_of(settings: Settings, *, job_seconds: float = JOB_SECONDS) -> World:
    """The account and Region of `settings`, with the base models that are in that Region.

    Raises:
        RehearsalError: nobody knows the Region's prefix lists.
    """
    network = settings.network
    table = prefix_lists().get(settings.region, {})
    lists = {
        "s3": network.s3_prefix_list_id or table.get("s3"),
        "dynamodb": network.dynamodb_prefix_list_id or table.get("dynamodb"),
    }
    missing = [service for service, identifier in lists.items() if not identifier]
    if missing:
        raise RehearsalError(
            f"no prefix list is known for {', '.join(missing)} in {settings.region}",
            fix="set `network.s3_prefix_list_id` and `network.dynamodb_prefix_list_id`",
        )
    return World(
        account=settings.account or ACCOUNT,
        region=settings.region,
        job_seconds=job_seconds,
        base_models=tuple(
            {
                "model_id": model.id,
                "customizations": list(model.methods),
                "active": model.state in ("active", "unchecked"),
                "inference": list(model.inference),
            }
            for model in foundation_models().values()
            if settings.region in model.regions
        ),
        prefix_lists={service: str(identifier) for service, identifier in lists.items()},
        caller_needs_model_key=settings.keys.submitter_uses_model_key,
    )
