"""Logs, table, queue and topic: what the app remembers, and what it could not deliver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from review.rules.buckets import strangers
from review.rules.design import design_of
from review.rules.environment import SERVING_FUNCTIONS, environment_of
from review.rules.policy_findings import policy_as_designed
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
)
from review.rules.standards import ENCRYPTED, KEPT, LOGGED, PRIVATE_STORE, TLS, also
from review.rules.statements import statements
from review.template.deployment import Deployment, Resource

LOG_GROUP: Final = "AWS::Logs::LogGroup"
TABLE: Final = "AWS::DynamoDB::Table"
QUEUE: Final = "AWS::SQS::Queue"
TOPIC: Final = "AWS::SNS::Topic"

LEAST_RETENTION_DAYS: Final = 30


def _keys(deployment: Deployment) -> set[object]:
    return {name for key in deployment.of_type("AWS::KMS::Key") for name in (key.arn, key.ref)}


@rule(
    id="stores.logs-encrypted",
    requirement="Every log group is encrypted with a key of these templates.",
    risk="Logs are read by whoever may read logs: no key's policy stands in between.",
    remedy="Set KmsKeyId to the ARN of a customer managed key that admits CloudWatch Logs.",
    step="W14",
    standards=also(ENCRYPTED, prowler="cloudwatch_log_group_kms_encryption_enabled"),
)
def log_groups_are_encrypted(deployment: Deployment) -> Iterator[Violation]:
    """A key of another template is none that somebody looked at."""
    keys = _keys(deployment)
    for group in deployment.of_type(LOG_GROUP):
        if group["KmsKeyId"] not in keys:
            yield at(group, f"KmsKeyId is {shown(group['KmsKeyId'])}", "KmsKeyId")


@rule(
    id="stores.logs-kept",
    requirement="Every log group says how long it keeps what it has.",
    risk="Absent means for ever, which is longer than anybody decided, or pays for.",
    remedy="Set RetentionInDays.",
    step="W14",
    standards=also(LOGGED, prowler="cloudwatch_log_group_retention_policy_specific_days_enabled"),
)
def logs_are_kept(deployment: Deployment) -> Iterator[Violation]:
    """Explicitly."""
    for group in deployment.of_type(LOG_GROUP):
        if group["RetentionInDays"] is None:
            yield at(group, "RetentionInDays is absent", "RetentionInDays")


@rule(
    id="stores.logs-kept-a-month",
    requirement="Every log group keeps what it has for a month or longer.",
    risk="Who looks into an incident finds nothing.",
    remedy="Set RetentionInDays to 30 or more.",
    step="W14",
    standards=LOGGED,
    level="warning",
)
def logs_are_kept_for_a_month(deployment: Deployment) -> Iterator[Violation]:
    """How long is for whoever deploys to say; less than a month is worth a word."""
    for group in deployment.of_type(LOG_GROUP):
        days = group["RetentionInDays"]
        if days is not None and int(days) < LEAST_RETENTION_DAYS:
            yield at(group, f"RetentionInDays is {days}", "RetentionInDays")


@rule(
    id="stores.logs-stay-inside",
    requirement="No subscription, delivery or export carries logs elsewhere, and no policy opens"
    " them.",
    risk="Logs, with what is in them, go to another account.",
    remedy="Remove the resource.",
    step="W14",
    standards=PRIVATE_STORE,
)
def logs_stay_inside(deployment: Deployment) -> Iterator[Violation]:
    """Types that carry logs out of their group."""
    for resource in deployment.of_type(
        "AWS::Logs::SubscriptionFilter",
        "AWS::Logs::Destination",
        "AWS::Logs::Delivery",
        "AWS::Logs::DeliveryDestination",
        "AWS::Logs::AccountPolicy",
        "AWS::Logs::ResourcePolicy",
    ):
        yield at(resource, "carries logs elsewhere, or lets somebody write or read them")


@rule(
    id="stores.table-encrypted",
    requirement="Every table is encrypted with a key of these templates.",
    risk="What is known of jobs, data and models is read by whoever may read tables.",
    remedy="Set SSESpecification to KMS with the key's ARN.",
    standards=also(ENCRYPTED, prowler="dynamodb_tables_kms_cmk_encryption_enabled"),
)
def tables_are_encrypted(deployment: Deployment) -> Iterator[Violation]:
    """Enabled, of type KMS, with a key that is named."""
    keys = _keys(deployment)
    for table in deployment.of_type(TABLE):
        said = table["SSESpecification"] or {}
        if said.get("SSEEnabled") is not True or said.get("KMSMasterKeyId") not in keys:
            yield at(table, f"SSESpecification is {shown(said)}", "SSESpecification")


@rule(
    id="stores.table-restorable",
    requirement="Every table can be restored to any second of the last weeks.",
    risk="State that was overwritten or deleted is gone; jobs run twice, or are forgotten.",
    remedy="Turn point-in-time recovery on.",
    standards=also(KEPT, prowler="dynamodb_tables_pitr_enabled"),
)
def tables_can_be_restored(deployment: Deployment) -> Iterator[Violation]:
    """Explicitly on."""
    path = "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled"
    for table in deployment.of_type(TABLE):
        if table[path] is not True:
            yield at(table, f"point-in-time recovery is {shown(table[path])}", path)


@rule(
    id="stores.queue-encrypted",
    requirement="Every queue is encrypted with a key of these templates.",
    risk="Events that failed, with what they carry, are read by whoever may read queues.",
    remedy="Set KmsMasterKeyId to a customer managed key.",
    standards=also(ENCRYPTED, prowler="sqs_queues_server_side_encryption_enabled"),
)
def queues_are_encrypted(deployment: Deployment) -> Iterator[Violation]:
    """SQS's own encryption has no key policy."""
    keys = _keys(deployment)
    for queue in deployment.of_type(QUEUE):
        if queue["KmsMasterKeyId"] not in keys:
            yield at(queue, f"KmsMasterKeyId is {shown(queue['KmsMasterKeyId'])}", "KmsMasterKeyId")


