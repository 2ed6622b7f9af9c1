"""Models that are served after their training: deployed, tested, asked in private, replaced."""

from __future__ import annotations

import copy
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.client import Credentials
from rehearsal.scenarios.stage import TIMEOUT, Jobs, Stage, must
from rehearsal.scenarios.topic import Listener, Message
from rehearsal.toolkit import Assembly, Template

_TESTS = [{"prompt": "Which statement is too wide?", "contains": ["statement is too wide"]}]
_ON_DEMAND = {"deployment": {"kind": "on_demand", "smoke_tests": _TESTS}}
_JOB = "served"
ON_DEMAND: Jobs = {_JOB: _ON_DEMAND}
_BOUGHT = "bought"
PROVISIONED: Jobs = {_BOUGHT: {"deployment": {"kind": "provisioned", "smoke_tests": _TESTS}}}
_REPLACED = "replaced"
REPLACED: Jobs = {_REPLACED: {**_ON_DEMAND, "on_replace": "delete-model"}}
_OTHER_DATA = "other-data"
_SLOW_ENOUGH_TO_LOOK = 5.0
_ELSEWHERE = "rehearsal-elsewhere"
DENIED_OUTSIDE = re.compile(
    rf"invoker/{_ELSEWHERE} is not authorized to perform: bedrock:InvokeModel"
)
_WHO_IT_IS = """
import os
def handler(event, context):
    return [os.environ[f"AWS_{name}"] for name in
            ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
"""


def hears_of(listener: Listener, name: str, state: str) -> Message:
    """What the topic heard of a job in a state, when it was heard."""

    def wanted(message: Message) -> bool:
        return message.get("name") == name and message.get("state") == state

    return listener.wait_for(f"that {name} is {state}", wanted, timeout=TIMEOUT)[0]


def served(stage: Stage, job: str, listener: Listener) -> tuple[str, Message]:
    """Wait until a job's model is deployed, tested and announced; return the deployment's name."""
    name = stage.output(job, "JobName")
    stage.wait_for(name, "Completed")
    told = hears_of(listener, name, "Deployed")
    deployed = stage.output(job, "DeploymentName")
    must(told["deployment"]["name"] == deployed, "the topic hears what serves it", seen=told)
    must(
        told["smoke_tests"] is not None and told["smoke_tests"]["passed"] == len(_TESTS),
        "its smoke test passed",
        seen=told,
    )
    return deployed, told


def asks(stage: Stage, job: str, prompt: str) -> None:
    """Ask a job's model by `finetune try`, as a person of the settings."""
    code, said = stage.command("try", job, prompt, name=f"try-{job}")
    must(code == 0, "`finetune try` ends with 0", seen=(code, said))
    must(prompt in " ".join(said.split()), "`finetune try` prints an answer", seen=said)


def on_demand(stage: Stage, assembly: Assembly) -> None:
    """Train, deploy on demand, ask from inside and from elsewhere, and take all of it away."""
    with stage.listener() as listener:
        stage.deploy(assembly, [_JOB])
        deployed, told = served(stage, _JOB, listener)
        must(stage.deployments() == {deployed: "Active"}, "it serves", seen=stage.deployments())
        asks(stage, _JOB, "Who may read the data?")
        arn = told["deployment"]["arn"]
        must(denied_elsewhere(stage, arn), "the invoker's role is denied outside its endpoint")
        with _open_to_all_places(stage):
            must(not denied_elsewhere(stage, arn), "a policy without the endpoint is noticed")
        stage.delete([_JOB])
    must(not stage.deployments(), "it goes with its stack", seen=stage.deployments())
    must(not stage.models(), "and the model after it", seen=stage.models())


def provisioned(stage: Stage, assembly: Assembly) -> None:
    """Train, buy throughput by the hour, ask, and give it back with the stack."""
    with stage.listener() as listener:
        stage.deploy(assembly, [_BOUGHT])
        bought, _ = served(stage, _BOUGHT, listener)
        must(stage.throughputs() == {bought: "InService"}, "it serves", seen=stage.throughputs())
        must(stage.schedules() == [bought], "its end is scheduled", seen=stage.schedules())
        row = stage.deployment_row(bought)
        must("EndsAt" in row, "its end is written down", seen=row)
        asks(stage, _BOUGHT, "What does it cost?")
        stage.delete([_BOUGHT])
    must(not stage.throughputs(), "it goes with its stack", seen=stage.throughputs())
    must(not stage.models(), "and the model after it", seen=stage.models())
    stage.until("its schedule goes too", lambda: not stage.schedules())


