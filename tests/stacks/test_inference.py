"""What follows a completed job: who may deploy, remove and call models, and what watches them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from bedrock_finetuning import dashboard, deployer
from bedrock_finetuning.dashboard import dashboard_body
from bedrock_finetuning.naming import Names
from customization.calls import (
    COMPLETION_CHECK_CALLS,
    DELETION_CALLS,
    EVERY_CALL,
    FOLLOWER_CALLS,
    INVOKER_CALLS,
    LOGGING_CALLS,
    REPORT_CALLS,
    STARTING_CALLS,
    actions,
)
from deployments import metrics
from deployments.wish import RESOURCE_TYPE, Wish
from follow_up.definition import definition
from follower import announcement
from review.template.policies import Grant
from settings.cost import (
    ALARM_METRICS,
    INFERENCE_ALARM_METRICS,
    INFERENCE_DASHBOARDS,
    INFERENCE_ENDPOINTS,
    INTERFACE_ENDPOINTS,
)
from tests.security.app_deployment import AppDeployment
from tests.security.control import role_grants
from tests.security.synthesis import VALUES, WITH_INFERENCE
from training_metrics import publish

Maker = Callable[[Mapping[str, Any]], AppDeployment]

ACCOUNT = "111122223333"
PREFIX = "finetune-test-us-east-1"
OURS = ("StringEquals", "aws:ResourceTag/finetune:environment", ("test",))
TAGGED_OURS = ("StringEquals", "aws:RequestTag/finetune:environment", ("test",))
SERVED = {
    f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model-deployment/*",
    f"arn:aws:bedrock:us-east-1:{ACCOUNT}:provisioned-model/*",
}
FUNCTIONS = ("submitter", "completion-check", "follower", "deployer", "model-report", "invoker")
NEW_TYPES = {
    "AWS::CloudWatch::Dashboard",
    "AWS::Scheduler::ScheduleGroup",
    RESOURCE_TYPE,
}
MANAGED = "AWS::IAM::ManagedPolicy"
ROLE = "AWS::IAM::Role"
ENDPOINT = "AWS::EC2::VPCEndpoint"
MACHINE = "AWS::StepFunctions::StateMachine"
FUNCTION = "AWS::Lambda::Function"
KEY = "AWS::KMS::Key"
FOLLOW_UP = {"StateMachineName": "finetune-test-follow-up"}


@pytest.fixture(scope="session")
def inferring(variant: Maker) -> AppDeployment:
    return variant(WITH_INFERENCE)


@pytest.fixture(scope="session")
def otherwise(variant: Maker) -> AppDeployment:
    """The other side of every setting about inference, and a commitment; nobody may invoke."""
    people = {key: each for key, each in VALUES["people"].items() if key != "invokers"}
    committed = {
        **WITH_INFERENCE["jobs"]["bought"],
        "deployment": {
            "kind": "provisioned",
            "commitment": "OneMonth",
            "accept_commitment_cost": True,
        },
    }
    return variant(
        {
            "people": people,
            "inference": {"enabled": True, "reap_minutes": 7},
            "keys": {"throughput": "documented", "deployer_uses_model_key": False},
            "storage": {"retain": False},
            "jobs": {"bought": committed},
        }
    )


@pytest.fixture(scope="session")
def waiting(variant: Maker) -> AppDeployment:
    """Inference before the first deployment, and Bedrock itself kept from the model key."""
    return variant({"inference": {"enabled": True}, "keys": {"throughput": "none"}})


def role_of(purpose: str) -> str:
    return f"{PREFIX}-{purpose}"


def said_by(deployment: AppDeployment, purpose: str) -> set[Grant]:
    return role_grants(deployment, role_of(purpose))


def conditions_of(deployment: AppDeployment, purpose: str, action: str) -> set[object]:
    return {each.conditions for each in said_by(deployment, purpose) if each.action == action}


# --- only where the settings ask for it


def test_an_environment_without_inference_has_none_of_it(variant: Maker) -> None:
    plain = variant({})

    assert NEW_TYPES.isdisjoint(resource.type for resource in plain.resources)
    assert plain.where(MACHINE, **FOLLOW_UP) == []
    assert not [each for each in plain.of_type(ENDPOINT) if "runtime" in str(each["ServiceName"])]
    assert "finetune-test-inference" not in plain.templates


def test_inference_can_stand_before_the_first_deployment(waiting: AppDeployment) -> None:
    assert "finetune-test-inference" in waiting.templates
    assert waiting.of_type(RESOURCE_TYPE) == []


def test_the_stack_comes_before_the_jobs_and_after_their_permissions(
    inferring: AppDeployment,
) -> None:
    before = inferring.dependencies

    for job in ("review", "bought"):
        assert "finetune-test-inference" in before[f"finetune-test-job-{job}"]
    assert {"finetune-test-access", "finetune-test-engine"} <= set(
        before["finetune-test-inference"]
    )


def test_what_removes_deployments_cannot_go_while_a_job_wants_one(
    inferring: AppDeployment,
) -> None:
    """CloudFormation refuses to delete a stack whose exports others import."""
    importing = {
        name
        for name, template in inferring.templates.items()
        if "finetune-test-inference:" in json.dumps(template)
    }

    assert {"finetune-test-job-review", "finetune-test-job-bought"} <= importing
    assert "finetune-test-job-plain" not in importing


def test_what_deploys_cannot_lose_its_roles_topic_or_queue(inferring: AppDeployment) -> None:
    """So `inference.enabled: false` fails at the first stack, before anything is taken away."""
    template = json.dumps(inferring.templates["finetune-test-inference"])

    for stack in ("identity", "encryption", "network", "engine"):
        assert f'"finetune-test-{stack}:' in template


# --- what a job asks for


def wishes(deployment: AppDeployment) -> dict[str, Wish]:
    """The wishes as the submitter will read them, with a stand-in for the job's name."""
    found = {}
    for resource in deployment.of_type(RESOURCE_TYPE):
        job = str(resource["Job"])
        stand_in = f"test-{job}-{'0' * 16}"
        found[job] = Wish.from_properties({**resource.properties, "JobName": stand_in})
    return found


