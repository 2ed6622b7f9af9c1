"""Step Functions: what a state machine does, it does in the name of its role.

MiniStack calls functions and topics whoever's role a machine has, whatever trust, key and logs that
role may use, and tells nobody of an execution that failed. Integrations whose rights the rehearsal
does not know are refused.
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, kms, lambda_svc, sns, stepfunctions

from rehearsal.emulator import data_encryption, principals, refusals
from rehearsal.emulator.cloudformation.handlers import Properties, RefusedError, after, before
from rehearsal.emulator.decisions import why_denied

_TYPE = "AWS::StepFunctions::StateMachine"
_SERVICE = "states.amazonaws.com"
_LOGS_ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
"""https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html"""
_KEY_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
_PUBLISH = "states:::sns:publish"

_original_invoke = stepfunctions._invoke_resource
_original_run = stepfunctions._run_execution
_original_fail = stepfunctions._fail_execution
_execution: contextvars.ContextVar[str] = contextvars.ContextVar("execution")
"""ARN of the execution that a thread works for."""


def _machine() -> Mapping[str, Any]:
    execution = stepfunctions._executions.get(_execution.get())
    machine: Mapping[str, Any] = stepfunctions._state_machines.get(execution["stateMachineArn"])
    return machine


def _key_keys(machine_arn: str) -> dict[str, str]:
    return {
        "kms:ViaService": f"states.{get_region()}.amazonaws.com",
        "kms:CallerAccount": get_account_id(),
        "kms:EncryptionContext:aws:states:stateMachineArn": machine_arn,
    }


def why_key_denies(*, role: principals.Caller, key: str | None, machine_arn: str) -> str | None:
    """Why a role may not use a machine's key, None when it may or there is none."""
    record = kms._resolve_key(key)
    if record is None:
        return f"the key {key} does not exist" if key else None
    for action in _KEY_ACTIONS:
        denied = why_denied(
            caller=role, action=action, resource=record["Arn"], keys=_key_keys(machine_arn)
        )
        if denied:
            return denied
    return None


def _trusts(role_arn: str, machine_arn: str) -> bool:
    keys = {"aws:SourceAccount": get_account_id(), "aws:SourceArn": machine_arn}
    return principals.trusts_service(role_arn=role_arn, service=_SERVICE, keys=keys)


def _session(machine: Mapping[str, Any]) -> principals.Caller:
    """A session of a machine's role.

    Raises:
        _ExecutionError: Step Functions may not assume it (any more).
    """
    if not _trusts(machine["roleArn"], machine["stateMachineArn"]):
        raise _refused(
            "States.Runtime", f"{_SERVICE} is not authorized to assume {machine['roleArn']}"
        )
    return principals.session_of_role(role_arn=machine["roleArn"], session_name="execution")


def _refused(error: str, cause: str) -> Exception:
    refusals.record(where="state machine", reason=cause)
    made: Exception = stepfunctions._ExecutionError(error, cause)
    return made


def _invoke(resource: str, input_data: Any) -> Any:
    """Call what a task names, in the name of the machine's role."""
    machine = _machine()
    role = _session(machine)
    key = (machine.get("encryptionConfiguration") or {}).get("kmsKeyId")
    denied = why_key_denies(role=role, key=key, machine_arn=machine["stateMachineArn"])
    if denied:
        raise _refused("States.Runtime", denied)
    if resource.endswith(_PUBLISH):
        _check_topic(role, str(input_data.get("TopicArn")))
    elif resource.endswith("states:::lambda:invoke"):
        _check_function(role, str(input_data.get("FunctionName")))
    elif ":lambda:" in resource and ":function:" in resource:
        _check_function(role, resource)
    else:
        raise _refused("States.Runtime", f"the rehearsal does not know what rights {resource} asks")
    return _original_invoke(resource, input_data)


