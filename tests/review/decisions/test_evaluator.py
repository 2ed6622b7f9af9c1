"""The evaluator decides as AWS's pages say; each claim stands beside what makes it false."""

from __future__ import annotations

import pytest

from review.decisions.document import Kind
from review.decisions.errors import (
    MalformedPolicyError,
    MalformedRequestError,
    UndecidableError,
    UnknownConditionKeyError,
)
from review.decisions.evaluator import context_of
from review.decisions.request import Principal, Request, Who
from tests.review.decisions.asking import (
    ACCOUNT_ROOT,
    ANONYMOUS,
    BUCKET,
    EVERYTHING,
    KEY,
    OBJECT,
    OURS,
    ROLE,
    ROOT,
    SESSION,
    THEIRS,
    USER,
    allow,
    ask,
    deny,
    of,
    outsider,
    role,
    service,
    user,
    world,
)

TAKEN = f"arn:aws:iam::{OURS}:role/taken"


# Identity policies.


def test_nothing_is_allowed_that_no_statement_allows() -> None:
    assert not ask(role()).allowed
    assert ask(role(allow())).allowed


def test_a_deny_decides_over_every_allow() -> None:
    decision = ask(role(EVERYTHING, deny()))
    assert not decision.allowed
    assert decision.explicit
    assert ask(role(EVERYTHING, deny("s3:PutObject"))).allowed


def test_a_decision_names_the_statement() -> None:
    denied = ask(role(EVERYTHING, deny(Sid="Closed")))
    assert str(denied) == "Closed of identity policy denies it"
    allowed = ask(role(deny("s3:PutObject"), EVERYTHING))
    assert allowed.reasons[0].statement == "statement 2"


@pytest.mark.parametrize(
    "action", ["s3:GetObject", "S3:getobject", "s3:Get*", "s3:?etObject", "s3:*", "*", "*:*"]
)
def test_actions_match_without_case_and_with_wildcards(action: str) -> None:
    assert ask(role(allow(action))).allowed


@pytest.mark.parametrize("action", ["s3:GetObjectVersion", "s3:Ge", "kms:*", "s3:Get?bject?"])
def test_other_actions_do_not_match(action: str) -> None:
    assert not ask(role(allow(action))).allowed


