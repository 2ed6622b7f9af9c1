"""`rehearse(...)`: what the command and tests call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from rehearsal import kept, main_scenario
from rehearsal.errors import NothingKeptError
from rehearsal.faults import catalogue
from rehearsal.faults.batch import FaultResult, run_faults
from rehearsal.layout import ROOT, STATE_HOME
from rehearsal.narration import Narration, Step
from rehearsal.scenarios import catalogue as scenarios
from rehearsal.scenarios.play import play
from rehearsal.session import Session, clear_abandoned, ended_by_signals
from rehearsal.world import world_of
from settings import load_settings

DEFAULT_SCENARIO = "main"
SCENARIOS = {
    DEFAULT_SCENARIO: "one job from data to a completed model, then everything destroyed",
    **{scenario.name: scenario.says for scenario in scenarios.SCENARIOS},
    scenarios.ALL: "every scenario but main, one after the other on one environment",
}
"""Scenarios by name, each with a sentence."""
CONFIG = ROOT / "config"


@dataclass(kw_only=True)
class Rehearsed:
    """What came of a rehearsal."""

    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)
    result: dict[str, object] = field(default_factory=dict)
    faults: list[FaultResult] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything was as it should be."""
        return all(fault.ok for fault in self.faults)


def rehearse(
    *,
    environment: str = "dev",
    scenario: str = DEFAULT_SCENARIO,
    faults: Sequence[str] = (),
    keep: bool = False,
    config: Path = CONFIG,
    console: Console | None = None,
) -> Rehearsed:
    """Run a scenario, or planted faults, on an emulator of one's own.

    Args:
        environment: settings file to rehearse.
        scenario: one of `SCENARIOS`; not used with `faults`.
        faults: names of planted faults, or `all`.
        keep: leave the emulator and the deployed stacks, and write how to reach them.
        config: folder of the settings.
        console: where progress goes; standard error when left out.

    Raises:
        SettingsError: the settings are wrong.
        RehearsalError: something failed that should not; faults that were not caught are in the
            result instead.
        KeyError: there is no such scenario or fault.
    """
    narration = Narration(console=console or Console(stderr=True))
    chosen = catalogue.named(faults)
    if scenario not in SCENARIOS:
        raise KeyError(scenario)
    settings = load_settings(environment=environment, directory=config)
    if keep:
        kept.refuse_second()
    STATE_HOME.mkdir(exist_ok=True)
    clear_abandoned()
    found = Rehearsed()
    with ended_by_signals(), Session(world=world_of(settings), keep=keep) as session:
        if chosen:
            found.faults = run_faults(
                session=session,
                settings=settings,
                config=config,
                faults=chosen,
                narration=narration,
            )
        elif scenario != DEFAULT_SCENARIO:
            found.result = play(
                session=session,
                settings=settings,
                config=config,
                scenarios=scenarios.named(scenario),
                narration=narration,
            )
        else:
            found.result = main_scenario.run(
                session=session, settings=settings, config=config, narration=narration
            )
        if keep and session.emulator is not None:
            person = main_scenario.engineer(client=session.client(), settings=settings)
            kept.write(person=person, pid=session.emulator.pid, state=session.state)
    found.seconds = round(narration.seconds, 1)
    found.steps = narration.steps
    return found


def end_kept() -> None:
    """End the kept rehearsal.

    Raises:
        NothingKeptError: there is none.
    """
    if not kept.end():
        raise NothingKeptError(
            "no rehearsal is kept", fix="start one with `finetune rehearse --keep`"
        )
