"""A document that is not understood whole is refused, with what is wrong in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from review.decisions.document import UNRESOLVED, Kind, policy
from review.decisions.errors import MalformedPolicyError
from review.template.problems import Unresolved
from tests.review.decisions.asking import ROLE, allow, ask, deny, document, of, role, world

GOOD = allow()


def parse(value: object, kind: Kind = Kind.IDENTITY) -> None:
    """Take a document apart and throw it away."""
    policy(value, name="the policy", kind=kind)


def test_a_document_may_be_text_and_its_statement_alone() -> None:
    parse(json.dumps(document(GOOD)))
    parse({"Version": "2012-10-17", "Statement": GOOD})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "not a JSON document"),
        ("[" * 100_000, "not a JSON document"),
        ([GOOD], "a policy is an object"),
        (None, "a policy is an object"),
        ({"Version": "2013-10-17", "Statement": [GOOD]}, "Version '2013-10-17' is not known"),
        ({"Version": "2012-10-17", "Statement": []}, "there is no statement"),
        ({"Version": "2012-10-17"}, "statement 1 is no object"),
        ({"Version": "2012-10-17", "Statements": [GOOD]}, "no element 'Statements'"),
        (document("Allow"), "statement 1 is no object"),  # type: ignore[arg-type]  # is refused
        (document({**GOOD, "Sid": 1}), "Sid 1 is no text"),
        (document({**GOOD, "Effect": "allow"}), "Effect is Allow or Deny, got 'allow'"),
        (document({**GOOD, "Actions": "s3:*"}), "no element 'Actions'"),
        (document({"Effect": "Allow", "Action": "s3:*"}), "needs Resource or NotResource"),
        (document({"Effect": "Allow", "Resource": "*"}), "needs Action or NotAction"),
        (document({**GOOD, "NotAction": "s3:*"}), "both Action and NotAction"),
        (document({**GOOD, "Principal": "*"}), "identity policy has no Principal"),
        (document(allow([])), "Action is empty"),
        (document(allow(["s3:GetObject", {"Ref": "Action"}])), "which is no text"),
        (document(allow("GetObject")), "'GetObject' is no action"),
        (document(allow("s3:Get Object")), "is no action"),
        (document(allow(Resource="bucket/*")), "is no resource"),
        (document(allow(Resource={"Fn::GetAtt": ["Bucket", "Arn"]})), "which is no text"),
        (document(allow(Resource="arn:aws:s3:::b/${aws:username")), "a variable is not closed"),
        (document(allow(Resource="arn:aws:s3:::b/${}")), "is none"),
        (document(allow(Condition=["x"])), "Condition is an object"),
        (document(allow(Resource="arn:aws:s3:::<unresolved Bucket>/*")), "templates do not say"),
        (
            document(allow(Condition={"StringEquals": {"aws:SourceVpce": "<unresolved x>"}})),
            "templates do not say",
        ),
    ],
)
def test_what_is_malformed_is_refused(value: object, message: str) -> None:
    with pytest.raises(MalformedPolicyError, match=message):
        parse(value)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"StringEqual": {"aws:SourceVpce": "x"}}, "operator 'StringEqual' is not known"),
        ({"stringequals": {"aws:SourceVpce": "x"}}, "is not known"),
        ({"ForEachValue:StringEquals": {"aws:TagKeys": "x"}}, "is not known"),
        ({"NullIfExists": {"aws:SourceVpce": "true"}}, "Null takes no IfExists"),
        ({"ForAnyValue:Null": {"aws:TagKeys": "true"}}, "Null takes no prefix"),
        ({"Null": {"aws:SourceVpce": "yes"}}, "neither true nor false"),
        ({"Bool": {"aws:SecureTransport": "no"}}, "neither true nor false"),
        ({"NumericLessThan": {"s3:TlsVersion": "low"}}, "is no number"),
        ({"NumericEquals": {"s3:max-keys": "NaN"}}, "is no number"),
        ({"DateLessThan": {"aws:CurrentTime": "soon"}}, "is no time"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}, "neither an address nor a range"),
        ({"BinaryEquals": {"aws:PrincipalTag/x": "?"}}, "not in base64"),
        ({"ArnEquals": {"aws:PrincipalArn": "role/worker"}}, "is no ARN"),
        ({"StringEquals": {"aws:SourceVpce": []}}, "has no value"),
        ({"StringEquals": {"aws:SourceVpce": [{"Ref": "Endpoint"}]}}, "neither text"),
        ({"StringEquals": {"SourceVpce": "x"}}, "is no condition key"),
        ({"StringEquals": {}}, "holds condition keys"),
        ({"StringEquals": "x"}, "holds condition keys"),
    ],
)
def test_a_condition_that_means_nothing_is_refused(condition: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedPolicyError, match=message):
        parse(document(allow(Condition=condition)))


@pytest.mark.parametrize(
    ("principal", "message"),
    [
        ("arn:aws:iam::111122223333:root", "a principal is \\* or an object"),
        ({}, "a principal is \\* or an object"),
        ({"AWS": f"{ROLE}*"}, "aws:PrincipalArn"),
        ({"AWS": "arn:aws:iam::111122223333:role/*"}, "aws:PrincipalArn"),
        ({"AWS": "AROAEXAMPLE"}, "is no principal"),
        ({"CanonicalUser": "0123"}, "no element 'CanonicalUser'"),
        ({"AWS": []}, "is empty"),
        ({"AWS": [{"Fn::GetAtt": ["Role", "Arn"]}]}, "which is no text"),
    ],
)
def test_a_principal_that_aws_has_not_is_refused(principal: object, message: str) -> None:
    with pytest.raises(MalformedPolicyError, match=message):
        parse(document(allow(Principal=principal)), Kind.RESOURCE)


def test_what_the_template_model_cannot_resolve_is_refused() -> None:
    stands_for = Unresolved.at("stack", "Bucket")
    assert UNRESOLVED in stands_for
    with pytest.raises(MalformedPolicyError, match="templates do not say"):
        parse(document(allow(Resource=f"arn:aws:s3:::{stands_for}/*")))
    parse(document(allow(Resource="arn:aws:s3:::Bucket/*")))


def test_each_kind_has_its_own_elements() -> None:
    parse(document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}), Kind.TRUST)
    with pytest.raises(MalformedPolicyError, match="trust policy has no Resource"):
        parse(document(allow("sts:AssumeRole", Principal="*")), Kind.TRUST)
    with pytest.raises(MalformedPolicyError, match="key policy needs Principal"):
        parse(document(allow("kms:*")), Kind.KEY)
    trust = {"Effect": "Deny", "Action": "sts:AssumeRole", "NotPrincipal": "*"}
    with pytest.raises(MalformedPolicyError, match="trust policy takes no NotPrincipal"):
        parse(document(trust), Kind.TRUST)
    with pytest.raises(MalformedPolicyError, match="only denies"):
        parse(document(allow(Principal="*")), Kind.RCP)
    with pytest.raises(MalformedPolicyError, match="principal of a resource control policy is"):
        parse(document(deny(Principal={"AWS": ROLE})), Kind.RCP)


def test_an_error_names_the_policy_and_the_statement() -> None:
    with pytest.raises(MalformedPolicyError, match=r"^the policy: Second: '.+' is no action"):
        parse(document(GOOD, {**allow("nothing"), "Sid": "Second"}))


def test_an_error_holds_no_long_piece_of_a_document() -> None:
    with pytest.raises(MalformedPolicyError) as found:
        parse(document({**GOOD, "Effect": "x" * 10_000}))
    assert len(str(found.value)) < 300


def test_variables_are_none_before_the_version_that_has_them() -> None:
    mine = allow(Resource="arn:aws:s3:::data/${aws:PrincipalTag/team}/*")
    team = {"aws:PrincipalTag/team": "blue"}
    assert ask(role(mine), resource="arn:aws:s3:::data/blue/one", keys=team).allowed
    literal = "arn:aws:s3:::data/${aws:PrincipalTag/team}/one"
    aged = replace(role(), policies=(of(Kind.IDENTITY, mine, version="2008-10-17"),))
    assert not ask(aged, resource="arn:aws:s3:::data/blue/one", keys=team).allowed
    assert ask(aged, resource=literal, keys=team).allowed


def test_a_document_without_a_version_is_of_the_old_one() -> None:
    parse({"Statement": [allow(Resource="arn:aws:s3:::data/${anything")]})
    with pytest.raises(MalformedPolicyError):
        parse({"Version": "2012-10-17", "Statement": [allow(Resource="arn:aws:s3:::d/${x")]})


def test_values_of_json_are_what_they_look_like() -> None:
    condition = {"Bool": {"aws:SecureTransport": True}, "NumericEquals": {"s3:max-keys": 10}}
    assert ask(role(allow(Condition=condition)), keys={"s3:max-keys": "10.0"}).allowed
    assert not ask(role(allow(Condition=condition)), keys={"s3:max-keys": "11"}).allowed
    assert not ask(role(allow()), within=world(deny(Principal="*"))).allowed
