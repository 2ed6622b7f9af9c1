"""`finetune doctor`: a planted cause shows every finding, and a healthy account has none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.loaders import create_loader
from botocore.model import OperationModel

from bedrock_finetuning.naming import Names
from finetune import checkup
from settings import foundation_models
from tests.finetune.aws_fake import ACCOUNT, FakeAws, RefusalError
from tests.finetune.conftest import Run
from tests.security.app_deployment import AppDeployment
from tests.settings.settings_folder import CORRECT, Folder

ZONES = "abcdef"
LOADER = create_loader()
NAMES = Names(environment="dev", region="us-east-1")
OTHER = "444455556666"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/older"
GRADED: Mapping[str, Any] = {
    "base_model": "amazon.nova-2-lite-v1:0:256k",
    "customization_type": "REINFORCEMENT_FINE_TUNING",
    "reinforcement": {"grader_function": "reward"},
    "dataset": "graded",
}
DISTILLED: Mapping[str, Any] = {
    "base_model": "amazon.nova-micro-v1:0:128k",
    "customization_type": "DISTILLATION",
    "distillation": {"teacher": "amazon.nova-pro-v1:0"},
    "invocation_logs": {"bucket": "logs-of-calls", "prefix": "calls/", "key": KEY},
}


class Account(FakeAws):
    """An account that is ready: bootstrapped, with access, room and the zones of the Region."""

    answers: dict[str, dict[str, Any]]

    def __init__(self) -> None:
        super().__init__(stacks={})
        services = ["com.amazonaws.us-east-1.bedrock", "com.amazonaws.us-east-1.kms"]
        self.answers = {
            "GetCallerIdentity": {
                "Account": ACCOUNT,
                "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/engineer/me",
                "UserId": "x",
            },
            "DescribeRegions": {
                "Regions": [{"RegionName": "us-east-1", "OptInStatus": "opt-in-not-required"}]
            },
            "DescribeAvailabilityZones": {
                "AvailabilityZones": [
                    {"ZoneName": f"us-east-1{zone}", "State": "available"} for zone in ZONES
                ]
            },
            "DescribeVpcEndpointServices": {
                "ServiceDetails": [
                    {
                        "ServiceName": service,
                        "AvailabilityZones": [f"us-east-1{zone}" for zone in ZONES],
                    }
                    for service in services
                ]
            },
            "DescribeManagedPrefixLists": {
                "PrefixLists": [
                    {"PrefixListName": "com.amazonaws.us-east-1.s3",
                     "PrefixListId": "pl-63a5400a"},
                    {"PrefixListName": "com.amazonaws.us-east-1.dynamodb",
                     "PrefixListId": "pl-02cd2c6b"},
                ]
            },
            "GetParameter": {"Parameter": {"Name": "version", "Value": "25"}},
            "SimulatePrincipalPolicy": {
                "EvaluationResults": [
                    {
                        "EvalActionName": action,
                        "EvalDecision": "allowed",
                        "OrganizationsDecisionDetail": {"AllowedByOrganizations": True},
                    }
                    for action in checkup.ACTIONS
                ]
            },
            "GetAccountSettings": {
                "AccountLimit": {
                    "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000
                }
            },
            "GetFoundationModelAvailability": {
                "modelId": "x",
                "agreementAvailability": {"status": "AVAILABLE"},
                "authorizationStatus": "AUTHORIZED",
                "entitlementAvailability": "AVAILABLE",
                "regionAvailability": "AVAILABLE",
            },
            "ListCustomModels": {"modelSummaries": []},
            "ListModelCustomizationJobs": {"modelCustomizationJobSummaries": []},
            "GetServiceQuota": {"Quota": {"Value": 100.0}},
            "GetFunctionConfiguration": {"FunctionName": "reward", "Timeout": 60},
            "HeadBucket": {"BucketRegion": "us-east-1"},
        }  # fmt: skip
        self.taken: set[str] = set()
        self.key_states: dict[str, str] = {}
        self.lifecycle = "ACTIVE"
        self.teachers = "ACTIVE"
        self.offered: list[str] = ["FINE_TUNING", "DISTILLATION"]

    def session(self, **arguments: Any) -> boto3.Session:
        """As its parent's, without reading the service models for each test anew."""
        botocore_session = botocore.session.get_session()
        botocore_session.register_component("data_loader", LOADER)
        return super().session(botocore_session=botocore_session, **arguments)

    def __getattr__(self, name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Answer an operation from the table of answers."""
        operation = name.removeprefix("_on_")
        answers = self.__dict__.get("answers", {})
        if operation == name or operation not in answers:
            raise AttributeError(name)
        return lambda arguments: dict(answers[operation])

    def _on_ListModelCustomizationJobs(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return dict(self.answers["ListModelCustomizationJobs"])

    def _on_DescribeStacks(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        answer = super()._on_DescribeStacks(arguments)
        (stack,) = answer["Stacks"]
        status = self.stacks[arguments["StackName"]].get("status", "CREATE_COMPLETE")
        return {"Stacks": [{**stack, "StackStatus": status}]}

    def _on_GetFoundationModel(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        identifier = arguments["modelIdentifier"]
        lifecycle = self.lifecycle if identifier in foundation_models() else self.teachers
        return {
            "modelDetails": {
                "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{identifier}",
                "modelId": identifier,
                "customizationsSupported": self.offered,
                "modelLifecycle": {"status": lifecycle},
            }
        }

    def _on_GetRole(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = arguments["RoleName"]
        if name != "engineer" and name not in self.taken:
            raise RefusalError("NoSuchEntity", status=404)
        return {"Role": {"RoleName": name, "Arn": f"arn:aws:iam::{ACCOUNT}:role/path/{name}"}}

    def _on_DescribeTable(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if arguments["TableName"] not in self.taken:
            raise RefusalError("ResourceNotFoundException")
        return {"Table": {"TableName": arguments["TableName"]}}

    def _on_DescribeKey(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        key = arguments["KeyId"]
        if key.startswith("alias/") and key not in self.taken:
            raise RefusalError("NotFoundException")
        state = self.key_states.get(key, "Enabled")
        if state == "missing":
            raise RefusalError("NotFoundException")
        return {"KeyMetadata": {"KeyId": key, "KeyState": state}}


def refuse(operation: str, code: str, status: int = 400) -> Callable[[Account], None]:
    def plant(account: Account) -> None:
        account.refusals[operation] = RefusalError(code, status=status)

    return plant


def answer(operation: str, **changes: Any) -> Callable[[Account], None]:
    def plant(account: Account) -> None:
        account.answers[operation] |= changes

    return plant


def zones(letters: str, state: str = "available") -> Callable[[Account], None]:
    return answer(
        "DescribeAvailabilityZones",
        AvailabilityZones=[{"ZoneName": f"us-east-1{z}", "State": state} for z in letters],
    )


def decision(action: str, *, verdict: str, organization: bool) -> Callable[[Account], None]:
    def plant(account: Account) -> None:
        for result in account.answers["SimulatePrincipalPolicy"]["EvaluationResults"]:
            if result["EvalActionName"] == action:
                result["EvalDecision"] = verdict
                result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": organization}

    return plant


def service_without_zone(account: Account) -> None:
    account.answers["DescribeVpcEndpointServices"]["ServiceDetails"][0]["AvailabilityZones"] = [
        "us-east-1c"
    ]


def service_gone(account: Account) -> None:
    account.answers["DescribeVpcEndpointServices"]["ServiceDetails"].pop()


def other_list(account: Account) -> None:
    account.answers["DescribeManagedPrefixLists"]["PrefixLists"][0]["PrefixListId"] = "pl-0"


def deployed(part: str, **outputs: str) -> Callable[[Account], None]:
    def plant(account: Account) -> None:
        account.stacks[NAMES.stack(part)] = outputs

    return plant


def key_is(state: str, arn: str = KEY) -> Callable[[Account], None]:
    def plant(account: Account) -> None:
        account.key_states[arn] = state

    return plant


def data_key_disabled(account: Account) -> None:
    deployed("encryption", DataKeyArn="data", ModelKeyArn="model")(account)
    account.key_states["model"] = "Disabled"


def name_taken(name: str) -> Callable[[Account], None]:
    def plant(account: Account) -> None:
        account.taken.add(name)

    return plant


def legacy(account: Account) -> None:
    account.lifecycle = "LEGACY"


def legacy_teacher(account: Account) -> None:
    account.teachers = "LEGACY"


def job_of_others(account: Account) -> None:
    name = "dev-review-0123456789abcdef"
    arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-customization-job/{name}"
    account.answers["ListModelCustomizationJobs"] = {
        "modelCustomizationJobSummaries": [
            {"jobName": name, "jobArn": arn},
            {"jobName": "dev-review-of-mine", "jobArn": f"{arn}x"},
        ]
    }
    account.owner = "somebody"


def not_offered(account: Account) -> None:
    account.offered = []


def little_concurrency(account: Account) -> None:
    account.answers["GetAccountSettings"]["AccountLimit"] = {
        "ConcurrentExecutions": 10,
        "UnreservedConcurrentExecutions": 10,
    }


def bucket_denied_elsewhere(account: Account) -> None:
    """S3 tells the Region of a bucket to those too whom it denies."""
    original = account._answer

    def denied(model: OperationModel, **more: object) -> tuple[Any, dict[str, Any]]:
        http, answer = original(model, **more)
        if model.name == "HeadBucket":
            http.status_code = 403
            answer = {
                "Error": {"Code": "403", "Message": "Forbidden"},
                "ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}},
            }
        return http, answer

    account._answer = denied  # type: ignore[method-assign] # one answer is another


PLANTED: list[tuple[str, Callable[[Account], None], dict[str, Any]]] = [
    ("other-account", lambda _: None, {"account": OTHER}),
    ("region-not-enabled", answer("DescribeRegions", Regions=[{"OptInStatus": "not-opted-in"}]),
     {}),
    ("region-not-enabled", refuse("DescribeRegions", "InvalidParameterValue"), {}),
    ("zone-missing", zones("abcde"), {}),
    ("zone-missing", zones("abcdef", "unavailable"), {}),
    ("zone-left-out", zones("abcdefg"), {}),
    ("endpoint-refuses-zone", service_without_zone, {}),
    ("endpoint-service-missing", service_gone, {}),
    ("prefix-list-differs", other_list, {}),
    ("not-bootstrapped", refuse("GetParameter", "ParameterNotFound"), {}),
    ("bootstrap-too-old", answer("GetParameter", Parameter={"Value": "5"}), {}),
    ("denied-by-organization",
     decision("bedrock:CreateModelCustomizationJob", verdict="implicitDeny", organization=False),
     {}),
    ("denied-to-you",
     decision("kms:CreateKey", verdict="explicitDeny", organization=True), {}),
    ("stack-stuck", deployed("network", status="ROLLBACK_COMPLETE"), {}),
    ("name-taken", name_taken(NAMES.customization_role), {}),
    ("name-taken", name_taken(NAMES.state_table), {}),
    ("name-taken", name_taken(f"alias/{NAMES.stack('data')}"), {}),
    ("no-concurrency-left", little_concurrency, {"engine": {"reserved_concurrency": 1}}),
    ("model-not-in-region", refuse("GetFoundationModel", "ResourceNotFoundException", 404), {}),
    ("model-not-in-region", refuse("GetFoundationModel", "ValidationException"), {}),
    ("model-legacy", legacy, {}),
    ("teacher-legacy", legacy_teacher, {"jobs": {"distilled": DISTILLED}}),
    ("job-name-taken", job_of_others, {}),
    ("method-not-offered", not_offered, {}),
    ("model-access-missing",
     answer("GetFoundationModelAvailability", authorizationStatus="NOT_AUTHORIZED"), {}),
    ("model-access-missing",
     answer("GetFoundationModelAvailability", agreementAvailability={"status": "PENDING"}), {}),
    ("model-access-missing",
     answer("GetFoundationModelAvailability", entitlementAvailability="NOT_AVAILABLE"), {}),
    ("model-access-missing",
     answer("GetFoundationModelAvailability", regionAvailability="NOT_AVAILABLE"), {}),
    ("no-models-left", answer("GetServiceQuota", Quota={"Value": 0.0}), {}),
    ("no-jobs-left",
     answer("ListModelCustomizationJobs",
            modelCustomizationJobSummaries=[{"jobName": "x", "jobArn": "y"}] * 10), {}),
    ("grader-missing", refuse("GetFunctionConfiguration", "ResourceNotFoundException", 404),
     {"jobs": {"graded": GRADED}}),
    ("grader-timeout-short", answer("GetFunctionConfiguration", Timeout=3),
     {"jobs": {"graded": GRADED}}),
    ("key-not-usable", key_is("PendingDeletion"), {"jobs": {"distilled": DISTILLED}}),
    ("key-not-usable", key_is("missing"), {"jobs": {"distilled": DISTILLED}}),
    ("key-not-usable", data_key_disabled, {}),
    ("bucket-missing", refuse("HeadBucket", "404", 404), {"jobs": {"distilled": DISTILLED}}),
    ("bucket-elsewhere", answer("HeadBucket", BucketRegion="eu-west-1"),
     {"jobs": {"distilled": DISTILLED}}),
    ("bucket-elsewhere", answer("HeadBucket", BucketRegion="eu-west-1"), {"storage-stack": True}),
    ("bucket-elsewhere", bucket_denied_elsewhere, {"jobs": {"distilled": DISTILLED}}),
]  # fmt: skip


@pytest.fixture
def account(project: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    fake = Account()
    Folder(project / "config")
    write(project, {})
    monkeypatch.setattr(boto3, "Session", fake.session)
    return fake


def write(project: Path, changes: Mapping[str, Any]) -> None:
    values = {**CORRECT, **changes}
    (project / "config" / "dev.yaml").write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize("jobs", [{}, {"graded": GRADED, "distilled": DISTILLED}])
def test_a_healthy_account_has_no_finding(
    jobs: Mapping[str, Any], run: Run, account: Account, project: Path
) -> None:
    del account
    write(project, {"account": ACCOUNT, "jobs": jobs, "engine": {"reserved_concurrency": 10}})

    ended = run("doctor", "--json")

    assert ended.code == 0, ended.out
    assert ended.answer["findings"] == []
    assert set(ended.answer["checks"].values()) == {"ok"}
    assert set(ended.answer["checks"]) == set(checkup.CHECKS)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted[0])
def test_a_planted_cause_is_found(
    planted: tuple[str, Callable[[Account], None], dict[str, Any]],
    run: Run,
    account: Account,
    project: Path,
) -> None:
    id, plant, changes = planted
    if changes.get("storage-stack"):
        deployed("storage", DataBucketName="data")(account)
        changes = {}
    write(project, changes)
    plant(account)

    ended = run("doctor", "--json")

    assert set(ended.ids()) == {id}
    found = [each for each in ended.answer["findings"] if each["id"] == id]
    assert ended.code == (0 if found[0]["level"] == "warning" else 1)
    for finding in found:
        assert finding["fix"]
        assert "AWS would say: " in finding["message"]
    assert ended.answer["prevents"][id] in " ".join(finding["message"] for finding in found)


def test_every_finding_has_a_planted_cause() -> None:
    """Read from the source, so that a new finding without one is noticed."""
    text = Path(checkup.__file__).read_text(encoding="utf-8")
    ids = {line.split('"')[1] for line in text.splitlines() if line.strip().startswith('id="')}

    assert ids == {id for id, _, _ in PLANTED}


@pytest.mark.parametrize(
    ("operation", "check"),
    [
        ("DescribeRegions", "region"),
        ("GetParameter", "bootstrap"),
        ("SimulatePrincipalPolicy", "denies"),
        ("GetFoundationModel", "base-models"),
        ("GetServiceQuota", "quotas"),
        ("DescribeStacks", "names"),
    ],
)
def test_a_check_that_may_not_look_says_so_and_the_others_go_on(
    operation: str, check: str, run: Run, account: Account
) -> None:
    account.refusals[operation] = RefusalError("AccessDenied", status=403)

    ended = run("doctor", "--json")

    assert ended.answer["checks"][check] == "not made"
    assert "not-checked" in ended.ids()
    assert "ok" in ended.answer["checks"].values()


def test_credentials_that_aws_does_not_know_end_with_3(run: Run, account: Account) -> None:
    account.refusals["GetCallerIdentity"] = RefusalError("InvalidClientTokenId", status=403)

    ended = run("doctor", "--json")

    assert (ended.code, ended.ids()) == (3, ["no-credentials"])


def test_a_service_that_cannot_be_reached_is_an_error(run: Run, account: Account) -> None:
    def unreachable(_: dict[str, Any]) -> None:
        raise EndpointConnectionError(endpoint_url="https://bedrock.us-east-1.amazonaws.com")

    account.before["GetFoundationModel"] = unreachable

    ended = run("doctor", "--json")

    assert (ended.code, ended.ids()) == (1, ["service-unreachable"])
    assert "EndpointConnectionError" in ended.answer["findings"][0]["message"]


def test_quotas_are_shown_used_and_left(run: Run, account: Account) -> None:
    account.answers["ListCustomModels"] = {"modelSummaries": [{}, {}]}

    ended = run("doctor")

    assert "quota of custom models: 2 of 100 used, 98 left" in ended.out
    assert "quota of customization jobs in progress: 0 of 10 used, 10 left" in ended.out


def test_wrong_settings_end_with_2(run: Run, account: Account, project: Path) -> None:
    del account
    write(project, {"region": "nowhere"})

    ended = run("doctor", "--json")

    assert ended.code == 2
    assert "settings.bad-region" in ended.ids()


def test_no_role_is_asked_for_where_the_caller_is_a_user(run: Run, account: Account) -> None:
    account.answers["GetCallerIdentity"]["Arn"] = f"arn:aws:iam::{ACCOUNT}:user/me"

    assert run("doctor").code == 0
    asked = [found for name, found in account.calls if name == "SimulatePrincipalPolicy"]
    assert asked[0]["PolicySourceArn"] == f"arn:aws:iam::{ACCOUNT}:user/me"


def test_reserved_functions_are_counted_as_they_are_deployed(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    made = variant({"engine": {"reserved_concurrency": 2}})
    reserving = [
        each
        for each in made.of_type("AWS::Lambda::Function")
        if each.properties.get("ReservedConcurrentExecutions")
    ]

    assert len(reserving) == checkup.RESERVING_FUNCTIONS
