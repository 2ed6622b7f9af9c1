"""A verb of the table asks for all that AWS asks, and a word that nobody knows is refused."""

from __future__ import annotations

from typing import Any

import pytest

from review.decisions.condition_keys import is_known, require_known
from review.decisions.errors import MalformedRequestError, UnknownConditionKeyError
from review.decisions.evaluator import context_of
from review.decisions.purposes import NotFoundError
from review.decisions.request import Request
from review.decisions.stage import Stage
from review.decisions.table import Entry, Row
from review.template.deployment import Deployment


def asked(dev: Deployment, **elements: Any) -> tuple[Request, ...]:
    """The requests of a row made up here."""
    row = {"id": "one", "expect": "denied", "because": "It is asked here.", **elements}
    entry = Entry.model_validate(row)
    made = Row(id="one", who=row["who"], does=row["does"], to=row["to"], entry=entry)
    return Stage(dev).requests(made)


def keys(request: Request) -> dict[str, object]:
    """The condition keys that a request carries by itself."""
    return dict(request.keys)


def test_reading_an_object_asks_for_the_key_in_the_readers_name(dev: Deployment) -> None:
    stage = Stage(dev)
    found, key = asked(dev, who="reader", does="read-object", to="dataset")
    assert (found.action, found.resource) == ("s3:GetObject", stage.arn("dataset"))
    assert (key.action, key.resource) == ("kms:Decrypt", stage.arn("data-key"))
    assert keys(key)["kms:ViaService"] == "s3.us-east-1.amazonaws.com"
    # The bucket's, because of the bucket key.
    assert keys(key)["kms:EncryptionContext:aws:s3:arn"] == stage.arn("data-bucket")
    assert keys(key)["aws:ViaAWSService"] == "true"


def test_without_a_bucket_key_the_context_is_the_object(dev: Deployment) -> None:
    stage = Stage(dev)
    path = "BucketEncryption.ServerSideEncryptionConfiguration.0.BucketKeyEnabled"
    bucket = next(each for each in dev.of_type("AWS::S3::Bucket") if each["LoggingConfiguration"])
    without = dev.put("AWS::S3::Bucket", path, False, where={
        "LoggingConfiguration": bucket["LoggingConfiguration"]})  # fmt: skip
    _, key = asked(without, who="reader", does="read-object", to="dataset")
    assert keys(key)["kms:EncryptionContext:aws:s3:arn"] == stage.arn("dataset")


def test_what_asks_kms_does_not_come_through_the_callers_endpoint(dev: Deployment) -> None:
    row = {"who": "customization-role", "does": "read-object", "to": "dataset"}
    found, key = asked(dev, **row, **{"from": "s3-endpoint"})
    assert found.endpoint is not None
    assert key.endpoint is None
    world = Stage(dev).scene.world
    assert "aws:SourceVpce" in context_of(found, world)
    assert "aws:SourceVpce" not in context_of(key, world)


@pytest.mark.parametrize(
    ("given", "header", "key"),
    [
        ({}, None, "data-key"),
        ({"key": "data-key"}, "aws:kms", "data-key"),
        ({"key": "another-key"}, "aws:kms", "another-key"),
        ({"key": "aws-managed"}, "aws:kms", None),
        ({"encryption": "AES256"}, "AES256", None),
    ],
)
def test_a_write_says_its_encryption_and_uses_that_key(
    given: dict[str, str], header: str | None, key: str | None, dev: Deployment
) -> None:
    found, *used = asked(dev, who="uploader", does="write-object", to="dataset", **{"with": given})
    assert keys(found).get("s3:x-amz-server-side-encryption") == header
    assert [each.resource for each in used] == ([Stage(dev).arn(key)] if key else [])


def test_a_part_creates_nothing_and_is_read_again(dev: Deployment) -> None:
    found, *used = asked(dev, who="uploader", does="write-part", to="dataset")
    assert keys(found)["s3:ObjectCreationOperation"] == "false"
    assert [each.action for each in used] == ["kms:GenerateDataKey", "kms:Decrypt"]


def test_an_interface_is_decided_for_each_of_its_resources(dev: Deployment) -> None:
    found = asked(
        dev, who="customization-role", does="make-interface", to="training-subnet + job-group"
    )
    assert [each.action for each in found] == ["ec2:CreateNetworkInterface"] * 3 + [
        "ec2:CreateTags"
    ]
    kinds = [each.resource.split(":")[5].partition("/")[0] for each in found]
    assert kinds == ["network-interface", "subnet", "security-group", "network-interface"]
    assert "aws:RequestTag/BedrockManaged" not in keys(found[1])


def test_submitting_asks_for_model_job_tags_and_role(dev: Deployment) -> None:
    found = asked(dev, who="submitter", does="submit-job", to="customization-role")
    actions = [each.action for each in found]
    assert actions.count("bedrock:CreateModelCustomizationJob") == 3
    assert actions.count("bedrock:TagResource") == 2
    assert actions[-1] == "iam:PassRole"
    assert found[-1].endpoint is None


def test_a_service_asks_in_its_own_name(dev: Deployment) -> None:
    row = {"who": "cloudwatch", "does": "publish", "to": "topic"}
    _, key, _ = asked(dev, **row, **{"with": {"source": "alarm", "source-account": "{account}"}})
    assert "kms:ViaService" not in keys(key)
    assert keys(key)["aws:SourceArn"] == Stage(dev).arn("alarm")


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"who": "somebody"}, "nobody is known by the name 'somebody'"),
        ({"does": "read"}, "'does' knows no 'read'"),
        ({"to": "basket"}, "nothing is known by the name 'basket'"),
        ({"to": "{basket}"}, "nothing is known by the name 'basket'"),
        ({"with": {"tsl": "none"}}, "'with' knows no 'tsl'"),
        ({"with": {"tls": ["1", "2"]}}, "'tls' is one text"),
        ({"does": "decrypt-through"}, "say 'through-service'"),
        ({"does": "make-interface", "to": "training-subnet"}, "is made in 'subnet \\+ group'"),
    ],
)
def test_a_row_that_means_nothing_is_refused(
    elements: dict[str, Any], message: str, dev: Deployment
) -> None:
    row = {"who": "reader", "does": "read-object", "to": "dataset", **elements}
    with pytest.raises(MalformedRequestError, match=message):
        asked(dev, **row)


def test_what_templates_do_not_hold_is_said_so(dev: Deployment) -> None:
    without = dev.without_resources("AWS::SNS::Topic")
    with pytest.raises(NotFoundError, match="hold no topic") as found:
        asked(without, who="account-admin", does="sns:Subscribe", to="topic")
    assert not found.value.may_be_left_out


def test_condition_keys_have_no_case_and_no_misspellings() -> None:
    for key in ("aws:SourceVpce", "AWS:sourcevpce", "aws:PrincipalTag/x", "s3:TlsVersion",
                "kms:EncryptionContext:aws:s3:arn", "token.actions.example.com:sub"):  # fmt: skip
        assert is_known(key)
    for key in ("aws:SourceVpcee", "aws:PrincipalTag/", "s3:Tls", "sagemaker:VpcSubnets"):
        assert not is_known(key)
        with pytest.raises(UnknownConditionKeyError, match="is not known"):
            require_known(key)
