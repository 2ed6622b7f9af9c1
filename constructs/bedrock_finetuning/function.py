"""A Lambda function of ours, with its log group, its code and nothing it does not need."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IConstruct

from .acknowledgements import acknowledge, in_packs
from .function_assets import assemble, packages_of
from .naming import Names
from .statements import Allow, deny

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "lambda"
DEPENDENCIES = REPOSITORY / "build" / "functions" / "dependencies.zip"


class FunctionLogs(logs.LogGroup):
    """A function's log group under the data key: made here, so that the function never makes one.

    Args:
        purpose: The last part of the function's name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        purpose: str,
        key: kms.IKey,
        retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            id,
            log_group_name=names.function_log_group(purpose),
            encryption_key=key,
            retention=retention,
            removal_policy=removal_policy,
        )

    def statement_to_write(self) -> iam.PolicyStatement:
        """Writing to this log group; without CreateLogGroup it stays deleted once deleted."""
        return Allow(
            sid="WriteLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[self.log_group_arn],
        )


class Function(lambda_.Function):
    """A Python function whose asset holds its package, what functions share, and locked libraries.

    Args:
        purpose: Its package under `lambda/` with `-` for `_`, and the last part of its name.
        role: A shell whose permissions are attached as managed policies.
        environment: Environment variables; never a secret.
        timeout: At most 15 minutes.
        vpc, subnets, security_group: Where it runs; all three or none.
        reserved_concurrency: None where the account's quota leaves nothing to reserve.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        purpose: str,
        role: iam.Role,
        log_group: FunctionLogs,
        log_level: str,
        environment: Mapping[str, str],
        timeout: Duration,
        dead_letter_queue: sqs.IQueue,
        reserved_concurrency: int | None,
        vpc: ec2.IVpc | None = None,
        subnets: ec2.SubnetSelection | None = None,
        security_group: ec2.ISecurityGroup | None = None,
    ) -> None:
        package = purpose.replace("-", "_")
        # The asset is copied into the assembly while the function is made; the folder can go then.
        with tempfile.TemporaryDirectory(prefix="finetune-asset-") as folder:
            super().__init__(
                scope,
                id,
                function_name=names.function(purpose),
                runtime=lambda_.Runtime.PYTHON_3_13,
                architecture=lambda_.Architecture.ARM_64,
                handler=f"{package}.handler.handler",
                code=_code(packages=packages_of(package), folder=Path(folder)),
                # A shell of another stack: statements added here would turn the arrow back.
                role=role.without_policy_updates(),
                log_group=log_group,
                environment={
                    "POWERTOOLS_SERVICE_NAME": purpose,
                    "POWERTOOLS_LOG_LEVEL": log_level,
                    **environment,
                },
                memory_size=512,
                timeout=timeout,
                dead_letter_queue=dead_letter_queue,
                reserved_concurrent_executions=reserved_concurrency,
                vpc=vpc,
                vpc_subnets=subnets,
                security_groups=[security_group] if security_group else None,
            )
        acknowledge_function(self, reserved_concurrency=reserved_concurrency)
        acknowledge(
            self,
            reason=(
                "Python 3.13 is supported by Lambda until 2029-06-30, and the locked libraries and "
                "the tests are for 3.11 to 3.13; it turns false when they take in 3.14."
            ),
            findings=("AwsSolutions-L1", "Serverless-LambdaLatestVersion"),
        )


def _code(*, packages: Sequence[str], folder: Path) -> lambda_.Code:
    target = folder / f"{packages[0]}.zip"
    digest = assemble(packages=packages, dependencies=DEPENDENCIES, source=SOURCE, target=target)
    return lambda_.Code.from_asset(str(target), asset_hash=digest)


def statements_to_run_in_a_vpc(
    scope: Construct, *, function_name: str
) -> list[iam.PolicyStatement]:
    """What Lambda needs to attach a function to a VPC, denied to the function's own code.

    The EC2 actions take no resource that could be named before the interface exists.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice
    """
    stack = Stack.of(scope)
    actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ]
    function = (
        f"arn:{stack.partition}:lambda:{stack.region}:{stack.account}:function:{function_name}"
    )
    return [
        Allow(
            sid="LambdaAttachesTheFunction",
            actions=actions,
            resources=["*"],
            wildcard=(
                "The interfaces do not exist yet; the Deny beside it takes these actions away from "
                "the function's own code."
            ),
        ),
        deny(
            sid="DenyToTheFunctionsOwnCode",
            actions=actions,
            resources=["*"],
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": function}},
        ),
    ]


def limit_events(
    function: lambda_.Function, *, max_event_age: Duration, retry_attempts: int
) -> None:
    """Has Lambda drop events that it could not deliver to a function in this time.

    Left to itself it keeps them for six hours and tries twice more.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    function.configure_async_invoke(max_event_age=max_event_age, retry_attempts=retry_attempts)
    acknowledge(
        function.node.find_child("EventInvokeConfig"),
        reason=(
            "The function's dead-letter queue keeps every event that failed or grew too old; a "
            "destination besides would keep each of them twice."
        ),
        findings=("Serverless-LambdaAsyncFailureDestination",),
    )


OUTSIDE_THE_VPC = (
    "It answers CloudFormation in a bucket that is not ours and holds no data and no key; inside, "
    "the S3 endpoint would need a hole for that bucket."
)


def acknowledge_function(construct: IConstruct, *, reserved_concurrency: int | None) -> None:
    """Takes the findings that every function of an environment raises, each with its reason."""
    if reserved_concurrency is None:
        acknowledge(
            construct,
            reason=(
                "Accounts with a quota of 10 have nothing to reserve; `engine.reserved_concurrency`"
                " sets it, and one stack event at a time is what the function handles."
            ),
            findings=in_packs("LambdaConcurrency", "HIPAA.Security", "NIST.800.53.R5"),
        )
    acknowledge(
        construct,
        reason=(
            "Each call is logged with its request id to an encrypted log group; a trace would need "
            "xray:PutTraceSegments on `*` and leave the environment's keys."
        ),
        findings=("Serverless-LambdaTracing",),
    )


def acknowledge_outside_the_vpc(construct: IConstruct, *, reason: str) -> None:
    """Takes the finding that a function is not in the VPC."""
    acknowledge(
        construct,
        reason=reason,
        findings=in_packs(
            "LambdaInsideVPC", "HIPAA.Security", "NIST.800.53.R4", "NIST.800.53.R5", "PCI.DSS.321"
        ),
    )