def _check_function(role: principals.Caller, reference: str) -> None:
    _, config, _ = lambda_svc._get_func_record_for_ref(reference)
    if not config:
        # Whether it is there is told by who calls it.
        return
    denied = why_denied(
        caller=role, action="lambda:InvokeFunction", resource=config["FunctionArn"], keys={}
    )
    if denied:
        raise _refused("Lambda.AWSLambdaException", denied)


def _check_topic(role: principals.Caller, topic: str) -> None:
    denied = why_denied(caller=role, action="sns:Publish", resource=topic, keys={})
    if denied:
        raise _refused("SNS.AuthorizationErrorException", denied)
    denied = data_encryption.why_topic_key_denies(caller=role, topic_arn=topic)
    if denied:
        raise _refused("SNS.KmsAccessDeniedException", denied)
    if topic not in sns._topics:
        raise _refused("SNS.NotFoundException", f"the topic {topic} does not exist")


def _run(execution_arn: str) -> None:
    _execution.set(execution_arn)
    _original_run(execution_arn)


def _fail(execution: dict[str, Any], error: str, cause: str) -> None:
    """Note an execution that failed: on AWS an alarm would."""
    refusals.record(
        where="state machine", reason=f"{execution['executionArn']} failed: {error}: {cause}"
    )
    _original_fail(execution, error, cause)


def _check_machine(logical_id: str, properties: Properties, stack_name: str) -> None:
    """What Step Functions looks at when a machine is made or changed.

    Raises:
        RefusedError: its role is not trusted, or may not log or use the key.
    """
    name = properties.get("StateMachineName") or f"{stack_name}-{logical_id}"
    arn = f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:{name}"
    role_arn = str(properties.get("RoleArn"))
    if not _trusts(role_arn, arn):
        raise _denied(
            f"Neither the global service principal {_SERVICE}, nor the regional one is authorized "
            f"to assume the provided role: {role_arn}"
        )
    role = principals.session_of_role(role_arn=role_arn, session_name="states-check")
    _check_logs(role, properties.get("LoggingConfiguration") or {})
    encryption = properties.get("EncryptionConfiguration") or {}
    denied = why_key_denies(role=role, key=encryption.get("KmsKeyId"), machine_arn=arn)
    if denied:
        raise _denied(denied)


def _check_logs(role: principals.Caller, logging_: Mapping[str, Any]) -> None:
    if logging_.get("Level", "OFF") == "OFF":
        return
    for action in _LOGS_ACTIONS:
        denied = why_denied(caller=role, action=action, resource="*", keys={})
        if denied:
            raise _denied(
                "The state machine IAM Role is not authorized to access the Log Destination: "
                f"{denied}"
            )
    for destination in logging_.get("Destinations") or []:
        group = str((destination.get("CloudWatchLogsLogGroup") or {}).get("LogGroupArn"))
        group_name = group.removesuffix(":*").partition(":log-group:")[2]
        if not group.endswith(":*") or group_name not in cloudwatch_logs._log_groups:
            raise _denied(
                f"The Log Destination {group} does not exist, or its ARN does not end with `:*`"
            )


def _keep_logging(arn: str, properties: Properties) -> None:
    """Store where a machine logs in the API's words and not in the template's."""
    given = properties.get("LoggingConfiguration")
    if not given:
        return
    machine = stepfunctions._state_machines[arn]
    machine["loggingConfiguration"] = {
        "level": given.get("Level", "OFF"),
        "includeExecutionData": str(given.get("IncludeExecutionData", False)).lower() == "true",
        "destinations": [
            {"cloudWatchLogsLogGroup": {"logGroupArn": group["LogGroupArn"]}}
            for destination in given.get("Destinations") or []
            for group in [destination["CloudWatchLogsLogGroup"]]
        ],
    }


def _denied(text: str) -> RefusedError:
    refusals.record(where="cloudformation", reason=text)
    return RefusedError(text)


def install() -> None:
    """Let machines act this way from now on."""
    before(_TYPE, _check_machine)
    after(_TYPE, _keep_logging)
    stepfunctions._invoke_resource = _invoke
    stepfunctions._run_execution = _run
    stepfunctions._fail_execution = _fail
