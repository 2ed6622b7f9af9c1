"""The scenarios by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rehearsal.scenarios import (
    data_changes,
    deletions,
    destruction,
    failures,
    invocation_logging,
    methods,
    network_changes,
    queueing,
    rollbacks,
    serving,
    serving_ends,
    sudden_ends,
    two_commands,
)
from rehearsal.scenarios.stage import Jobs, Stage
from rehearsal.toolkit import Assembly

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Something that happens to jobs, and what must come of it."""

    name: str
    says: str
    jobs: Jobs
    """Jobs of the settings it begins with."""
    play: Callable[[Stage, Assembly], None]
    """Raises RehearsalError when something is not as it should be."""
    serves: bool = False
    """Whether it deploys models: then the settings enable inference."""
    refusals: Sequence[re.Pattern[str]] = ()
    """What is refused in it on purpose; every pattern must be met, and nothing else be refused."""


SCENARIOS = (
    Scenario(
        name="changed-data",
        says="new data is a new job; the old model goes when the new one is there, or stays",
        jobs=data_changes.JOBS,
        play=data_changes.changed_data,
    ),
    Scenario(
        name="changed-subnet",
        says="one more subnet is no new job",
        jobs=network_changes.JOBS,
        play=network_changes.changed_subnet,
    ),
    Scenario(
        name="failed-job",
        says="a job that fails is announced, raises an alarm, and `finetune watch` ends with 1",
        jobs=failures.JOBS,
        play=failures.failed_job,
        refusals=(re.compile(r"worker nodes and leader node is broken"),),
    ),
    Scenario(
        name="rolled-back-update",
        says="an update that is rolled back stops its own job and leaves the old model",
        jobs=rollbacks.JOBS,
        play=rollbacks.rolled_back_update,
        refusals=(re.compile(r"The specified bucket does not exist: there-is-no-such-bucket"),),
    ),
    Scenario(
        name="delete-while-in-progress",
        says="a stack that is deleted stops its job and waits until its interfaces are gone",
        jobs=deletions.JOBS,
        play=deletions.delete_while_in_progress,
    ),
    Scenario(
        name="model-deleted-by-hand",
        says="a stack whose model somebody deleted before goes all the same",
        jobs=deletions.JOB_BY_HAND,
        play=deletions.model_deleted_by_hand,
    ),
    Scenario(
        name="twenty-jobs",
        says="twenty jobs with a limit of two: the deployment succeeds and all complete",
        jobs=queueing.JOBS,
        play=queueing.twenty_jobs,
    ),
    Scenario(
        name="methods",
        says="a model learns from a teacher, another by being rated, and one is trained further",
        jobs=methods.JOBS,
        play=methods.methods,
    ),
    Scenario(
        name="two-commands",
        says="from a table to a model with `finetune init` and `train`, killed in every phase",
        jobs=two_commands.JOBS,
        play=two_commands.two_commands,
    ),
    Scenario(
        name="on-demand",
        says="a model is deployed on demand, tested and asked; the same role elsewhere is denied",
        jobs=serving.ON_DEMAND,
        play=serving.on_demand,
        serves=True,
        refusals=(serving.DENIED_OUTSIDE,),
    ),
    Scenario(
        name="invocation-logging",
        says="the log of invocations is turned on and off, and never over somebody else's",
        jobs=invocation_logging.JOBS,
        play=invocation_logging.invocation_logging,
        serves=True,
        refusals=(invocation_logging.NEVER_OVERWRITTEN,),
    ),
    Scenario(
        name="provisioned",
        says="throughput is bought after its end is scheduled, tested, asked and given back",
        jobs=serving.PROVISIONED,
        play=serving.provisioned,
        serves=True,
    ),
    Scenario(
        name="throughput-ends",
        says="throughput goes at its end although its stack cannot take it away",
        jobs=serving_ends.JOBS,
        play=serving_ends.ends_by_its_schedule,
        serves=True,
        refusals=serving_ends.BROKEN_REMOVAL,
    ),
    Scenario(
        name="schedule-lost",
        says="throughput whose schedule somebody deleted goes at its end all the same",
        jobs=serving_ends.JOBS,
        play=serving_ends.ends_without_its_schedule,
        serves=True,
    ),
    Scenario(
        name="replaced-deployment",
        says="new data: the old deployment serves until the new one does",
        jobs=serving.REPLACED,
        play=serving.replaced,
        serves=True,
    ),
    Scenario(
        name="sudden-ends",
        says="every function of the follow-up, ended at each of its calls, comes to the same end",
        jobs=sudden_ends.JOBS,
        play=sudden_ends.sudden_ends,
        serves=True,
    ),
    # The last one: nothing is left to play on.
    Scenario(
        name="destroyed",
        says="`finetune destroy` takes all of it away, and `finetune leftovers` finds nothing",
        jobs=destruction.JOBS,
        play=destruction.destroyed,
        serves=True,
    ),
)
"""All of them, in the order of `--list` and of `all`; those that serve models come last."""


def named(name: str) -> tuple[Scenario, ...]:
    """The scenario of this name, or all of them for `all`.

    Raises:
        KeyError: there is no such scenario.
    """
    if name == ALL:
        return SCENARIOS
    return ({scenario.name: scenario for scenario in SCENARIOS}[name],)
