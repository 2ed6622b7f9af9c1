"""The log of model invocations: turned on and off, and never over what somebody else has set."""

from __future__ import annotations

import re
from typing import Any

from rehearsal import main_scenario
from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly

JOBS: Jobs = {"plain": {}}
"""Never deployed: the log belongs to the environment."""
_THEIRS = "somebody-elses"
_PART = "inference"
NEVER_OVERWRITTEN = re.compile(rf"to s3://\S+/{_THEIRS} already")


def _present(stage: Stage) -> dict[str, Any]:
    answer = stage.service("bedrock").get_model_invocation_logging_configuration()
    return dict(answer.get("loggingConfig") or {})


def invocation_logging(stage: Stage, assembly: Assembly) -> None:
    """Meet somebody's configuration, then none; turn ours on, and off again."""
    stack, bedrock = stage.stack(_PART), stage.service("bedrock")
    without = assembly.template(stack)
    stage.inference = {"invocation_logging": True}
    with_log = stage.synthesise(JOBS).template(stack)
    # Any bucket that is there will do: nothing is logged in a rehearsal.
    bucket = main_scenario.outputs(stage.client, stage.stack("storage"))["DataBucketName"]
    theirs = {
        "s3Config": {"bucketName": bucket, "keyPrefix": _THEIRS},
        "textDataDeliveryEnabled": True,
    }
    bedrock.put_model_invocation_logging_configuration(loggingConfig=theirs)
    found = stage.apply(stack, with_log)
    must(not found.ok, "a configuration of somebody else fails the stack", seen=found)
    told = " ".join(found.reasons)
    must(bool(NEVER_OVERWRITTEN.search(told)), "the stack says where it goes now", seen=found)
    must(_present(stage) == theirs, "it is left as it was", seen=_present(stage))
    bedrock.delete_model_invocation_logging_configuration()

    must(stage.apply(stack, with_log).ok, "without it the log is turned on")
    logs = _present(stage).get("cloudWatchConfig", {})
    group = f"/finetune/{stage.settings.environment}/invocations"
    must(logs.get("logGroupName") == group, "it goes to our log group", seen=logs)
    groups = stage.service("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    must(bool(groups) and bool(groups[0].get("kmsKeyId")), "which has a key", seen=groups)

    must(stage.apply(stack, without).ok, "it can be turned off")
    must(not _present(stage), "then nothing is logged", seen=_present(stage))
    must(stage.apply(stack, with_log).ok, "and on again")
    stage.inference = {}
    must(stage.apply(stack, without).ok, "and off again")