def replaced(stage: Stage, assembly: Assembly) -> None:
    """Serve a model, train on other data, and see that one of the two serves all the time."""
    with stage.listener() as listener:
        stage.deploy(assembly, [_REPLACED])
        old, _ = served(stage, _REPLACED, listener)
        changed: Jobs = {_REPLACED: {**REPLACED[_REPLACED], "dataset": _OTHER_DATA}}
        stage.write_settings(changed)
        stage.push_other_data(_OTHER_DATA)
        stage.session.set_serving_pace(_SLOW_ENOUGH_TO_LOOK)
        stage.deploy(stage.synthesise(changed), [_REPLACED])
        new = stage.output(_REPLACED, "DeploymentName")
        must(new != old, "other data is another deployment", seen=new)
        seen: list[dict[str, str]] = []

        def is_replaced() -> bool:
            seen.append(stage.deployments())
            must("Active" in seen[-1].values(), "one of them serves", seen=seen[-3:])
            return seen[-1] == {new: "Active"}

        stage.until("the new one serves and the old one is gone", is_replaced)
        both = {old: "Active", new: "Creating"}
        must(both in seen, "the old one serves while the new one is made", seen=seen)
        served(stage, _REPLACED, listener)
        stage.delete([_REPLACED])
    stage.until("the old model goes", lambda: not stage.models())


# From elsewhere.


@contextmanager
def _open_to_all_places(stage: Stage) -> Iterator[None]:
    """Take the endpoint out of the policies that let models be invoked, and put it back."""
    changed: dict[str, Template] = {}
    for stack, template in stage.deployed.items():
        spoilt: Template = copy.deepcopy(template)
        for resource in spoilt.get("Resources", {}).values():
            if resource["Type"] != "AWS::IAM::ManagedPolicy":
                continue
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                if "bedrock:InvokeModel" in str(statement["Action"]) and any(
                    block.pop("aws:SourceVpce", None)
                    for block in statement.get("Condition", {}).values()
                ):
                    changed[stack] = spoilt
    must(bool(changed), "a policy says through which endpoint models are invoked")
    for stack, spoilt in changed.items():
        must(stage.apply(stack, _without_empty_conditions(spoilt)).ok, f"{stack} can be changed")
    try:
        yield
    finally:
        restored = [stage.apply(stack, stage.deployed[stack]) for stack in changed]
    must(all(found.ok for found in restored), "the policy can be put right", seen=restored)


def _without_empty_conditions(template: Template) -> Template:
    for resource in template["Resources"].values():
        document = resource.get("Properties", {}).get("PolicyDocument", {})
        for statement in document.get("Statement", []):
            if "Condition" in statement:
                kept = {name: keys for name, keys in statement["Condition"].items() if keys}
                statement["Condition"] = kept
                if not kept:
                    del statement["Condition"]
    return template


def denied_elsewhere(stage: Stage, arn: str) -> bool:
    """Whether the invoker's role, held by a function outside the VPC, is denied an answer."""
    functions = stage.service("lambda")
    role = functions.get_function_configuration(FunctionName=stage.stack("invoker"))["Role"]
    functions.create_function(
        FunctionName=_ELSEWHERE,
        Runtime="python3.11",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": _zipped(_WHO_IT_IS)},
    )
    try:
        held = functions.invoke(FunctionName=_ELSEWHERE)["Payload"].read()
        key, secret, token = json.loads(held)
        somebody = Credentials(access_key=key, secret_key=secret, session_token=token)
        runtime = stage.client.acting_as(somebody).service("bedrock-runtime")
        return _is_denied(runtime, arn)
    finally:
        functions.delete_function(FunctionName=_ELSEWHERE)


def _is_denied(runtime: Any, arn: str) -> bool:  # noqa: ANN401 - boto3's clients are untyped here
    question = {"role": "user", "content": [{"text": "Who may read the data?"}]}
    try:
        runtime.converse(modelId=arn, messages=[question])
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == "AccessDeniedException")
    return False


def _zipped(code: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("index.py", code)
    return made.getvalue()
