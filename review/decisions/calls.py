"""What the table's verbs mean: the requests that AWS decides when somebody does such a thing.

Reading an object that is encrypted asks S3 for the object and KMS for its key; starting a job asks
for the base model, the job, the model and the role. All of the requests have to be allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from review.decisions.errors import MalformedRequestError
from review.decisions.request import Principal, Request, Value, Who

_SSE: Final = "s3:x-amz-server-side-encryption"
_SSE_KEY: Final = f"{_SSE}-aws-kms-key-id"
MANAGED_KEY: Final = "aws-managed"
"""Stands for the key aws/s3 of the account, which every principal of it may use through S3."""
_WORDS: Final = frozenset(
    {"tls", "key", "encryption", "once", "through-service", "source", "source-account", "model"}
)
_PASSED_TO: Final = "bedrock.amazonaws.com"
_INTERFACE_TAGS: Final = ("BedrockManaged", "BedrockModelCustomizationJobArn")
OWNER_TAG: Final = "finetune:environment"


class Stage(Protocol):
    """What calls have to know of the deployment."""

    def arn(self, name: str) -> str:
        """The ARN of a thing by its symbolic name, or by a text with names in braces."""

    def fact(self, name: str) -> str:
        """Account, Region and the like."""

    def owner_of(self, resource: str) -> str | None:
        """Whose a bucket is; None where the ARN says it."""

    def key_of(self, resource: str) -> tuple[str, bool] | None:
        """ARN of the key that a bucket, table, queue or topic is encrypted with.

        Beside it whether a bucket key is used. None for one without a key of the account's own.
        """


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who does something to what, from where, with what."""

    stage: Stage
    principal: Principal
    target: str
    endpoint: str | None
    given: Mapping[str, Value | None]
    """Words that calls understand, and condition keys by their names."""

    def __post_init__(self) -> None:
        """Refuse a word that nobody understands."""
        for name in self.given:
            if ":" not in name and name not in _WORDS:
                raise MalformedRequestError(
                    f"'with' knows no {name!r}: write a condition key, or one of "
                    f"{', '.join(sorted(_WORDS))}"
                )

    def word(self, name: str) -> str | None:
        """What a word was given as."""
        value = self.given.get(name)
        if value is not None and not isinstance(value, str):
            raise MalformedRequestError(f"'{name}' is one text, got {value!r}")
        return value

    @property
    def is_service(self) -> bool:
        """Whether an AWS service asks on its own behalf."""
        return self.principal.who is Who.SERVICE

    @property
    def keys(self) -> dict[str, Value | None]:
        """The condition keys that were given."""
        found = {name: value for name, value in self.given.items() if ":" in name}
        if (source := self.word("source")) is not None:
            found["aws:SourceArn"] = self.stage.arn(source)
        if (account := self.word("source-account")) is not None:
            found["aws:SourceAccount"] = account
        if self.word("tls") == "none":
            found["aws:SecureTransport"] = "false"
        return found

    def request(
        self,
        action: str,
        resource: str | None = None,
        *,
        keys: Mapping[str, Value | None] | None = None,
    ) -> Request:
        """One request of the caller.

        Args:
            action: `service:Action`.
            resource: Its ARN; the target where none is given.
            keys: Condition keys besides those that were given.
        """
        return Request(
            principal=self.principal,
            action=action,
            resource=self.target if resource is None else resource,
            keys={**(keys or {}), **self.keys},
            endpoint=self.endpoint,
            resource_account=self.stage.owner_of(self.target if resource is None else resource),
        )

    def for_the_caller(
        self, service: str, action: str, key: str, context: Mapping[str, str]
    ) -> Request:
        """What a service asks KMS in the caller's name, or in its own where it is the caller.

        The caller's endpoint and TLS are not part of it.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html
        """
        keys: dict[str, Value | None] = {
            f"kms:EncryptionContext:{name}": value for name, value in context.items()
        }
        if context:
            keys["kms:EncryptionContextKeys"] = tuple(context)
        if self.is_service:
            given = self.keys
            keys |= {name: given[name] for name in given if name.startswith("aws:Source")}
        else:
            keys |= {
                "kms:ViaService": ".".join(
                    (service, self.stage.fact("region"), self.stage.fact("suffix"))
                ),
                "kms:CallerAccount": self.principal.account,
                "aws:ViaAWSService": "true",
            }
        return Request(principal=self.principal, action=action, resource=key, keys=keys)


