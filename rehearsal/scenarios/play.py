"""Playing scenarios, one after the other, on one deployed environment."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from rehearsal import main_scenario
from rehearsal.errors import RehearsalError
from rehearsal.narration import Narration
from rehearsal.scenarios.catalogue import Scenario
from rehearsal.scenarios.stage import Stage
from rehearsal.session import Session
from rehearsal.toolkit import Assembly
from settings import Settings

_SETTLES = 20.0
USUAL_PACE = 1.0
"""Seconds a job takes, where a scenario does not say otherwise."""


def check_refusals(*, expected: Sequence[re.Pattern[str]], refused: Sequence[str]) -> None:
    """Compare what was refused with what had to be.

    Raises:
        RehearsalError: something else was refused, or something was not.
    """
    others = [
        reason for reason in refused if not any(pattern.search(reason) for pattern in expected)
    ]
    if others:
        raise RehearsalError(
            f"{len(others)} calls were refused that should not be",
            fix="allow the calls, or do not make them",
            reasons=tuple(others),
        )
    for pattern in expected:
        if not any(pattern.search(reason) for reason in refused):
            raise RehearsalError(
                f"nothing was refused for the reason /{pattern.pattern}/",
                fix="the scenario does not do what it says: look at its module",
            )


def play(
    *,
    session: Session,
    settings: Settings,
    config: Path,
    scenarios: Sequence[Scenario],
    narration: Narration,
) -> dict[str, object]:
    """Deploy an environment, play the scenarios in it, destroy it, and see that nothing is left.

    Returns:
        What there is to say in the JSON object.

    Raises:
        RehearsalError: the first thing that is not as it should be.
    """
    stage = Stage.prepare(session=session, settings=settings, config=config, narration=narration)
    first = scenarios[0]
    stage.serves = first.serves
    stage.write_settings(first.jobs)
    session.set_pace(USUAL_PACE)
    client, assembly = main_scenario.prepare(
        session=session,
        environment_name=settings.environment,
        config=stage.config,
        narration=narration,
        gates=False,
    )
    shared, _ = main_scenario.split(assembly, settings)
    with narration.step(f"cdk deploy: {len(shared)} stacks"):
        session.toolkit.deploy(client=client, assembly=assembly, stacks=shared)
    stage.deployed = {stack: assembly.template(stack) for stack in shared}
    with narration.step("data pushed by an uploader"):
        stage.push_data()
    played = []
    for scenario in scenarios:
        if scenario.serves and not stage.serves:
            stage.serves = True
            assembly = stage.synthesise(scenario.jobs)
            shared, _ = main_scenario.split(assembly, settings)
            with narration.step("cdk deploy: inference enabled"):
                session.toolkit.deploy(client=client, assembly=assembly, stacks=shared)
            stage.deployed = {stack: assembly.template(stack) for stack in shared}
        began = time.monotonic()
        with narration.step(scenario.name):
            _play(
                scenario=scenario,
                stage=stage,
                assembly=assembly if scenario is first else stage.synthesise(scenario.jobs),
            )
        seconds = round(time.monotonic() - began, 1)
        played.append({"name": scenario.name, "seconds": seconds})
    if not session.keep:
        _leave_nothing(stage=stage, assembly=assembly, shared=shared)
        if stage.serves:
            # The main scenario deploys nothing that serves. At the end: some are read by a Delete.
            main_scenario.check_properties(session=session, assembly=assembly)
    return {"scenarios": played}


def _play(*, scenario: Scenario, stage: Stage, assembly: Assembly) -> None:
    before = len(stage.session.refusals())
    stage.session.set_pace(USUAL_PACE)
    scenario.play(stage, assembly)
    refused = [refusal.reason for refusal in stage.session.refusals(since=before)]
    check_refusals(expected=scenario.refusals, refused=refused)
    left: dict[str, list[str]] = {}

    def nothing_is_left() -> bool:
        left["jobs"] = [
            name for name in stage.jobs() if stage.status(name) in ("InProgress", "Stopping")
        ]
        left["models"], left["interfaces"] = stage.models(), stage.interfaces()
        left["deployments"] = [*stage.deployments(), *stage.throughputs()]
        return not any(left.values())

    # Interfaces go a moment after their job has ended.
    try:
        stage.until(f"{scenario.name} leaves nothing", nothing_is_left, timeout=_SETTLES)
    except RehearsalError as error:
        raise RehearsalError(
            f"{scenario.name} leaves something",
            fix="end what the scenario began",
            reasons=tuple(f"{kind}: {', '.join(names)}" for kind, names in left.items() if names),
        ) from error


def _leave_nothing(*, stage: Stage, assembly: Assembly, shared: Sequence[str]) -> None:
    before = len(stage.session.refusals())
    client, narration = stage.client, stage.narration
    if stage.is_deployed():
        with narration.step("buckets emptied by an administrator"):
            main_scenario.empty_buckets(client=client, settings=stage.settings)
        with narration.step("cdk destroy"):
            stage.session.toolkit.destroy(client=client, assembly=assembly, stacks=shared)
    with narration.step("left behind: nothing"):
        main_scenario.check_nothing_left(client=client, settings=stage.settings)
    refused = [refusal.reason for refusal in stage.session.refusals(since=before)]
    check_refusals(expected=(), refused=refused)
