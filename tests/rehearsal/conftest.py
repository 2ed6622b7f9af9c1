"""One emulator for the tests of this folder, and a scene in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import emulator_process
from rehearsal.client import Client
from rehearsal.emulator_process import Emulator, World
from tests.rehearsal.scene import DYNAMODB_LIST, LEGACY, MODEL, S3_LIST, Scene

JOB_SECONDS = 0.2

WORLD = World(
    account="111122223333",
    region="eu-central-1",
    job_seconds=JOB_SECONDS,
    base_models=(
        {
            "model_id": MODEL,
            "customizations": ["FINE_TUNING"],
            "active": True,
            "inference": ["on-demand", "provisioned"],
        },
        {
            "model_id": LEGACY,
            "customizations": ["FINE_TUNING"],
            "active": False,
            "inference": ["provisioned"],
        },
    ),
    prefix_lists={"s3": S3_LIST, "dynamodb": DYNAMODB_LIST},
    caller_needs_model_key=True,
)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A started emulator."""
    state: Path = tmp_path_factory.mktemp("emulator")
    running = emulator_process.start(state=state, world=WORLD, ends_with_parent=True)
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def root(emulator: Emulator) -> Client:
    """The emulated account's root."""
    return Client(
        endpoint=emulator.endpoint,
        ca_file=emulator.ca_file,
        region=WORLD.region,
        account=WORLD.account,
    )


@pytest.fixture(scope="session")
def sound(root: Client) -> Scene:
    """A sound scene; whoever changes it makes one of its own."""
    return Scene(client=root, job_seconds=JOB_SECONDS)


@pytest.fixture
def scene(root: Client) -> Scene:
    """A scene of a test's own, to spoil."""
    return Scene(client=root, job_seconds=JOB_SECONDS)