Requests = Callable[[Asked], Iterator[Request]]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A verb of the table."""

    means: str
    """What it is, for people."""
    requests: Requests


def requests_of(does: str, asked: Asked) -> list[Request]:
    """The requests that AWS decides.

    Args:
        does: A verb of `CALLS`, or an IAM action for a single request.
        asked: Who does it to what.

    Raises:
        MalformedRequestError: There is no such verb.
    """
    if does in CALLS:
        return list(CALLS[does].requests(asked))
    if ":" in does:
        return [asked.request(does, keys=_of_s3(asked) if does.startswith("s3:") else None)]
    raise MalformedRequestError(
        f"'does' knows no {does!r}: write an IAM action, or one of {', '.join(sorted(CALLS))}"
    )


def _of_s3(asked: Asked) -> dict[str, Value | None]:
    tls = asked.word("tls") or "1.3"
    return {} if tls == "none" else {"s3:TlsVersion": tls}


def _bucket(arn: str) -> str:
    return arn.partition("/")[0]


def _object_key(asked: Asked, key: str, action: str, *, bucket_key: bool) -> Request:
    """With a bucket key the encryption context is the bucket, else the object.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """
    context = _bucket(asked.target) if bucket_key else asked.target
    return asked.for_the_caller("s3", action, key, {"aws:s3:arn": context})


def _read_object(asked: Asked) -> Iterator[Request]:
    yield asked.request("s3:GetObject", keys=_of_s3(asked))
    if default := asked.stage.key_of(_bucket(asked.target)):
        key, bucket_key = default
        yield _object_key(asked, key, "kms:Decrypt", bucket_key=bucket_key)


def _look_for_object(asked: Asked) -> Iterator[Request]:
    yield asked.request("s3:GetObject", keys=_of_s3(asked))


def _write(asked: Asked, *, creates: bool) -> Iterator[Request]:
    named, encryption = asked.word("key"), asked.word("encryption")
    keys = _of_s3(asked)
    keys["s3:ObjectCreationOperation"] = str(creates).lower()
    if asked.word("once") == "true":
        keys["s3:if-none-match"] = "*"
    if named or encryption:
        keys[_SSE] = encryption or "aws:kms"
    if named and named != MANAGED_KEY:
        keys[_SSE_KEY] = asked.stage.arn(named)
    yield asked.request("s3:PutObject", keys=keys)
    if named == MANAGED_KEY or encryption == "AES256":
        return
    default = asked.stage.key_of(_bucket(asked.target))
    if named:
        bucket_key = bool(default and default[1])
        yield from _encrypts(asked, asked.stage.arn(named), bucket_key=bucket_key, creates=creates)
    elif default:
        key, bucket_key = default
        yield from _encrypts(asked, key, bucket_key=bucket_key, creates=creates)


def _encrypts(asked: Asked, key: str, *, bucket_key: bool, creates: bool) -> Iterator[Request]:
    yield _object_key(asked, key, "kms:GenerateDataKey", bucket_key=bucket_key)
    if not creates:
        # The parts of an upload are decrypted again when they are put together.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
        yield _object_key(asked, key, "kms:Decrypt", bucket_key=bucket_key)


def _write_object(asked: Asked) -> Iterator[Request]:
    return _write(asked, creates=True)


def _write_part(asked: Asked) -> Iterator[Request]:
    return _write(asked, creates=False)


def _through_a_service(*actions: str) -> Requests:
    """A key used for the caller by the service named in `through-service`."""

    def requests(asked: Asked) -> Iterator[Request]:
        service = asked.word("through-service")
        if service is None:
            raise MalformedRequestError("say 'through-service' under 'with': which one asks KMS")
        for action in actions:
            found = asked.for_the_caller(service, action, asked.target, {})
            yield replace(found, keys={**found.keys, **asked.keys})

    return requests


def _take_role(asked: Asked) -> Iterator[Request]:
    yield asked.request("sts:AssumeRole")


def _pass_role(asked: Asked) -> Iterator[Request]:
    yield asked.request("iam:PassRole", keys={"iam:PassedToService": _PASSED_TO})


def _submit_job(asked: Asked) -> Iterator[Request]:
    """Bedrock decides about the base model, and about the job and the model that are made.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
    """
    partition, region = asked.stage.fact("partition"), asked.stage.fact("region")
    account = asked.stage.fact("account")
    bedrock = f"arn:{partition}:bedrock:{region}"
    model = asked.word("model") or asked.stage.fact("base-model")
    tags: dict[str, Value | None] = {
        f"aws:RequestTag/{OWNER_TAG}": asked.stage.fact("environment"),
        "aws:TagKeys": (OWNER_TAG,),
    }
    made = [f"{bedrock}:{account}:{kind}/*" for kind in ("custom-model", "model-customization-job")]
    for resource in (f"{bedrock}::foundation-model/{model}", *made):
        yield asked.request("bedrock:CreateModelCustomizationJob", resource, keys=tags)
    for resource in made:
        yield asked.request("bedrock:TagResource", resource, keys=tags)
    yield Request(
        principal=asked.principal,
        action="iam:PassRole",
        resource=asked.target,
        keys={"iam:PassedToService": _PASSED_TO},
    )


_CUSTOMIZES: Final = (
    "kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt", "kms:CreateGrant"
)  # fmt: skip


def _serve(action: str) -> Requests:
    """Bedrock decides about the model and what is made of it, and uses the model's key.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
    """

    def requests(asked: Asked) -> Iterator[Request]:
        yield asked.request(action, asked.stage.arn("model"))
        yield asked.request(action)
        yield asked.request("bedrock:TagResource")
        key = asked.stage.arn("model-key")
        for key_action in _CUSTOMIZES:
            yield asked.for_the_caller("bedrock", key_action, key, {})

    return requests


def _call_model(asked: Asked) -> Iterator[Request]:
    yield asked.request("bedrock:InvokeModel")
    yield asked.for_the_caller("bedrock", "kms:Decrypt", asked.stage.arn("model-key"), {})


def _make_interface(asked: Asked) -> Iterator[Request]:
    """An interface in a subnet and a group: EC2 decides about each of them.

    https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
    """
    managed, job_tag = _INTERFACE_TAGS
    job = asked.stage.arn("job")
    tags: dict[str, Value | None] = {
        f"aws:RequestTag/{managed}": "true",
        f"aws:RequestTag/{job_tag}": job,
        "aws:TagKeys": _INTERFACE_TAGS,
    }
    interface = asked.stage.arn("interface")
    action = "ec2:CreateNetworkInterface"
    yield asked.request(action, interface, keys=tags)
    for each in _two(asked.target):
        yield asked.request(action, asked.stage.arn(each))
    yield asked.request("ec2:CreateTags", interface, keys={**tags, "ec2:CreateAction": action[4:]})


def _two(target: str) -> Sequence[str]:
    found = [each.strip() for each in target.split("+")]
    if len(found) != 2:
        raise MalformedRequestError(f"an interface is made in 'subnet + group', got {target!r}")
    return found


def _encrypted(service: str, context: str, action: str, *key_actions: str) -> Requests:
    """An action on something encrypted, and the key behind it."""

    def requests(asked: Asked) -> Iterator[Request]:
        yield asked.request(action)
        if default := asked.stage.key_of(asked.target):
            for key_action in key_actions:
                yield asked.for_the_caller(service, key_action, default[0], {context: asked.target})

    return requests


def _item(action: str) -> Requests:
    """An item of a table is decrypted for whoever reads or writes it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    return _encrypted("dynamodb", "aws:dynamodb:tableName", action, "kms:Decrypt")


