"""What the emulated Bedrock refuses; the sound scene is the twin of each refusal."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from rehearsal.client import Client
from rehearsal.emulator_process import Emulator
from tests.rehearsal.scene import LEGACY, Change, Document, Scene, allow

_NOBODYS_SUBNET = "subnet-0123456789abcdef0"


def test_a_sound_job_completes_and_leaves_model_and_metrics(sound: Scene) -> None:
    job = sound.ended(sound.submit())
    assert job["status"] == "Completed"
    details = job["statusDetails"]
    assert {phase["status"] for phase in details.values()} == {"Completed"}
    model = sound.caller.get_custom_model(modelIdentifier=job["outputModelName"])
    assert model["modelKmsKeyArn"] == sound.ids["ModelKeyArn"]
    folder = f"out/model-customization-job-{job['jobArn'].rsplit('/', 1)[-1]}/"
    table = sound.s3.get_object(
        Bucket=sound.ids["Bucket"], Key=f"{folder}training_artifacts/step_wise_training_metrics.csv"
    )["Body"].read()
    assert table.startswith(b"step_number,epoch_number,training_loss,perplexity\n0,0,")


def test_jobs_and_models_are_found_by_name_and_by_arn(sound: Scene) -> None:
    arn = sound.submit()
    job = sound.ended(arn)
    by_name = sound.caller.get_model_customization_job(jobIdentifier=job["jobName"])
    assert by_name["jobArn"] == arn
    model = sound.caller.get_custom_model(modelIdentifier=job["outputModelArn"])
    assert model["modelName"] == job["outputModelName"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        sound.caller.get_model_customization_job(jobIdentifier="no-such-job")


def test_a_repeated_token_gives_the_job_it_gave_before(sound: Scene) -> None:
    request = sound.request()
    first = sound.caller.create_model_customization_job(**request)["jobArn"]
    again = {**request, "jobName": "another", "customModelName": "another"}
    assert sound.caller.create_model_customization_job(**again)["jobArn"] == first


def test_a_name_in_use_is_refused(sound: Scene) -> None:
    request = sound.request()
    sound.caller.create_model_customization_job(**request)
    with pytest.raises(ClientError, match="job name is currently in use"):
        sound.caller.create_model_customization_job(**{**request, "clientRequestToken": "other"})


def test_a_stopped_job_ends_stopped_and_cannot_be_stopped_again(sound: Scene) -> None:
    arn = sound.submit()
    sound.caller.stop_model_customization_job(jobIdentifier=arn)
    assert sound.ended(arn)["status"] == "Stopped"
    with pytest.raises(ClientError, match="ConflictException"):
        sound.caller.stop_model_customization_job(jobIdentifier=arn)


def test_stopping_is_decided_by_the_tags_of_the_job(sound: Scene) -> None:
    arn = sound.submit(jobTags=[{"key": "owner", "value": "somebody-else"}])
    with pytest.raises(ClientError, match="bedrock:StopModelCustomizationJob"):
        sound.caller.stop_model_customization_job(jobIdentifier=arn)


def test_a_deleted_model_is_gone(sound: Scene) -> None:
    job = sound.ended(sound.submit())
    sound.caller.delete_custom_model(modelIdentifier=job["outputModelName"])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        sound.caller.get_custom_model(modelIdentifier=job["outputModelArn"])


def test_tags_of_jobs_and_models_are_listed(sound: Scene) -> None:
    job = sound.ended(sound.submit())
    for arn in (job["jobArn"], job["outputModelArn"]):
        tags = sound.caller.list_tags_for_resource(resourceARN=arn)["tags"]
        assert tags == [{"key": "owner", "value": sound.name}]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"jobName": "under_score"}, "regular expression pattern"),
        ({"customModelName": "two--dashes"}, "regular expression pattern"),
        ({"customizationType": "FINE_TUNNING"}, "enum value set"),
        ({"trainingDataConfig": {"s3Uri": "s3://bucket/dt=1/x.jsonl"}}, "regular expression"),
        ({"roleArn": "arn:aws:iam::111122223333:user/me"}, "regular expression pattern"),
    ],
)
def test_what_the_api_model_forbids_is_refused(sound: Scene, change: Document, reason: str) -> None:
    assert reason in sound.refusal(**change)


def test_every_mistake_of_a_request_is_named_at_once(sound: Scene) -> None:
    refusal = sound.refusal(jobName="under_score", customizationType="FINE_TUNNING")
    assert "2 validation errors detected" in refusal


def test_a_legacy_model_takes_no_job(sound: Scene) -> None:
    assert "Legacy" in sound.refusal(baseModelIdentifier=LEGACY)


def test_a_method_the_model_does_not_have_is_refused(sound: Scene) -> None:
    assert "does not support DISTILLATION" in sound.refusal(customizationType="DISTILLATION")


def test_a_subnet_that_is_not_there_is_refused(sound: Scene) -> None:
    vpc = {"subnetIds": [_NOBODYS_SUBNET], "securityGroupIds": [sound.ids["Group"]]}
    assert f"'{_NOBODYS_SUBNET}' does not exist" in sound.refusal(vpcConfig=vpc)


def test_missing_training_data_fails_the_job(sound: Scene) -> None:
    uri = f"s3://{sound.ids['Bucket']}/data/absent.jsonl"
    assert "does not exist" in sound.outcome(trainingDataConfig={"s3Uri": uri})


def _statements(resources: Document, role: str) -> list[Document]:
    found: list[Document] = resources[role]["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    return found


def _without(resources: Document, role: str, action: str) -> None:
    """Take every statement away that names the action."""
    kept = [s for s in _statements(resources, role) if action not in s["Action"]]
    assert len(kept) < len(_statements(resources, role))
    _statements(resources, role)[:] = kept


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("iam:PassRole", "iam:PassRole on resource"),
        ("bedrock:CreateModelCustomizationJob", "foundation-model/amazon.nova-2-lite-v1:0:256k"),
        ("bedrock:TagResource", "bedrock:TagResource on resource"),
        ("kms:CreateGrant", "kms:DescribeKey on resource"),
    ],
)
def test_a_caller_without_a_permission_is_refused(scene: Scene, action: str, reason: str) -> None:
    scene.changed(lambda resources: _without(resources, "Caller", action))
    refusal = scene.refusal()
    assert reason in refusal
    assert "because no identity-based policy allows" in refusal


@pytest.mark.parametrize("kind", ["custom-model", "model-customization-job"])
def test_submitting_is_decided_on_every_resource_type(scene: Scene, kind: str) -> None:
    def narrow(resources: Document) -> None:
        statement = _statements(resources, "Caller")[0]
        statement["Resource"] = [r for r in statement["Resource"] if f":{kind}/" not in r]

    scene.changed(narrow)
    assert f":{kind}/*" in scene.refusal()


def test_a_condition_on_tags_is_decided_with_the_tags_that_are_sent(scene: Scene) -> None:
    def require(resources: Document) -> None:
        statement = _statements(resources, "Caller")[0]
        statement["Condition"] = {"StringEquals": {"aws:RequestTag/owner": scene.name}}

    scene.changed(require)
    assert "CreateModelCustomizationJob" in scene.refusal(jobTags=[], customModelTags=[])
    assert scene.submit()


@pytest.mark.parametrize(
    ("condition", "value"),
    [("aws:SourceAccount", "999999999999"), ("aws:SourceArn", "arn:aws:bedrock:*:*:other/*")],
)
def test_a_role_that_trusts_other_jobs_is_refused(scene: Scene, condition: str, value: str) -> None:
    def distrust(resources: Document) -> None:
        policy = resources["Customization"]["Properties"]["AssumeRolePolicyDocument"]
        for block in policy["Statement"][0]["Condition"].values():
            if condition in block:
                block[condition] = value

    scene.changed(distrust)
    assert "Could not assume provided IAM role" in scene.refusal()


def test_a_role_without_the_model_key_is_refused(scene: Scene) -> None:
    scene.changed(lambda resources: _without(resources, "Customization", "kms:CreateGrant"))
    assert "may not use the model key" in scene.refusal()


def _only_through(service: str) -> Change:
    def change(resources: Document) -> None:
        for key in ("DataKey", "ModelKey"):
            for statement in resources[key]["Properties"]["KeyPolicy"]["Statement"][1:]:
                statement["Condition"]["StringEquals"]["kms:ViaService"] = service

    return change


def test_a_key_that_bedrock_may_not_use_for_them_is_refused(scene: Scene) -> None:
    scene.changed(_only_through("s3.eu-central-1.amazonaws.com"))
    assert "no resource-based policy allows the kms:" in scene.refusal()


def test_a_data_key_that_s3_may_not_use_fails_the_job(scene: Scene) -> None:
    scene.changed(_only_through("bedrock.eu-central-1.amazonaws.com"))
    assert "no resource-based policy allows the kms:Decrypt" in scene.outcome()


def test_the_encryption_context_is_the_bucket(scene: Scene) -> None:
    def object_as_context(resources: Document) -> None:
        for statement in _statements(resources, "Customization"):
            block = statement.get("Condition", {}).get("StringEquals", {})
            if "kms:EncryptionContext:aws:s3:arn" in block:
                block["kms:EncryptionContext:aws:s3:arn"] = {
                    "Fn::Sub": "${Bucket.Arn}/data/train.jsonl"
                }

    scene.changed(object_as_context)
    assert "kms:Decrypt" in scene.outcome()


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("s3:GetObject", "Could not validate GetObject permissions"),
        ("s3:ListBucket", "s3:ListBucket on resource"),
        ("ec2:Describe*", "ec2:DescribeNetworkInterfaces"),
        ("ec2:CreateTags", "ec2:CreateTags on resource"),
        ("ec2:CreateNetworkInterfacePermission", "ec2:CreateNetworkInterfacePermission"),
    ],
)
def test_a_role_without_a_permission_fails_the_job(scene: Scene, action: str, reason: str) -> None:
    scene.changed(lambda resources: _without(resources, "Customization", action))
    assert reason in scene.outcome()


def test_the_write_probe_must_be_allowed(scene: Scene) -> None:
    def results_only(resources: Document) -> None:
        statement = _statements(resources, "Customization")[0]
        statement["Resource"] = [
            {"Fn::Sub": "${Bucket.Arn}/data/*"},
            {"Fn::Sub": "${Bucket.Arn}/out/model-customization-job-*"},
        ]

    scene.changed(results_only)
    assert "out/.write_access_check_file.tmp" in scene.outcome()


def test_the_endpoint_policy_decides_reads_and_writes(scene: Scene) -> None:
    def read_only(resources: Document) -> None:
        policy = resources["S3Endpoint"]["Properties"]["PolicyDocument"]
        policy["Statement"][0]["Action"] = ["s3:GetObject", "s3:ListBucket"]

    scene.changed(read_only)
    assert "no VPC endpoint policy allows the s3:PutObject action" in scene.outcome()


def _pinned_to(endpoint: object) -> Change:
    def change(resources: Document) -> None:
        statement = {
            **allow("s3:*", "*"),
            "Effect": "Deny",
            "Principal": "*",
            "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
            "Condition": {
                "StringNotEquals": {"aws:SourceVpce": endpoint},
                "ArnEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["Customization", "Arn"]}},
            },
        }
        resources["Policy"] = {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
        }

    return change


def test_a_bucket_pinned_to_the_jobs_endpoint_lets_it_read(scene: Scene) -> None:
    scene.changed(_pinned_to({"Ref": "S3Endpoint"}))
    assert scene.outcome() == "Completed"


def test_a_bucket_pinned_to_another_endpoint_does_not(scene: Scene) -> None:
    scene.changed(_pinned_to({"Ref": "KmsEndpoint"}))
    assert "explicit deny in a resource-based policy" in scene.outcome()


def test_a_job_outside_the_vpc_does_not_come_through_the_endpoint(scene: Scene) -> None:
    scene.changed(_pinned_to({"Ref": "S3Endpoint"}))
    request = scene.request()
    del request["vpcConfig"]
    arn = scene.caller.create_model_customization_job(**request)["jobArn"]
    assert "explicit deny" in scene.ended(arn)["failureMessage"]


@pytest.mark.parametrize("rule", ["FromItself", "ToItself"])
def test_workers_must_reach_one_another_both_ways(scene: Scene, rule: str) -> None:
    scene.changed(lambda resources: resources.pop(rule))
    assert "communication between worker nodes" in scene.outcome()


def test_the_group_must_let_https_out_to_s3(scene: Scene) -> None:
    def other_list(resources: Document) -> None:
        rule = resources["Group"]["Properties"]["SecurityGroupEgress"][0]
        rule["DestinationPrefixListId"] = "pl-0cccccccccccccccc"

    scene.changed(other_list)
    assert "no security group of the job allows TCP 443 egress" in scene.outcome()


def test_every_subnet_needs_a_route_to_the_endpoint(scene: Scene) -> None:
    scene.changed(lambda resources: resources.pop("SubnetBRoutes"))
    assert "have no route to a gateway endpoint for s3" in scene.outcome()


def test_interfaces_exist_while_the_job_runs_and_go_with_it(
    emulator: Emulator, sound: Scene
) -> None:
    # Long enough to be looked at, on a slow machine too.
    pace = emulator.state / "job-seconds"
    pace.write_text("5", encoding="utf-8")
    try:
        arn = sound.submit()
    finally:
        pace.unlink()
    mine = [{"Name": "tag:BedrockModelCustomizationJobArn", "Values": [arn]}]

    def interfaces() -> list[Document]:
        found: list[Document] = sound.ec2.describe_network_interfaces(Filters=mine)[
            "NetworkInterfaces"
        ]
        return found

    seen: list[Document] = []
    deadline = time.monotonic() + 120
    while not seen and time.monotonic() < deadline:
        seen = interfaces()
    assert {interface["VpcId"] for interface in seen} == {sound.ids["Vpc"]}
    assert {tag["Key"]: tag["Value"] for tag in seen[0]["TagSet"]}["BedrockManaged"] == "true"
    sound.ended(arn)
    while interfaces():
        assert time.monotonic() < deadline, "the interfaces stay"
        time.sleep(0.05)


def test_events_carry_the_status_as_job_status(root: Client, sound: Scene) -> None:
    sqs, events = root.service("sqs"), root.service("events")
    queue = sqs.create_queue(QueueName="job-events")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{root.region}:{root.account}:job-events"
    pattern = '{"source": ["aws.bedrock"], "detail": {"jobStatus": ["Completed"]}}'
    events.put_rule(Name="jobs", EventPattern=pattern)
    events.put_targets(Rule="jobs", Targets=[{"Id": "queue", "Arn": queue_arn}])
    sqs.set_queue_attributes(
        QueueUrl=queue,
        Attributes={
            "Policy": '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": '
            '{"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}]}'
        },
    )
    job = sound.ended(sound.submit())
    answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)
    assert job["jobName"] in answer["Messages"][0]["Body"]


def test_a_denial_of_what_is_not_there_is_answered_and_not_held_against_the_rehearsal(
    emulator: Emulator, sound: Scene
) -> None:
    def refused(job: str) -> str:
        with pytest.raises(ClientError, match="AccessDenied"):
            sound.caller.stop_model_customization_job(jobIdentifier=job)
        return (emulator.state / "refusals.jsonl").read_text(encoding="utf-8")

    there = sound.submit(jobTags=[{"key": "owner", "value": "somebody"}])
    gone = f"{there.rpartition('/')[0]}/000000000000"
    assert gone not in refused(gone)
    assert there in refused(there)
    sound.ended(there)
