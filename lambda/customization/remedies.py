"""What Bedrock's error texts mean here, and what to do about each.

Texts from https://docs.aws.amazon.com/bedrock/latest/userguide/fine-tuning-troubleshooting.html and
from the field. A text that may come from a choice this app leaves open names its setting.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A known error: words that tell it, its likely cause, and what to do.

    `passing` marks errors that also come while a new role, policy or key is not yet known
    everywhere in AWS, and then go away by themselves.
    """

    words: tuple[str, ...]
    cause: str
    action: str
    passing: bool = False

    def tells(self, text: str) -> bool:
        """Return whether an error text holds all the words, whatever their case."""
        lowered = text.lower()
        return all(word in lowered for word in self.words)


REMEDIES: Final[tuple[Remedy, ...]] = (
    Remedy(
        words=("could not assume provided iam role",),
        cause="the customization role's trust policy does not admit Bedrock for this account and "
        "Region, or the role is too new",
        action="check the role's trust (aws:SourceAccount, aws:SourceArn), then deploy again",
        passing=True,
    ),
    Remedy(
        words=("could not validate getobject permissions",),
        cause="the customization role cannot read the data: its S3 policy, the bucket policy, "
        "the S3 endpoint policy or the data key's policy refuses it, or the bucket is in another "
        "Region",
        action="check that the role has s3:GetObject and s3:ListBucket on the prefix and "
        "kms:Decrypt through S3; if they are there, Bedrock's check may not come through the VPC: "
        "try storage.require_endpoint: false",
        passing=True,
    ),
    Remedy(
        words=("could not validate putobject permissions",),
        cause="the customization role cannot write below the output prefix, where Bedrock first "
        "puts .write_access_check_file.tmp",
        action="check that the role has s3:PutObject on the whole output prefix and "
        "kms:GenerateDataKey through S3; if they are there, try storage.require_endpoint: false",
        passing=True,
    ),
    Remedy(
        words=("vpc endpoint policy",),
        cause="the endpoint's policy does not allow this call",
        action="deploy the access stack again; the policy is made from customization.calls",
        passing=True,
    ),
    Remedy(
        words=("iam:passrole",),
        cause="the submitter may not pass this role to Bedrock",
        action="check that the request's roleArn is the environment's customization role",
        passing=True,
    ),
    Remedy(
        words=("not authorized to perform", "kms:"),
        cause="the key's policy does not allow the call",
        action="check the key in the error; if it is the model key and the caller is the "
        "submitter, set keys.submitter_uses_model_key: true",
        passing=True,
    ),
    Remedy(
        words=("not authorized to perform", "ec2:"),
        cause="the customization role may not make the job's network interfaces",
        action="deploy the access stack again: its policy follows the subnets and groups",
        passing=True,
    ),
    Remedy(
        words=("not authorized to perform",),
        cause="a policy of the role, the endpoint or the account does not allow the call",
        action="read the action and resource in the error and find the policy that lacks them",
    ),
    Remedy(
        words=("communication between worker nodes and leader node is broken",),
        cause="the job's security group does not admit all traffic from and to itself",
        action="let the job's group talk to itself on all protocols, both ways",
    ),
    Remedy(
        words=("failed to download data",),
        cause="the job's network cannot reach the data in S3",
        action="check the S3 endpoint's policy and route tables, the job group's rule to the S3 "
        "prefix list, and that there is a training subnet in every zone Bedrock uses",
    ),
    Remedy(
        words=("unable to parse amazon s3 file",),
        cause="the data is not JSON Lines in the form the base model takes",
        action="run finetune data check on the file, correct it, push it and deploy again",
    ),
    Remedy(
        words=("input data at", "must follow"),
        cause="a record is not in the form the base model takes",
        action="run finetune data check on the file, correct it, push it and deploy again",
    ),
    Remedy(
        words=("uri should be a file, not a directory",),
        cause="the data's URI names a prefix",
        action="push the file with finetune data push and deploy again",
    ),
    Remedy(
        words=("name is currently in use",),
        cause="a job or model of this name exists already",
        action="delete what holds the name, or raise the job's run",
    ),
    Remedy(
        words=("conflictexception",),
        cause="a job or model of this name exists already, or is just being changed",
        action="deploy again; if it stays, delete what holds the name or raise the job's run",
    ),
    Remedy(
        words=("model identifier is invalid",),
        cause="the base model does not exist in this Region, takes no customization, or is Legacy",
        action="choose a base model that Bedrock lists for fine-tuning in this Region",
    ),
    Remedy(
        words=("servicequotaexceeded",),
        cause="the account has as many customization jobs or custom models as its quotas allow",
        action="wait for a job to end, delete models that nothing uses, or ask for a higher quota",
    ),
    Remedy(
        words=("toomanytags",),
        cause="the job or the model would have more than 50 tags",
        action="remove tags from the settings",
    ),
    Remedy(
        words=("throttling",),
        cause="too many calls at once",
        action="deploy again in a few minutes",
    ),
)
"""Known errors, the more particular before the more general."""


def find(text: str) -> Remedy | None:
    """Return what is known about an error text (code and message), or None."""
    return next((remedy for remedy in REMEDIES if remedy.tells(text)), None)


def advice(text: str) -> str:
    """Return the likely cause and remedy of an error text, or what to read when it is new."""
    known = find(text)
    if known is None:
        return (
            "see https://docs.aws.amazon.com/bedrock/latest/userguide/"
            "fine-tuning-troubleshooting.html"
        )
    return f"likely cause: {known.cause}; remedy: {known.action}"


def is_passing(text: str) -> bool:
    """Return whether an error may go away once IAM and KMS have spread a change."""
    known = find(text)
    return known is not None and known.passing


def is_name_taken(text: str) -> bool:
    """Return whether an error says that another job or model has the name.

    Which error Bedrock answers is not documented; the service model lists ConflictException, and
    "The provided job name is currently in use." was seen.
    """
    lowered = text.lower()
    return "name is currently in use" in lowered or lowered.startswith("conflictexception")