def _keep_logs(asked: Asked) -> Iterator[Request]:
    """CloudWatch Logs uses the key itself, and says for which log group.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    group = asked.target.removesuffix(":*")
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        yield asked.for_the_caller(
            "logs", action, asked.stage.arn("data-key"), {"aws:logs:arn": group}
        )


CALLS: Final[Mapping[str, Call]] = {
    "read-object": Call(
        means="`s3:GetObject`, and `kms:Decrypt` on the bucket's key, through S3",
        requests=_read_object,
    ),
    "look-for-object": Call(means="`s3:GetObject`, as a HEAD asks", requests=_look_for_object),
    "write-object": Call(
        means="`s3:PutObject`, and `kms:GenerateDataKey` on the key named, or the bucket's",
        requests=_write_object,
    ),
    "write-part": Call(
        means="`s3:PutObject` of a part of an upload, and the key that it is under",
        requests=_write_part,
    ),
    "customize-under-key": Call(
        means="`kms:DescribeKey`, `GenerateDataKey`, `Decrypt`, `CreateGrant` through a service",
        requests=_through_a_service(
            "kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt", "kms:CreateGrant"
        ),
    ),
    "decrypt-through": Call(
        means="`kms:Decrypt` through a service", requests=_through_a_service("kms:Decrypt")
    ),
    "make-data-key-through": Call(
        means="`kms:GenerateDataKey` through a service",
        requests=_through_a_service("kms:GenerateDataKey"),
    ),
    "grant-through": Call(
        means="`kms:CreateGrant` through a service", requests=_through_a_service("kms:CreateGrant")
    ),
    "make-key-pair-through": Call(
        means="`kms:GenerateDataKeyPair`, which nothing here uses, through a service",
        requests=_through_a_service("kms:GenerateDataKeyPair"),
    ),
    "take-role": Call(means="`sts:AssumeRole`", requests=_take_role),
    "pass-role": Call(means="`iam:PassRole` to Bedrock", requests=_pass_role),
    "submit-job": Call(
        means=(
            "`bedrock:CreateModelCustomizationJob` on base model, model and job, "
            "`bedrock:TagResource` with the owner tag, and `iam:PassRole` of the target to Bedrock"
        ),
        requests=_submit_job,
    ),
    "call-model": Call(
        means="`bedrock:InvokeModel`, which Converse is too, and `kms:Decrypt` on the model key",
        requests=_call_model,
    ),
    "deploy-model": Call(
        means="`bedrock:CreateCustomModelDeployment` on model and deployment, `TagResource`, and"
        " the model key as for customizing, through Bedrock",
        requests=_serve("bedrock:CreateCustomModelDeployment"),
    ),
    "buy-throughput": Call(
        means="`bedrock:CreateProvisionedModelThroughput` on model and throughput, `TagResource`,"
        " and the model key as for customizing, through Bedrock",
        requests=_serve("bedrock:CreateProvisionedModelThroughput"),
    ),
    "make-interface": Call(
        means=(
            "`ec2:CreateNetworkInterface` on interface, subnet and group, with Bedrock's tags, and "
            "`ec2:CreateTags`"
        ),
        requests=_make_interface,
    ),
    "get-item": Call(
        means="`dynamodb:GetItem`, and `kms:Decrypt` through DynamoDB",
        requests=_item("dynamodb:GetItem"),
    ),
    "update-item": Call(
        means="`dynamodb:UpdateItem`, and `kms:Decrypt` through DynamoDB",
        requests=_item("dynamodb:UpdateItem"),
    ),
    "scan-table": Call(
        means="`dynamodb:Scan`, and `kms:Decrypt` through DynamoDB",
        requests=_item("dynamodb:Scan"),
    ),
    "send-message": Call(
        means="`sqs:SendMessage`, and `kms:GenerateDataKey`, `kms:Decrypt` for the queue's key",
        requests=_encrypted(
            "sqs", "aws:sqs:arn", "sqs:SendMessage", "kms:GenerateDataKey", "kms:Decrypt"
        ),
    ),
    "publish": Call(
        means="`sns:Publish`, and `kms:GenerateDataKey`, `kms:Decrypt` for the topic's key",
        requests=_encrypted(
            "sns", "aws:sns:topicArn", "sns:Publish", "kms:GenerateDataKey", "kms:Decrypt"
        ),
    ),
    "keep-logs": Call(
        means="`kms:GenerateDataKey` and `kms:Decrypt` on the data key for a log group",
        requests=_keep_logs,
    ),
}
"""The verbs. Any IAM action is one too, for a single request."""