@rule(
    id="stores.topic-encrypted",
    requirement="Every topic is encrypted with a key of these templates.",
    risk="Announcements, with names of jobs and models, lie at AWS under no key of ours.",
    remedy="Set KmsMasterKeyId to a customer managed key that admits the publishers.",
    step="W14",
    standards=also(ENCRYPTED, prowler="sns_topics_kms_encryption_at_rest_enabled"),
)
def topics_are_encrypted(deployment: Deployment) -> Iterator[Violation]:
    """The key that AWS manages for SNS admits no other service."""
    keys = _keys(deployment)
    for topic in deployment.of_type(TOPIC):
        if topic["KmsMasterKeyId"] not in keys:
            yield at(topic, f"KmsMasterKeyId is {shown(topic['KmsMasterKeyId'])}", "KmsMasterKeyId")


@rule(
    id="stores.tls-only",
    requirement="Policies of queues and topics deny requests without TLS.",
    risk="Messages pass networks in the clear.",
    remedy="Deny the service's actions where aws:SecureTransport is false.",
    standards=TLS,
)
def queues_and_topics_take_tls_only(deployment: Deployment) -> Iterator[Violation]:
    """For each queue and topic of the templates: one of its policies denies it to everybody."""
    for type_, policy_type, property_ in (
        (QUEUE, "AWS::SQS::QueuePolicy", "Queues"),
        (TOPIC, "AWS::SNS::TopicPolicy", "Topics"),
    ):
        denied = {
            str(name)
            for policy in deployment.of_type(policy_type)
            for each in statements(policy)
            if not each.allows
            and each.principals == ("*",)
            and [(o, k, v) for o, k, v in each.conditions]
            == [("Bool", "aws:securetransport", ("false",))]
            for name in many(policy[property_])
        }
        for resource in deployment.of_type(type_):
            if resource.ref not in denied:
                yield at(resource, "its policy does not deny requests without TLS")


@rule(
    id="stores.not-for-everybody",
    requirement="Policies of tables, queues and topics admit nobody outside the account, and no"
    " service for others; nobody subscribes by plain HTTP.",
    risk="A stranger reads or writes the state, or feeds the app events of his own.",
    remedy="Name principals of the account; give services aws:SourceAccount or aws:SourceArn.",
    standards=also(
        PRIVATE_STORE,
        prowler=(
            "dynamodb_table_cross_account_access",
            "sns_subscription_not_using_http_endpoints",
            "sns_topics_not_publicly_accessible",
            "sqs_queues_not_publicly_accessible",
        ),
    ),
)
def stores_admit_no_stranger(deployment: Deployment) -> Iterator[Violation]:
    """Policies beside the resources, and in them."""
    for policy in deployment.of_type(
        "AWS::SQS::QueuePolicy",
        "AWS::SQS::QueueInlinePolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SNS::TopicInlinePolicy",
        TABLE,
    ):
        yield from strangers(policy, deployment.account)
    for subscription in deployment.of_type("AWS::SNS::Subscription"):
        if subscription["Protocol"] == "http":
            yield at(subscription, "sends announcements over plain HTTP", "Protocol")


@rule(
    id="stores.logs-as-designed",
    requirement="A log group for each function, for the flow logs, for the follow-up's steps and"
    " for model invocations where they are logged, under the data key.",
    risk="A function writes where nobody looks, or makes a group of its own without a key.",
    remedy="Take the change back.",
    step="W14",
    standards=LOGGED,
    profile="app",
)
def logs_are_kept_as_long_as_set(deployment: Deployment) -> Iterator[Violation]:
    """Names, key and no property that nobody looked at."""
    environment = environment_of(deployment)
    expected = {
        f"/aws/lambda/finetune-{environment.name}-{purpose}"
        for purpose in ("submitter", "completion-check", "follower", "framework", "default-group")
    } | {f"/finetune/{environment.name}/flow-logs"}
    if environment.serves:
        prefix = f"/aws/lambda/finetune-{environment.name}"
        expected |= {f"{prefix}-{purpose}" for purpose in SERVING_FUNCTIONS}
        expected.add(f"/finetune/{environment.name}/follow-up")
    if environment.logs_invocations:
        expected.add(environment.invocations)
    groups = deployment.of_type(LOG_GROUP)
    for name in sorted(expected - {group.ref for group in groups}):
        yield of_the_whole(f"log group missing: {name}")
    named = Counter(group.ref for group in groups)
    for group in groups:
        if named[group.ref] > 1:
            yield at(group, "two log groups of one name", "LogGroupName")
        if group.ref not in expected:
            yield at(group, "a log group that nothing of ours writes to")
        yield from unexpected_properties(
            group,
            {"KmsKeyId": environment.data_key},
            also={"LogGroupName", "RetentionInDays", "Tags"},
        )


