"""The bucket of datasets and outputs, and the one beside it that keeps its access logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from .acknowledgements import acknowledge, in_packs
from .naming import DATASETS_PREFIX, OUTPUTS_PREFIX
from .statements import Allow, deny

REPLICATION = in_packs(
    "S3BucketReplicationEnabled",
    "HIPAA.Security",
    "NIST.800.53.R4",
    "NIST.800.53.R5",
    "PCI.DSS.321",
)
LOCK = in_packs("S3BucketDefaultLockEnabled", "NIST.800.53.R4")


class AccessLogBucket(s3.Bucket):
    """A private bucket for S3 server access logs.

    S3 log delivery does not support SSE-KMS with a customer managed key on the target unless the
    key admits it for every log; SSE-S3 it is, and the finding is acknowledged where it is raised.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        retention: Duration,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="ExpireAccessLogs",
                    expiration=retention,
                    noncurrent_version_expiration=Duration.days(7),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=removal_policy,
        )
        acknowledge(
            self,
            reason="Access logs are about one bucket of one Region and stay beside it.",
            findings=REPLICATION,
        )
        acknowledge(
            self,
            reason="Logs expire by rule; nobody but S3's log delivery is allowed to write them.",
            findings=LOCK,
        )
        acknowledge(
            self,
            reason=(
                "S3 log delivery writes with the target's default encryption, SSE-S3; the logs "
                "name objects and callers and hold no data."
            ),
            findings=in_packs(
                "S3DefaultEncryptionKMS", "HIPAA.Security", "NIST.800.53.R5", "PCI.DSS.321"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class BucketUsers:
    """Who may touch the data: roles by what they do, and people who may delete it.

    Everyone else of the account is denied the data, whatever their own policies say; the
    administrators delete and do not read.
    """

    customizer: iam.IRole
    submitter: iam.IRole
    uploader: iam.IRole
    reader: iam.IRole
    administrators: Sequence[str]
    reporter: iam.IRole | None = None
    """Who reads metrics and writes the report on them; None for nobody."""

    @property
    def role_arns(self) -> list[str]:
        """ARNs of the roles that read or write data."""
        roles = (self.customizer, self.submitter, self.uploader, self.reader)
        return [role.role_arn for role in (*roles, self.reporter) if role]


class TrainingBucket(s3.Bucket):
    """A private, versioned bucket encrypted with the data key, whose data is written once.

    Datasets stand under `fine-tuning-datasets/`, what a job writes under `outputs/`. Its policy
    never denies policy administration: a bucket nobody can repair is lost.

    Args:
        key: The data key.
        access_logs: Where S3 writes who asked for what.
        users: Who may touch the data.
        removal_policy: Kept or destroyed with the stack; a bucket that holds objects stays.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        key: kms.IKey,
        access_logs: s3.IBucket,
        users: BucketUsers,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="training-bucket/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="AbortUnfinishedUploads",
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=removal_policy,
        )
        self._users = users
        acknowledge(
            self,
            reason=(
                "Private data stays in one Region and one bucket: a replica would be a second copy "
                "to guard. Versions are kept, and the dataset is at its owner's."
            ),
            findings=REPLICATION,
        )
        acknowledge(
            self,
            reason=(
                "Datasets are written once by the bucket's policy and deleted by administrators "
                "alone; a lock would keep personal data that has to be erased."
            ),
            findings=LOCK,
        )
        for statement in self._denials(key):
            self.add_to_resource_policy(statement)

    def _denials(self, key: kms.IKey) -> list[iam.PolicyStatement]:
        everyone = [iam.AnyPrincipal()]
        objects = self.arn_for_objects("*")
        sse = "s3:x-amz-server-side-encryption"
        return [
            # `Null: false` first: a negated operator is true for a header that is not sent, and
            # Bedrock may send none and rely on the bucket's own encryption.
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
            deny(
                sid="DenyAnotherKey",
                principals=everyone,
                actions=["s3:PutObject"],
                resources=[objects],
                conditions={
                    "Null": {f"{sse}-aws-kms-key-id": "false"},
                    "ArnNotEquals": {f"{sse}-aws-kms-key-id": key.key_arn},
                },
            ),
            deny(
                sid="DenyAnotherEncryption",
                principals=everyone,
                actions=["s3:PutObject"],
                resources=[objects],
                conditions={
                    "Null": {sse: "false"},
                    "StringNotEquals": {sse: "aws:kms"},
                },
            ),
            # `aws:kms` without a key means the key aws/s3 of the account, not the bucket's default.
            # Outputs are left out: nothing says how Bedrock asks for encryption when it writes.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
            deny(
                sid="DenyTheManagedKeyForDatasets",
                principals=everyone,
                actions=["s3:PutObject"],
                resources=[self.arn_for_objects(f"{DATASETS_PREFIX}*")],
                conditions={
                    "Null": {f"{sse}-aws-kms-key-id": "true"},
                    "StringEquals": {sse: "aws:kms"},
                },
            ),
            deny(
                sid="DenyDataToOthers",
                principals=everyone,
                actions=[
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                ],
                resources=[objects],
                conditions={"ArnNotEquals": {"aws:PrincipalArn": self._users.role_arns}},
            ),
            # Keys name datasets and jobs; administrators list what they delete.
            deny(
                sid="DenyListingToOthers",
                principals=everyone,
                actions=["s3:ListBucket", "s3:ListBucketVersions"],
                resources=[self.bucket_arn],
                conditions={
                    "ArnNotLike": {
                        "aws:PrincipalArn": [*self._users.role_arns, *self._users.administrators]
                    }
                },
            ),
            # Parts of a multipart upload do not create the object; its completion does.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
            deny(
                sid="DenyOverwritingDatasets",
                principals=everyone,
                actions=["s3:PutObject"],
                resources=[self.arn_for_objects(f"{DATASETS_PREFIX}*")],
                conditions={
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            ),
            deny(
                sid="DenyDeletingToAllButAdministrators",
                principals=everyone,
                actions=["s3:DeleteObject", "s3:DeleteObjectVersion"],
                resources=[objects],
                conditions={"ArnNotLike": {"aws:PrincipalArn": list(self._users.administrators)}},
            ),
        ]

    def require_endpoint(self, *, endpoint_id: str) -> None:
        """Denies the customization role everything that does not come through our endpoint.

        A job submitted without its VPC is refused here, since Bedrock has no condition key for it.
        It is undocumented whether Bedrock's own checks of the data run through the VPC: the
        setting `storage.require_endpoint` takes this statement away.
        """
        self.add_to_resource_policy(
            deny(
                sid="DenyCustomizationOutsideTheEndpoint",
                principals=[iam.AnyPrincipal()],
                actions=["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
                resources=[self.bucket_arn, self.arn_for_objects("*")],
                conditions={
                    "ArnEquals": {"aws:PrincipalArn": self._users.customizer.role_arn},
                    "StringNotEquals": {"aws:SourceVpce": endpoint_id},
                },
            )
        )

    def _of_this_account(self) -> dict[str, dict[str, object]]:
        # A bucket's name does not say whose it is:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
        return {"StringEquals": {"aws:ResourceAccount": Stack.of(self).account}}

    def statements_to_train(self) -> list[iam.PolicyStatement]:
        """What a job reads and writes: datasets, and its outputs with Bedrock's write probe.

        The probe is `<output>/.write_access_check_file.tmp`.
        https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
        """
        return [
            *self.statements_to_read(prefixes=(DATASETS_PREFIX, OUTPUTS_PREFIX)),
            Allow(
                sid="WriteOutputs",
                actions=["s3:PutObject"],
                resources=[self.arn_for_objects(f"{OUTPUTS_PREFIX}*")],
                conditions=self._of_this_account(),
                wildcard="The outputs' prefix of this one bucket: Bedrock names the files itself.",
                owner=self,
            ),
        ]

    def statements_to_report(self) -> list[iam.PolicyStatement]:
        """Reading outputs, and writing a report and a record beside them."""
        return [
            *self.statements_to_read(prefixes=(OUTPUTS_PREFIX,)),
            Allow(
                sid="WriteReports",
                actions=["s3:PutObject"],
                resources=[self.arn_for_objects(f"{OUTPUTS_PREFIX}*")],
                conditions=self._of_this_account(),
                wildcard=(
                    "The outputs' prefix of this one bucket: a report stands beside what Bedrock "
                    "wrote, in a folder that Bedrock names."
                ),
                owner=self,
            ),
        ]

    def statements_to_read(self, *, prefixes: Sequence[str]) -> list[iam.PolicyStatement]:
        """Reading objects under the prefixes and listing them."""
        return [
            Allow(
                sid="ReadObjects",
                actions=["s3:GetObject"],
                resources=[self.arn_for_objects(f"{prefix}*") for prefix in prefixes],
                conditions=self._of_this_account(),
                wildcard="A prefix of this one bucket; the action reads objects and nothing else.",
                owner=self,
            ),
            Allow(
                sid="ListObjects",
                actions=["s3:ListBucket"],
                resources=[self.bucket_arn],
                conditions={
                    **self._of_this_account(),
                    "StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]},
                },
            ),
        ]

    def statements_to_look_for_datasets(self) -> list[iam.PolicyStatement]:
        """Asking whether one dataset is there.

        S3 answers 404 for a missing object to those only who may list the bucket, and 403 to
        others; a HEAD carries no prefix, so none can stand in the condition.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        read, _ = self.statements_to_read(prefixes=(DATASETS_PREFIX,))
        return [
            read,
            Allow(
                sid="TellMissingFromForbidden",
                actions=["s3:ListBucket"],
                resources=[self.bucket_arn],
                conditions=self._of_this_account(),
            ),
        ]

    def statements_to_upload(self) -> list[iam.PolicyStatement]:
        """Writing datasets once, and looking whether one is already there."""
        return [
            *self.statements_to_look_for_datasets(),
            Allow(
                sid="WriteDatasets",
                actions=["s3:AbortMultipartUpload", "s3:PutObject"],
                resources=[self.arn_for_objects(f"{DATASETS_PREFIX}*")],
                conditions=self._of_this_account(),
                wildcard=(
                    "The datasets' prefix of this one bucket, where a key holds the digest of what "
                    "is written; the bucket's policy denies writing to a key that exists."
                ),
                owner=self,
            ),
        ]