def test_not_action_and_not_resource_are_everything_else() -> None:
    other = {"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}
    assert ask(role(other)).allowed
    assert not ask(role(other), "s3:PutObject").allowed
    elsewhere = {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/outputs/*"}
    assert not ask(role(elsewhere)).allowed
    assert ask(role(elsewhere), resource=f"{BUCKET}/datasets/one").allowed


# Resource policies in the account.


def test_a_bucket_policy_lets_a_role_in_that_has_no_policy() -> None:
    assert ask(role(), within=world(allow(Principal={"AWS": ROLE}))).allowed
    assert not ask(role(), within=world(allow(Principal={"AWS": USER}))).allowed


def test_naming_the_account_leaves_it_to_identity_policies() -> None:
    named = world(allow(Principal={"AWS": OURS}))
    assert not ask(role(), within=named).allowed
    assert ask(role(allow()), within=named).allowed


@pytest.mark.parametrize("everyone", ["*", {"AWS": "*"}])
def test_everyone_is_everyone(everyone: object) -> None:
    public = world(allow(Principal=everyone))
    for principal in (role(), user(), ANONYMOUS, service(), ACCOUNT_ROOT):
        assert ask(principal, within=public).allowed
    assert not ask(outsider(), within=public).allowed
    assert ask(outsider(allow()), within=public).allowed


def test_a_deny_for_everyone_is_for_services_too() -> None:
    assert not ask(service(), within=world(allow(Principal="*"), deny(Principal="*"))).allowed


def test_a_service_is_matched_by_its_own_name_alone() -> None:
    named = world(allow(Principal={"Service": "events.amazonaws.com"}))
    assert ask(service(), within=named).allowed
    assert not ask(service("s3.amazonaws.com"), within=named).allowed
    assert not ask(role(EVERYTHING), within=world(deny(Principal="*"))).allowed


def test_nobody_unsigned_uses_a_key() -> None:
    public = world(allow("kms:*", Principal="*"), on=KEY, kind=Kind.KEY)
    assert not ask(ANONYMOUS, "kms:Decrypt", KEY, within=public).allowed
    assert ask(role(), "kms:Decrypt", KEY, within=public).allowed


def test_the_accounts_root_needs_no_policy_of_its_own_and_obeys_denials() -> None:
    assert ask(ACCOUNT_ROOT).allowed
    assert not ask(ACCOUNT_ROOT, within=world(deny(Principal="*"))).allowed


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html


@pytest.mark.parametrize("limit", ["boundary", "session_policies"])
@pytest.mark.parametrize(
    ("principal", "allowed"),
    [({"AWS": ROLE}, False), ({"AWS": SESSION}, True), ("*", True), ({"AWS": OURS}, False)],
    ids=["role", "session", "everyone", "account"],
)
def test_limits_hold_where_the_role_is_named_and_not_where_its_session_is(
    limit: str, principal: object, allowed: bool
) -> None:
    kind = Kind.BOUNDARY if limit == "boundary" else Kind.SESSION
    narrow = of(kind, allow("s3:PutObject"))
    limited = role(EVERYTHING, **{limit: narrow if limit == "boundary" else (narrow,)})
    within = world(allow(Principal=principal))
    assert ask(limited, within=within).allowed is allowed
    assert ask(limited, "s3:PutObject", within=within).allowed


def test_a_boundary_does_not_limit_what_names_the_user() -> None:
    limited = user(boundary=of(Kind.BOUNDARY, allow("s3:PutObject")))
    assert ask(limited, within=world(allow(Principal={"AWS": USER}))).allowed
    assert not ask(limited, within=world(allow(Principal={"AWS": OURS}))).allowed


def test_a_boundary_takes_away_and_gives_nothing() -> None:
    open_ = of(Kind.BOUNDARY, EVERYTHING)
    assert ask(role(allow(), boundary=open_)).allowed
    assert not ask(role(boundary=open_)).allowed
    assert not ask(role(allow(), boundary=of(Kind.BOUNDARY, allow("kms:*")))).allowed


def test_one_of_several_session_policies_is_enough() -> None:
    two = (of(Kind.SESSION, allow("kms:*")), of(Kind.SESSION, allow("s3:*")))
    assert ask(role(EVERYTHING, session_policies=two)).allowed
    assert not ask(role(EVERYTHING, session_policies=two[:1])).allowed


# Other accounts.


def test_another_account_needs_both_sides() -> None:
    named = world(allow(Principal={"AWS": THEIRS}))
    assert ask(outsider(allow()), within=named).allowed
    assert not ask(outsider(), within=named).allowed
    assert not ask(outsider(allow()), within=world()).allowed


def test_where_the_arn_names_no_account_the_request_says_whose_it_is() -> None:
    request = Request(
        principal=role(EVERYTHING), action="s3:GetObject", resource=OBJECT, resource_account=THEIRS
    )
    assert context_of(request, world())["aws:ResourceAccount"] == THEIRS
    assert (
        context_of(Request(principal=role(), action="s3:GetObject", resource=OBJECT), world())[
            "aws:ResourceAccount"
        ]
        == OURS
    )


# Keys and roles: their own policies decide.


def test_permissions_do_not_open_a_key_whose_policy_does_not_name_the_account() -> None:
    closed = world(allow("kms:Decrypt", Principal={"AWS": USER}), on=KEY, kind=Kind.KEY)
    assert not ask(role(EVERYTHING), "kms:Decrypt", KEY, within=closed).allowed
    delegated = world(allow("kms:*", Principal={"AWS": ROOT}), on=KEY, kind=Kind.KEY)
    assert ask(role(EVERYTHING), "kms:Decrypt", KEY, within=delegated).allowed
    assert not ask(role(), "kms:Decrypt", KEY, within=delegated).allowed


def test_the_root_user_uses_a_key_only_where_the_key_names_the_account() -> None:
    closed = world(allow("kms:*", Principal={"AWS": ROLE}), on=KEY, kind=Kind.KEY)
    assert not ask(ACCOUNT_ROOT, "kms:Decrypt", KEY, within=closed).allowed
    open_ = world(allow("kms:*", Principal={"AWS": ROOT}), on=KEY, kind=Kind.KEY)
    assert ask(ACCOUNT_ROOT, "kms:Decrypt", KEY, within=open_).allowed


def _trust(**principal: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": "sts:AssumeRole", **principal}


def test_a_role_is_taken_by_whom_it_trusts() -> None:
    trusting = world(_trust(Principal={"AWS": ROLE}), on=TAKEN, kind=Kind.TRUST)
    assert ask(role(), "sts:AssumeRole", TAKEN, within=trusting).allowed
    assert not ask(user(EVERYTHING), "sts:AssumeRole", TAKEN, within=trusting).allowed


def test_a_role_that_trusts_the_account_leaves_it_to_identity_policies() -> None:
    trusting = world(_trust(Principal={"AWS": OURS}), on=TAKEN, kind=Kind.TRUST)
    assert ask(role(allow("sts:AssumeRole")), "sts:AssumeRole", TAKEN, within=trusting).allowed
    assert not ask(role(), "sts:AssumeRole", TAKEN, within=trusting).allowed


def test_no_root_user_takes_a_role() -> None:
    trusting = world(_trust(Principal="*"), on=TAKEN, kind=Kind.TRUST)
    assert not ask(ACCOUNT_ROOT, "sts:AssumeRole", TAKEN, within=trusting).allowed


def test_who_passes_a_role_is_not_what_its_trust_is_about() -> None:
    trusting = world(_trust(Principal={"AWS": ROLE}), on=TAKEN, kind=Kind.TRUST)
    assert not ask(role(), "iam:PassRole", TAKEN, within=trusting).allowed
    assert ask(role(allow("iam:PassRole")), "iam:PassRole", TAKEN, within=trusting).allowed


def test_a_web_identity_is_trusted_by_its_provider() -> None:
    provider = f"arn:aws:iam::{OURS}:oidc-provider/token.example.com"
    visitor = Principal(who=Who.WEB_IDENTITY, name="visitor", arn=provider)
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider},
        "Condition": {"StringEquals": {"token.example.com:sub": "repo:ours"}},
    }
    trusting = world(statement, on=TAKEN, kind=Kind.TRUST)
    action = "sts:AssumeRoleWithWebIdentity"
    sub = {"token.example.com:sub": "repo:ours"}
    assert ask(visitor, action, TAKEN, within=trusting, keys=sub).allowed
    other = {"token.example.com:sub": "repo:theirs"}
    assert not ask(visitor, action, TAKEN, within=trusting, keys=other).allowed


# NotPrincipal.


def test_not_principal_leaves_out_who_is_named_in_every_layer() -> None:
    for named, denied in (
        ([ROOT, ROLE, SESSION], False),
        ([ROOT, ROLE], True),
        ([ROOT], True),
        ([ROLE, SESSION], True),
    ):
        within = world(deny(NotPrincipal={"AWS": named}))
        assert ask(role(EVERYTHING), within=within).allowed is not denied
    assert ask(user(EVERYTHING), within=world(deny(NotPrincipal={"AWS": [ROOT, USER]}))).allowed
    assert not ask(ANONYMOUS, within=world(allow(Principal="*"), deny(NotPrincipal="*"))).explicit


def test_not_principal_leaves_out_nobody_who_has_a_boundary() -> None:
    within = world(deny(NotPrincipal={"AWS": [ROOT, ROLE, SESSION]}))
    assert ask(role(EVERYTHING), within=within).allowed
    bounded = role(EVERYTHING, boundary=of(Kind.BOUNDARY, EVERYTHING))
    assert not ask(bounded, within=within).allowed
    assert ask(bounded).allowed


def test_an_allow_with_not_principal_is_for_everybody_else() -> None:
    within = world(allow(NotPrincipal={"AWS": [ROOT, USER]}))
    assert ask(ANONYMOUS, within=within).allowed
    assert not ask(user(), within=within).allowed


# Endpoints.


def test_an_endpoint_lets_through_what_its_policy_allows() -> None:
    narrow = world(endpoint=(allow(Principal="*", Resource=f"{BUCKET}/*"),))
    assert ask(role(EVERYTHING), within=narrow, endpoint="vpce-1").allowed
    other = "arn:aws:s3:::other/one"
    decision = ask(role(EVERYTHING), resource=other, within=narrow, endpoint="vpce-1")
    assert not decision.allowed
    assert "lets it not through" in str(decision)
    assert ask(role(EVERYTHING), resource=other, within=narrow).allowed


def test_an_endpoint_without_a_policy_lets_everything_through() -> None:
    assert ask(role(EVERYTHING), endpoint="vpce-1").allowed
    assert not ask(role(), endpoint="vpce-1").allowed


def test_only_what_comes_through_an_endpoint_carries_its_id() -> None:
    inside = allow(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    assert ask(role(inside), endpoint="vpce-1").allowed
    assert not ask(role(inside)).allowed


def test_a_gateway_endpoints_policy_names_everyone_or_is_refused() -> None:
    within = world(endpoint=(allow(Principal={"AWS": ROLE}),))
    with pytest.raises(MalformedPolicyError, match="aws:PrincipalArn"):
        ask(role(EVERYTHING), within=within, endpoint="vpce-1")
    kms = world(
        allow("kms:*", Principal={"AWS": ROOT}),
        on=KEY,
        kind=Kind.KEY,
        endpoint=(allow("kms:*", Principal={"AWS": ROLE}),),
    )
    assert ask(role(EVERYTHING), "kms:Decrypt", KEY, within=kms, endpoint="vpce-1").allowed


def test_an_endpoint_that_nobody_knows_is_no_way_in() -> None:
    with pytest.raises(UndecidableError, match="vpce-2"):
        ask(role(EVERYTHING), endpoint="vpce-2")


# Organizations.


def test_every_level_of_an_organization_has_to_allow() -> None:
    open_, kms = of(Kind.SCP, EVERYTHING), of(Kind.SCP, allow("kms:*"))
    assert ask(role(EVERYTHING), within=world(scps=((open_,), (open_, kms)))).allowed
    assert not ask(role(EVERYTHING), within=world(scps=((open_,), (kms,)))).allowed
    assert not ask(role(EVERYTHING), within=world(scps=((open_,), ()))).allowed
    assert not ask(role(), within=world(scps=((open_,),))).allowed


def test_an_organization_binds_the_root_user_and_no_service() -> None:
    narrow = (of(Kind.SCP, allow("kms:*")),)
    assert not ask(ACCOUNT_ROOT, within=world(scps=(narrow,))).allowed
    public = world(allow(Principal="*"), scps=(narrow,))
    assert ask(service(), within=public).allowed
    assert ask(ANONYMOUS, within=public).allowed


def test_a_resource_control_policy_binds_other_accounts_too() -> None:
    perimeter = of(
        Kind.RCP,
        deny(
            "s3:*",
            Principal="*",
            Condition={
                "StringNotEqualsIfExists": {"aws:PrincipalAccount": OURS},
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
            },
        ),
    )
    public = (allow(Principal="*"),)
    assert ask(outsider(EVERYTHING), within=world(*public)).allowed
    within = world(*public, rcps=((perimeter,),))
    assert not ask(outsider(EVERYTHING), within=within).allowed
    assert not ask(ANONYMOUS, within=within).allowed
    assert ask(role(), within=within).allowed
    assert ask(service(), within=within).allowed


def test_a_resource_control_policy_says_nothing_of_other_services() -> None:
    closed = ((of(Kind.RCP, deny("*", Principal="*")),),)
    function = f"arn:aws:lambda:us-east-1:{OURS}:function:one"
    within = world(rcps=closed)
    assert ask(role(EVERYTHING), "lambda:InvokeFunction", function, within=within).allowed
    assert not ask(role(EVERYTHING), within=within).allowed


# Conditions on who asks.


def test_a_sessions_principal_arn_is_its_role() -> None:
    condition = {"ArnEquals": {"aws:PrincipalArn": ROLE}}
    assert ask(role(allow(Condition=condition))).allowed
    assert not ask(user(allow(Condition=condition))).allowed


def test_an_anonymous_caller_has_no_arn() -> None:
    others = deny(Principal="*", Condition={"ArnNotEquals": {"aws:PrincipalArn": ROLE}})
    assert not ask(ANONYMOUS, within=world(allow(Principal="*"), others)).allowed
    assert ask(role(), within=world(allow(Principal="*"), others)).allowed


def test_the_keys_of_a_request_replace_what_is_worked_out() -> None:
    plain = deny(Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert ask(role(EVERYTHING, plain)).allowed
    assert not ask(role(EVERYTHING, plain), keys={"aws:SecureTransport": "false"}).allowed
    assert ask(role(EVERYTHING, plain), keys={"aws:securetransport": None}).allowed


# What is not known is no answer.


def test_a_key_that_no_request_carries_is_an_error_where_it_would_decide() -> None:
    misspelt = deny(Condition={"StringNotEquals": {"aws:SourceVpcee": "vpce-1"}})
    with pytest.raises(UnknownConditionKeyError, match="aws:sourcevpcee"):
        ask(role(EVERYTHING, misspelt))
    assert ask(role(EVERYTHING, misspelt), "s3:PutObject").allowed


def test_several_values_need_a_set_operator() -> None:
    single = allow(Condition={"StringEquals": {"aws:TagKeys": ["one", "two"]}})
    with pytest.raises(MalformedPolicyError, match="ForAllValues"):
        ask(role(single), keys={"aws:TagKeys": ("one", "two")})
    assert ask(role(single), keys={"aws:TagKeys": ("one",)}).allowed


def test_a_question_that_aws_is_never_asked_is_refused() -> None:
    with pytest.raises(MalformedRequestError, match="service:Action"):
        ask(role(), "GetObject")
    with pytest.raises(MalformedRequestError, match="service:Action"):
        ask(role(), "s3:*")
    with pytest.raises(MalformedRequestError, match="is an ARN"):
        ask(role(), resource="data/outputs")
    with pytest.raises(MalformedRequestError, match="has an ARN"):
        Principal(who=Who.ROLE, name="nobody")
    with pytest.raises(MalformedRequestError, match="has a name"):
        Principal(who=Who.SERVICE, name="nobody")