@rule(
    id="stores.table-as-designed",
    requirement="One table of jobs, and one of deployments where there are any, each under the data"
    " key and by an id, in which only requests expire.",
    risk="Jobs run twice, are forgotten, or are read by somebody else.",
    remedy="Take the change back.",
    standards=KEPT,
    profile="app",
)
def state_can_be_restored(deployment: Deployment) -> Iterator[Violation]:
    """Only items that say when they expire do: the requests that were seen, and no job."""
    environment = environment_of(deployment)
    tables = deployment.of_type(TABLE)
    expected = [f"finetune-{environment.name}-jobs"]
    if environment.serves:
        expected.append(f"finetune-{environment.name}-deployments")
    if len(tables) != len(expected):
        yield of_the_whole(f"{len(tables)} of {TABLE}, expected {len(expected)}")
    named = Counter(str(table["TableName"]) for table in tables)
    for table in tables:
        name = str(table["TableName"])
        if name not in expected or named[name] > 1:
            yield at(table, f"TableName is {name}, expected each of {expected} once", "TableName")
        yield from unexpected_properties(
            table,
            {
                "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {
                    "KMSMasterKeyId": environment.data_key,
                    "SSEEnabled": True,
                    "SSEType": "KMS",
                },
                "TimeToLiveSpecification": {"AttributeName": "ExpiresAt", "Enabled": True},
            },
            also={"DeletionProtectionEnabled", "TableName", "Tags"},
        )


@rule(
    id="stores.queue-as-designed",
    requirement="One queue under the data key keeps what failed for two weeks; the rules of this"
    " environment write to it.",
    risk="A request that failed is gone before anybody looks, or somebody else puts in his own.",
    remedy="Take the change back.",
    standards=KEPT,
    profile="app",
)
def nothing_failed_is_lost(deployment: Deployment) -> Iterator[Violation]:
    """Queue and policy."""
    environment = environment_of(deployment)
    queues = deployment.of_type(QUEUE)
    if len(queues) != 1:
        yield of_the_whole(f"{len(queues)} of {QUEUE}, expected 1")
    for queue in queues:
        yield from unexpected_properties(
            queue,
            {
                "MessageRetentionPeriod": 14 * 24 * 3600,
                "QueueName": f"finetune-{environment.name}-failed-events",
            },
            also={"KmsMasterKeyId", "Tags"},
        )
        yield from _under(queue, environment.data_key)
    policies = deployment.of_type("AWS::SQS::QueuePolicy")
    if len(policies) != 1:
        yield of_the_whole(f"{len(policies)} policies of queues, expected 1")
    for policy in policies:
        if policy["Queues"] != [queue.ref for queue in queues]:
            yield at(policy, f"on {policy['Queues']}", "Queues")
        yield from policy_as_designed(policy, "PolicyDocument", design_of(environment).queue_policy)


@rule(
    id="stores.topic-as-designed",
    requirement="One topic under the data key, on which the follower and the alarms publish, and"
    " nobody else.",
    risk="People hear of ends that did not happen, or not of those that did.",
    remedy="Take the change back.",
    step="W14",
    standards=PRIVATE_STORE,
    profile="app",
)
def people_hear_of_jobs_that_ended(deployment: Deployment) -> Iterator[Violation]:
    """Topic and policy."""
    environment = environment_of(deployment)
    topics = deployment.of_type(TOPIC)
    if len(topics) != 1:
        yield of_the_whole(f"{len(topics)} of {TOPIC}, expected 1")
    for topic in topics:
        yield from unexpected_properties(topic, {}, also={"DisplayName", "KmsMasterKeyId", "Tags"})
        yield from _under(topic, environment.data_key)
    policies = deployment.of_type("AWS::SNS::TopicPolicy")
    if len(policies) != 1:
        yield of_the_whole(f"{len(policies)} policies of topics, expected 1")
    for policy in policies:
        if policy["Topics"] != [topic.ref for topic in topics]:
            yield at(policy, f"on {policy['Topics']}", "Topics")
        yield from policy_as_designed(policy, "PolicyDocument", design_of(environment).topic_policy)


def _under(resource: Resource, key: str) -> Iterator[Violation]:
    """Queues and topics take a key's id as well as its ARN."""
    if resource["KmsMasterKeyId"] not in (key, key.rsplit("/", maxsplit=1)[-1]):
        value = shown(resource["KmsMasterKeyId"])
        yield at(resource, f"KmsMasterKeyId is {value}, expected {key}", "KmsMasterKeyId")
