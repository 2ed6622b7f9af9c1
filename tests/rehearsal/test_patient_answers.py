"""Who asks about one stack in progress hears when it is at rest; others are answered at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rehearsal.client import Client
from rehearsal.emulator_process import Emulator
from tests.rehearsal.test_function_interfaces import Place


@pytest.fixture
def going(root: Client, emulator: Emulator) -> Iterator[Place]:
    """A place whose function's stack is being deleted, until somebody lets its interfaces go."""
    place = Place(root, "patient")
    place.deploy(by="sees")
    pace = emulator.state / "interface-seconds"
    pace.write_text("3600", encoding="utf-8")
    place.cloudformation.delete_stack(StackName="patient-function")
    try:
        yield place
    finally:
        pace.unlink(missing_ok=True)


def test_an_answer_about_a_stack_in_progress_waits_for_its_rest(
    going: Place, emulator: Emulator
) -> None:
    # The twin: who asks about all stacks sees it in progress.
    (stack,) = (
        stack
        for stack in going.cloudformation.describe_stacks()["Stacks"]
        if stack["StackName"] == "patient-function"
    )
    assert stack["StackStatus"] == "DELETE_IN_PROGRESS"
    threading.Timer(0.5, (emulator.state / "interface-seconds").unlink).start()
    (stack,) = going.cloudformation.describe_stacks(StackName=stack["StackId"])["Stacks"]
    assert stack["StackStatus"] == "DELETE_COMPLETE"
    assert going.interfaces() == []
    assert going.delete("network") == (True, "")