def test_each_kind_of_deployment_reaches_the_submitter(inferring: AppDeployment) -> None:
    found = wishes(inferring)

    assert set(found) == {"review", "bought"}
    assert (found["review"].kind.value, found["review"].hours) == ("on_demand", None)
    (test,) = json.loads(found["review"].smoke_tests)
    assert (test["prompt"], test["contains"]) == ("What is it about?", ["policy"])
    bought = found["bought"]
    assert (bought.kind.value, bought.model_units, bought.hours) == ("provisioned", 2, 4)
    assert bought.commitment is None
    assert bought.tags == {"team": "legal"}


def test_a_commitment_ends_by_itself(otherwise: AppDeployment) -> None:
    wish = wishes(otherwise)["bought"]

    assert (wish.commitment, wish.hours) == ("OneMonth", None)


def test_a_deployment_names_its_job_and_so_goes_first(inferring: AppDeployment) -> None:
    for template in inferring.templates.values():
        for raw in template["Resources"].values():
            if raw["Type"] == RESOURCE_TYPE:
                (job,) = raw["Properties"]["JobName"].values()
                assert template["Resources"][job]["Type"] == "Custom::BedrockModelCustomizationJob"


# --- who may do what


@pytest.mark.parametrize("purpose", FUNCTIONS)
def test_a_function_may_do_what_its_code_calls_and_no_more(
    inferring: AppDeployment, purpose: str
) -> None:
    said = {
        grant.action
        for grant in said_by(inferring, purpose)
        if grant.action.split(":")[0] not in {"kms", "logs", "sqs", "ec2"}
    }
    called = set(actions(EVERY_CALL[purpose.replace("-", "_")]))
    if purpose == "deployer":
        # Only where model invocations are logged.
        called -= set(actions(LOGGING_CALLS, prefix="bedrock"))
    looks = {"ec2:DescribeNetworkInterfaces"} if purpose == "completion-check" else set()

    # The deployer looks at models too, so that a refusal can say what is wrong with one.
    more = {"bedrock:GetCustomModel"} if purpose == "deployer" else set()
    assert said == (called - looks) | more


