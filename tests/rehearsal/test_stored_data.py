"""Objects as people and roles read and write them: bucket policies and the key behind."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal import people
from tests.rehearsal.scene import Document, Scene, allow


def _person(scene: Scene, name: str) -> Any:  # noqa: ANN401 - boto3's clients are untyped here
    return people.become(client=scene.client, people=[f"role/{name}"], session_name="test").service(
        "s3"
    )


def _guarded(resources: Document) -> None:
    """Data is for people called alice; below `once/` a key is written once."""
    objects, account = {"Fn::Sub": "${Bucket.Arn}/*"}, {"Ref": "AWS::AccountId"}
    alice = {"Fn::Join": ["", ["arn:aws:iam::", account, ":role/alice*"]]}
    resources["Policy"] = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        **allow(["s3:GetObject", "s3:PutObject"], "*"),
                        "Effect": "Deny",
                        "Principal": "*",
                        "Resource": objects,
                        "Condition": {"ArnNotLike": {"aws:PrincipalArn": [alice]}},
                    },
                    {
                        **allow("s3:PutObject", "*"),
                        "Effect": "Deny",
                        "Principal": "*",
                        "Resource": {"Fn::Sub": "${Bucket.Arn}/once/*"},
                        "Condition": {
                            "Null": {"s3:if-none-match": "true"},
                            "Bool": {"s3:ObjectCreationOperation": "true"},
                        },
                    },
                    {
                        **allow("s3:*", "*"),
                        "Effect": "Deny",
                        "Principal": "*",
                        "Resource": objects,
                        "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
                    },
                ],
            },
        },
    }


def test_the_principal_of_a_session_is_its_role(scene: Scene) -> None:
    scene.changed(_guarded)
    bucket = scene.ids["Bucket"]
    _person(scene, "alice").put_object(Bucket=bucket, Key="a", Body=b"a")
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        _person(scene, "bob").put_object(Bucket=bucket, Key="b", Body=b"b")


def test_a_write_once_prefix_takes_each_key_once(scene: Scene) -> None:
    scene.changed(_guarded)
    alice, bucket = _person(scene, "alice"), scene.ids["Bucket"]
    with pytest.raises(ClientError, match="explicit deny"):
        alice.put_object(Bucket=bucket, Key="once/a", Body=b"1")
    alice.put_object(Bucket=bucket, Key="once/a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        alice.put_object(Bucket=bucket, Key="once/a", Body=b"2", IfNoneMatch="*")


def test_a_key_that_does_not_know_a_person_hides_the_data(scene: Scene) -> None:
    alice, bucket = _person(scene, "alice"), scene.ids["Bucket"]
    assert alice.get_object(Bucket=bucket, Key="data/train.jsonl")["Body"].read() == b"{}\n"

    def for_others(resources: Document) -> None:
        statement = resources["DataKey"]["Properties"]["KeyPolicy"]["Statement"][1]
        statement["Condition"]["ArnEquals"] = {
            "aws:PrincipalArn": f"arn:aws:iam::{scene.client.account}:role/bob"
        }

    scene.changed(for_others)
    with pytest.raises(ClientError, match="no resource-based policy allows the kms:Decrypt"):
        alice.get_object(Bucket=bucket, Key="data/train.jsonl")
    # Looking whether it is there needs no key.
    assert alice.head_object(Bucket=bucket, Key="data/train.jsonl")["ContentLength"] == 3