@pytest.mark.parametrize(
    ("purpose", "calls"),
    [("model-report", REPORT_CALLS), ("invoker", INVOKER_CALLS)],
)
def test_endpoints_let_the_new_functions_through_for_their_calls_alone(
    inferring: AppDeployment, purpose: str, calls: tuple[tuple[str, str], ...]
) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role_of(purpose)}"
    through = {
        grant.action
        for endpoint in inferring.of_type(ENDPOINT)
        for grant in endpoint.grants("PolicyDocument")
        if arn in str(grant.conditions)
    }

    assert through == set(actions(calls))


def removing(deployment: AppDeployment, purpose: str) -> list[Grant]:
    """What a role may delete that is not ours."""
    return [
        grant
        for grant in said_by(deployment, purpose)
        if grant.action.startswith("bedrock:Delete") and OURS not in (grant.conditions or ())
    ]


@pytest.mark.parametrize("purpose", ["deployer", "scheduler"])
def test_only_what_carries_the_owner_tag_is_removed(inferring: AppDeployment, purpose: str) -> None:
    assert [g for g in said_by(inferring, purpose) if g.action.startswith("bedrock:Delete")]
    assert removing(inferring, purpose) == []


def test_a_policy_that_removes_what_is_not_ours_is_found(inferring: AppDeployment) -> None:
    (index,) = statements_with(inferring, "Scheduler", "GiveOurThroughputBack")
    weaker = inferring.without(
        MANAGED,
        f"PolicyDocument.Statement.{index}.Condition",
        where={"Description": "Gives this environment's throughput back"},
    )

    assert removing(weaker, "scheduler")


def statements_with(deployment: AppDeployment, policy: str, sid: str) -> list[int]:
    """Places of the statements of a name, in the managed policy of a construct of the app."""
    return [
        number
        for resource in deployment.of_type(MANAGED)
        if resource.stack == "finetune-test-access" and resource.logical_id.startswith(policy)
        for number, statement in enumerate(resource["PolicyDocument"]["Statement"])
        if statement.get("Sid") == sid
    ]


def test_what_is_deployed_is_made_of_our_models_and_tagged_as_ours(
    inferring: AppDeployment,
) -> None:
    for action in ("CreateCustomModelDeployment", "CreateProvisionedModelThroughput"):
        made = [g for g in said_by(inferring, "deployer") if g.action == f"bedrock:{action}"]
        assert {grant.resource for grant in made} == {
            f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model/*",
            *SERVED,
        }
        assert all(TAGGED_OURS in grant.conditions for grant in made)
        assert all(OURS in g.conditions for g in made if g.resource not in SERVED)


def test_no_base_model_can_be_bought_throughput_for(inferring: AppDeployment) -> None:
    for purpose in ("deployer", "scheduler", "invoker", "follow-up", "model-report"):
        assert not [g for g in said_by(inferring, purpose) if "foundation-model" in str(g.resource)]


def test_the_deployer_passes_the_schedulers_role_to_scheduler_alone(
    inferring: AppDeployment,
) -> None:
    (passed,) = [g for g in said_by(inferring, "deployer") if g.action == "iam:PassRole"]

    assert passed.resource == f"arn:aws:iam::{ACCOUNT}:role/{role_of('scheduler')}"
    assert passed.conditions == (
        ("StringEquals", "iam:PassedToService", ("scheduler.amazonaws.com",)),
    )


def test_a_schedule_can_give_throughput_back_and_nothing_else(inferring: AppDeployment) -> None:
    assert {grant.action for grant in said_by(inferring, "scheduler")} == {
        "bedrock:DeleteProvisionedModelThroughput",
        "kms:Decrypt",
    }


def test_a_tester_can_ask_the_invoker_and_nothing_else(inferring: AppDeployment) -> None:
    (grant,) = said_by(inferring, "tester")

    assert grant.action == "lambda:InvokeFunction"
    assert grant.resource == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:finetune-test-invoker"


def test_where_nobody_may_invoke_there_is_no_tester(otherwise: AppDeployment) -> None:
    assert otherwise.where(ROLE, RoleName=role_of("tester")) == []
    assert otherwise.where(ROLE, RoleName=role_of("invoker"))


def trust_of(deployment: AppDeployment, purpose: str) -> set[Grant]:
    (role,) = deployment.where(ROLE, RoleName=role_of(purpose))
    return role.grants("AssumeRolePolicyDocument")


@pytest.mark.parametrize(
    ("purpose", "service", "source"),
    [
        (
            "follow-up",
            "states",
            f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:finetune-test-follow-up",
        ),
        (
            "scheduler",
            "scheduler",
            f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/finetune-test",
        ),
    ],
)
def test_a_service_takes_its_role_for_one_thing_of_this_account(
    inferring: AppDeployment, purpose: str, service: str, source: str
) -> None:
    (grant,) = trust_of(inferring, purpose)

    assert grant.principal == f"Service:{service}.amazonaws.com"
    assert set(grant.conditions) == {
        ("ArnEquals", "aws:SourceArn", (source,)),
        ("StringEquals", "aws:SourceAccount", (ACCOUNT,)),
    }


# --- models are called in private


def invoking(deployment: AppDeployment) -> set[object]:
    return conditions_of(deployment, "invoker", "bedrock:InvokeModel")


def runtime_endpoint(deployment: AppDeployment) -> Any:  # noqa: ANN401 - a resource or what a test made of it
    (endpoint,) = [
        each for each in deployment.of_type(ENDPOINT) if "runtime" in str(each["ServiceName"])
    ]
    return endpoint


def test_models_are_called_through_our_endpoint_only(inferring: AppDeployment) -> None:
    endpoint = runtime_endpoint(inferring)

    assert invoking(inferring) == {
        (OURS, ("StringEquals", "aws:SourceVpce", (endpoint.ref,))),
    }
    assert {
        grant.resource
        for grant in said_by(inferring, "invoker")
        if grant.action == "bedrock:InvokeModel"
    } == SERVED


def test_nobody_else_may_call_models(inferring: AppDeployment) -> None:
    callers = {
        role.ref
        for role in inferring.of_type(ROLE)
        if any(g.action == "bedrock:InvokeModel" for g in role_grants(inferring, role.ref))
    }

    assert callers == {role_of("invoker")}


def test_an_invoker_that_may_call_from_anywhere_is_found(inferring: AppDeployment) -> None:
    endpoint = runtime_endpoint(inferring)
    (index,) = statements_with(inferring, "Invoker", "CallOurModelsInPrivate")
    weaker = inferring.put(
        MANAGED,
        f"PolicyDocument.Statement.{index}.Condition",
        {"StringEquals": {"aws:ResourceTag/finetune:environment": "test"}},
        where={"Description": "Calls this environment's models through its own endpoint"},
    )

    assert invoking(weaker) != {(OURS, ("StringEquals", "aws:SourceVpce", (endpoint.ref,)))}


def test_the_runtimes_endpoint_is_private_and_lets_the_invoker_through_alone(
    inferring: AppDeployment,
) -> None:
    endpoint = runtime_endpoint(inferring)
    invoker = f"arn:aws:iam::{ACCOUNT}:role/{role_of('invoker')}"

    assert endpoint["ServiceName"] == "com.amazonaws.us-east-1.bedrock-runtime"
    assert endpoint["PrivateDnsEnabled"] is True
    assert len(endpoint["SubnetIds"]) == len(inferring.settings.network.service_zones)
    assert {(g.action, g.resource) for g in endpoint.grants("PolicyDocument")} == {
        ("bedrock:InvokeModel", resource) for resource in SERVED
    }
    for grant in endpoint.grants("PolicyDocument"):
        assert set(grant.conditions) == {OURS, ("ArnEquals", "aws:PrincipalArn", (invoker,))}


def test_the_invoker_reaches_the_runtime_and_its_table_alone(inferring: AppDeployment) -> None:
    (invoker,) = inferring.where(FUNCTION, FunctionName="finetune-test-invoker")
    (group,) = invoker["VpcConfig.SecurityGroupIds"]
    (own,) = [
        each
        for each in inferring.of_type("AWS::EC2::SecurityGroup")
        if each.ref == group.split(".")[0]
    ]
    (runtime,) = runtime_endpoint(inferring)["SecurityGroupIds"]
    out = [
        rule
        for rule in inferring.of_type("AWS::EC2::SecurityGroupEgress")
        if rule["GroupId"] == group
    ]

    assert [rule["DestinationPrefixListId"] for rule in own["SecurityGroupEgress"]] == [
        inferring.settings.dynamodb_prefix_list_id
    ]
    assert [(rule["DestinationSecurityGroupId"], rule["FromPort"]) for rule in out] == [
        (runtime, 443)
    ]


# --- keys


def key_of(deployment: AppDeployment, what: str) -> Any:  # noqa: ANN401 - a resource
    (found,) = [
        each for each in deployment.of_type(KEY) if str(each["Description"]).startswith(what)
    ]
    return found


def sids(deployment: AppDeployment, what: str) -> dict[str, Mapping[str, Any]]:
    statements = key_of(deployment, what)["KeyPolicy"]["Statement"]
    return {str(each["Sid"]): each for each in statements}


def test_the_invoker_decrypts_models_through_bedrock_alone(inferring: AppDeployment) -> None:
    statement = sids(inferring, "Custom models")["PermissionsInvokeInPrivate"]

    assert statement["Action"] == "kms:Decrypt"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/{role_of('invoker')}"]},
        "StringEquals": {"kms:ViaService": "bedrock.us-east-1.amazonaws.com"},
    }


def throughput_of(deployment: AppDeployment) -> Mapping[str, Any] | None:
    return sids(deployment, "Custom models").get("PermissionsNovaProvisionedThroughput")


def test_bedrock_prepares_throughput_for_this_account_only(inferring: AppDeployment) -> None:
    statement = throughput_of(inferring)

    assert statement is not None
    assert statement["Principal"] == {"Service": "bedrock.amazonaws.com"}
    assert statement["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"},
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }


def test_settings_say_how_bedrock_prepares_throughput(
    otherwise: AppDeployment, waiting: AppDeployment
) -> None:
    documented = throughput_of(otherwise)

    assert documented is not None
    assert set(documented["Condition"]) == {"ForAnyValue:StringEquals"}
    assert throughput_of(waiting) is None


def uses_the_model_key(deployment: AppDeployment) -> tuple[bool, set[Any]]:
    """Whether the key lets the deployer use it, and on which conditions its own policy does."""
    model_key = key_of(deployment, "Custom models").arn
    own = {g.conditions for g in said_by(deployment, "deployer") if g.resource == model_key}
    return "PermissionsDeployCustomModel" in sids(deployment, "Custom models"), own


def test_the_deployer_uses_the_model_key_where_the_setting_says_so(
    inferring: AppDeployment, otherwise: AppDeployment
) -> None:
    via = ("StringEquals", "kms:ViaService", ("bedrock.us-east-1.amazonaws.com",))

    assert uses_the_model_key(inferring) == (True, {(via,)})
    assert uses_the_model_key(otherwise) == (False, set())


def test_the_data_key_serves_schedules_and_executions_in_their_own_context(
    inferring: AppDeployment,
) -> None:
    found = sids(inferring, "Data, logs")
    group = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/finetune-test/*"
    machine = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:finetune-test-follow-up"

    for sid in ("SchedulesAreMade", "SchedulesRun"):
        context = found[sid]["Condition"]["ArnLike"]
        assert context == {"kms:EncryptionContext:aws:scheduler:schedule:arn": group}
    executions = found["ExecutionsOfTheStateMachine"]["Condition"]
    assert executions["StringEquals"] == {
        "kms:EncryptionContext:aws:states:stateMachineArn": machine
    }
    delivered = found["LogsOfTheStateMachineAreDelivered"]["Condition"]
    assert delivered["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


# --- the state machine


def machine_of(deployment: AppDeployment) -> Any:  # noqa: ANN401 - a resource
    (found,) = deployment.where(MACHINE, **FOLLOW_UP)
    return found


def careless(deployment: AppDeployment) -> Iterator[str]:
    """What is wrong with how the state machine keeps what it handles."""
    machine = machine_of(deployment)
    if machine["StateMachineType"] != "STANDARD":
        yield "not of the type whose executions run once"
    if machine["EncryptionConfiguration.KmsKeyId"] != key_of(deployment, "Data, logs").arn:
        yield "not under the data key"
    if machine["LoggingConfiguration.IncludeExecutionData"] is not False:
        yield "its log holds data"
    if machine["LoggingConfiguration.Level"] != "ALL":
        yield "its log does not hold every step"


def test_the_state_machine_keeps_what_it_handles_to_itself(inferring: AppDeployment) -> None:
    assert list(careless(inferring)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("StateMachineType", "EXPRESS"),
        ("EncryptionConfiguration", {"Type": "AWS_OWNED_KEY"}),
        ("LoggingConfiguration.IncludeExecutionData", True),
        ("LoggingConfiguration.Level", "OFF"),
    ],
)
def test_a_careless_state_machine_is_found(
    inferring: AppDeployment, path: str, value: object
) -> None:
    assert list(careless(inferring.put(MACHINE, path, value, where=FOLLOW_UP)))


def test_the_state_machine_does_what_the_tests_of_the_definition_run(
    inferring: AppDeployment,
) -> None:
    functions = {str(each["FunctionName"]): each.arn for each in inferring.of_type(FUNCTION)}
    (topic,) = inferring.of_type("AWS::SNS::Topic")

    assert json.loads(machine_of(inferring)["DefinitionString"]) == json.loads(
        json.dumps(
            definition(
                partition="aws",
                report_arn=functions["finetune-test-model-report"],
                deployer_arn=functions["finetune-test-deployer"],
                invoker_arn=functions["finetune-test-invoker"],
                topic_arn=topic.ref,
            )
        )
    )


def test_the_state_machine_calls_three_functions_and_one_topic(inferring: AppDeployment) -> None:
    called = {
        grant.resource.rsplit(":", maxsplit=1)[-1]
        for grant in said_by(inferring, "follow-up")
        if grant.action == "lambda:InvokeFunction"
    }
    (topic,) = inferring.of_type("AWS::SNS::Topic")

    assert len(called) == 3
    assert {g.resource for g in said_by(inferring, "follow-up") if g.action == "sns:Publish"} == {
        topic.ref
    }


def test_the_follower_and_the_deployer_alone_start_it(inferring: AppDeployment) -> None:
    starters = {
        role.ref.removeprefix(f"{PREFIX}-")
        for role in inferring.of_type(ROLE)
        for grant in role_grants(inferring, role.ref)
        if grant.action == "states:StartExecution" and "follow-up" in str(grant.resource)
    }

    assert starters == {"follower", "deployer"}


def test_the_engine_is_told_of_what_comes_after_it(inferring: AppDeployment) -> None:
    told = {
        str(each["FunctionName"]): each["Environment.Variables"]
        for each in inferring.of_type(FUNCTION)
    }
    table = "finetune-test-deployments"

    assert told["finetune-test-submitter"]["DEPLOYMENTS_TABLE"] == table
    assert told["finetune-test-completion-check"]["DEPLOYER_FUNCTION"] == "finetune-test-deployer"
    assert told["finetune-test-follower"]["FOLLOW_UP_STATE_MACHINE"] == machine_of(inferring).ref
    assert told["finetune-test-deployer"]["DEPLOYMENTS_TABLE"] == table
    assert told["finetune-test-deployer"]["SCHEDULE_GROUP"] == "finetune-test"
    assert told["finetune-test-invoker"]["DEPLOYMENTS_TABLE"] == table
    assert "BUCKET_NAME" not in told["finetune-test-invoker"]


def test_without_inference_the_engine_is_told_nothing_of_it(variant: Maker) -> None:
    told = {
        name
        for each in variant({}).of_type(FUNCTION)
        for name in (each["Environment.Variables"] or {})
    }

    assert told.isdisjoint({"DEPLOYMENTS_TABLE", "DEPLOYER_FUNCTION", "FOLLOW_UP_STATE_MACHINE"})


# --- what is kept, and what is watched


def test_the_table_of_deployments_is_kept_like_that_of_the_jobs(
    inferring: AppDeployment, otherwise: AppDeployment
) -> None:
    for made, kept in ((inferring, True), (otherwise, False)):
        tables = {str(each["TableName"]): each for each in made.of_type("AWS::DynamoDB::Table")}
        deployments = dict(tables["finetune-test-deployments"].properties)
        jobs = dict(tables["finetune-test-jobs"].properties)

        assert deployments.pop("TableName") != jobs.pop("TableName")
        assert deployments == jobs
        assert bool(deployments["DeletionProtectionEnabled"]) is kept


def unheard(deployment: AppDeployment) -> list[str]:
    """Alarms that nobody hears of: without an action, or refused by the topic or by its key."""
    (policy,) = deployment.of_type("AWS::SNS::TopicPolicy")
    topic, key = (
        str(policy["PolicyDocument"]),
        str(sids(deployment, "Data, logs")["AlarmsOnTheTopic"]),
    )
    return [
        str(alarm["AlarmName"])
        for alarm in deployment.of_type("AWS::CloudWatch::Alarm")
        if not alarm["AlarmActions"] or alarm.arn not in topic or alarm.arn not in key
    ]


def test_every_alarm_is_heard(inferring: AppDeployment) -> None:
    assert len(inferring.of_type("AWS::CloudWatch::Alarm")) == 5
    assert unheard(inferring) == []


def test_an_alarm_that_nobody_hears_is_found(inferring: AppDeployment) -> None:
    named = {"AlarmName": "finetune-test-throughput-overdue"}
    silent = inferring.put("AWS::CloudWatch::Alarm", "AlarmActions", [], where=named)
    other = inferring.put("AWS::CloudWatch::Alarm", "AlarmName", "another", where=named)

    assert unheard(silent) == ["finetune-test-throughput-overdue"]
    assert unheard(other) == ["another"]


def test_the_deployer_is_woken_whatever_else_happens(otherwise: AppDeployment) -> None:
    made = otherwise
    (rule,) = made.where("AWS::Events::Rule", Name="finetune-test-reap")
    (queue,) = made.of_type("AWS::SQS::Queue")
    (admitted,) = made.of_type("AWS::SQS::QueuePolicy")

    assert rule["ScheduleExpression"] == "rate(7 minutes)"
    assert rule["State"] in {None, "ENABLED"}
    (target,) = rule["Targets"]
    assert target["Arn"].endswith(":function:finetune-test-deployer")
    assert target["DeadLetterConfig"]["Arn"] == queue.arn
    assert rule.arn in str(admitted["PolicyDocument"])


def test_metrics_are_named_as_the_functions_write_them() -> None:
    assert deployer.THROUGHPUT_OVERDUE == metrics.THROUGHPUT_OVERDUE
    assert deployer.FAILED_DEPLOYMENTS == metrics.FAILED_DEPLOYMENTS
    assert dashboard.ENDED_JOBS == announcement.ENDED_JOBS
    assert publish.DIMENSIONS[1] == dashboard.JOB_DIMENSION
    assert metrics.NAMESPACE == publish.NAMESPACE == announcement.NAMESPACE
    assert publish.DIMENSIONS[0] == metrics.ENVIRONMENT_DIMENSION


def test_the_dashboard_shows_the_losses_of_every_job_in_the_settings(
    inferring: AppDeployment,
) -> None:
    (found,) = inferring.of_type("AWS::CloudWatch::Dashboard")
    body = json.loads(found["DashboardBody"])
    shown = {
        (metric[1], metric[5])
        for widget in body["widgets"]
        for metric in widget["properties"].get("metrics", [])
        if metric[0] == "Finetune" and len(metric) > 5
    }

    assert {job for name, job in shown if name == "TrainingLoss"} == {"review", "bought", "plain"}
    (alarms,) = [each["properties"] for each in body["widgets"] if each["type"] == "alarm"]
    assert set(alarms["alarms"]) == {
        each.arn for each in inferring.of_type("AWS::CloudWatch::Alarm")
    }


@pytest.mark.parametrize("jobs", [[], ["one"], [f"job-{number}" for number in range(100)]])
def test_a_dashboard_is_one_that_cloudwatch_takes(jobs: list[str]) -> None:
    """At most 500 metrics in a widget, 2,500 in a dashboard, 24 columns, nothing over another."""
    body = dashboard_body(
        names=Names(environment="test", region="us-east-1"),
        region="us-east-1",
        state_machine_arn="arn:aws:states:us-east-1:111122223333:stateMachine:x",
        alarm_arns=["arn:aws:cloudwatch:us-east-1:111122223333:alarm:x"],
        jobs=jobs,
    )
    taken: set[tuple[int, int]] = set()
    counts = []
    for widget in body["widgets"]:
        cells = {
            (widget["x"] + column, widget["y"] + row)
            for column in range(widget["width"])
            for row in range(widget["height"])
        }
        assert taken.isdisjoint(cells)
        assert widget["x"] + widget["width"] <= 24
        taken |= cells
        if widget["type"] == "metric":
            assert widget["properties"]["metrics"]
            counts.append(len(widget["properties"]["metrics"]))
    assert max(counts) <= 500
    assert sum(counts) <= 2500


def test_what_is_counted_is_what_is_deployed(inferring: AppDeployment) -> None:
    endpoints = inferring.where(ENDPOINT, VpcEndpointType="Interface")
    watched = [
        each.properties.get("Metrics") for each in inferring.of_type("AWS::CloudWatch::Alarm")
    ]
    counted = sum(
        1 if each is None else sum("MetricStat" in metric for metric in each) for each in watched
    )

    assert len(endpoints) == len(INTERFACE_ENDPOINTS) + len(INFERENCE_ENDPOINTS)
    assert counted == ALARM_METRICS + INFERENCE_ALARM_METRICS
    assert len(inferring.of_type("AWS::CloudWatch::Dashboard")) == INFERENCE_DASHBOARDS


def test_the_calls_of_an_engine_without_inference_are_fewer() -> None:
    assert set(EVERY_CALL["follower"]) == {*FOLLOWER_CALLS, *STARTING_CALLS}
    assert set(EVERY_CALL["completion_check"]) == {*COMPLETION_CHECK_CALLS, *DELETION_CALLS}
