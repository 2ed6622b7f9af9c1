"""AWS as the commands reach it: a real account, or a kept rehearsal; and its errors in words."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import environments
from finetune.report import CommandError, ExitCode, failure

if TYPE_CHECKING:
    import boto3
    from botocore.exceptions import ClientError
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

SESSION_NAME = "finetune"
"""Name of the sessions of assumed roles, as CloudTrail shows it."""
_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_INVALID = frozenset(
    {
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidToken",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
SIGN_IN = "sign in (`aws sso login`), or set AWS_PROFILE to credentials of the account"


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """How to reach a kept rehearsal, as `.rehearsal/env.json` says."""

    endpoint: str
    """URL of the emulator; https."""
    ca_file: str
    """Certificate it is trusted by."""
    access_key_id: str
    secret_access_key: str
    session_token: str | None
    region: str
    state_dir: str
    """Folder of that rehearsal."""


def read_rehearsal(*, path: Path) -> Rehearsal:
    """Return how to reach the kept rehearsal, or end the command when there is none."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Rehearsal(
            endpoint=values["endpoint"],
            ca_file=values["ca_file"],
            access_key_id=values["credentials"]["access_key_id"],
            secret_access_key=values["credentials"]["secret_access_key"],
            session_token=values["credentials"].get("session_token"),
            region=values["region"],
            state_dir=values["state_dir"],
        )
    except FileNotFoundError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="no-rehearsal",
            message="no rehearsal is kept",
            fix="start one with `finetune rehearse --keep`, or leave --rehearsal out",
            where={"file": str(path)},
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise failure(
            code=ExitCode.USAGE,
            id="broken-rehearsal-file",
            message=f"the file of the kept rehearsal cannot be used ({type(error).__name__})",
            fix="end it with `finetune rehearse --down` and start a new one with --keep",
            where={"file": str(path)},
        ) from error


class Connection:
    """Clients for one Region, made when they are asked for."""

    def __init__(
        self, *, session: "boto3.Session", region: str, rehearsal: Rehearsal | None
    ) -> None:
        from botocore.config import Config  # noqa: PLC0415 boto3 is slow to load

        self._session = session
        self.region = region
        self.rehearsal = rehearsal is not None
        self._kept = rehearsal
        self._endpoint = rehearsal.endpoint if rehearsal else None
        self._verify = rehearsal.ca_file if rehearsal else None
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=10,
            # A bucket's name in front of 127.0.0.1 is no host name.
            s3={"addressing_style": "path"} if rehearsal else None,
            user_agent_extra="finetune",
        )

    def cloudformation(self) -> "CloudFormationClient":
        """Return the client that reads stacks."""
        return self._session.client(
            "cloudformation",
            region_name=self.region,
            endpoint_url=self._endpoint,
            verify=self._verify,
            config=self._config,
        )

    def bedrock(self) -> "BedrockClient":
        """Return the client that reads jobs."""
        return self._session.client(
            "bedrock",
            region_name=self.region,
            endpoint_url=self._endpoint,
            verify=self._verify,
            config=self._config,
        )

    def client(self, service: str) -> Any:  # noqa: ANN401 - typed by whoever asks
        """Return the client of any other service, by its name in boto3."""
        make: Any = self._session.client
        return make(
            service,
            region_name=self.region,
            endpoint_url=self._endpoint,
            verify=self._verify,
            config=self._config,
        )

    def s3_as(self, *, role: str) -> "S3Client":
        """Return an S3 client that acts as the role, for an hour."""
        found: S3Client = self.acting_as(role=role).client("s3")
        return found

    def acting_as(self, *, role: str) -> "Connection":
        """Return a connection that acts as the role, for an hour."""
        import boto3  # noqa: PLC0415 slow to load

        keys = self.client("sts").assume_role(RoleArn=role, RoleSessionName=SESSION_NAME)
        found = keys["Credentials"]
        session = boto3.Session(
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"],
            region_name=self.region,
        )
        return Connection(session=session, region=self.region, rehearsal=self._kept)

    def function_caller(self, *, seconds: int) -> "LambdaClient":
        """Return a client that waits as long for a function, and calls it once.

        A second call would do, and cost, the same again.
        """
        from botocore.config import Config  # noqa: PLC0415 slow to load

        once = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=seconds)
        return self._session.client(
            "lambda",
            region_name=self.region,
            endpoint_url=self._endpoint,
            verify=self._verify,
            config=self._config.merge(once),
        )


def connect(*, region: str, rehearsal: bool) -> Connection:
    """Return a connection to the account of the caller's credentials, or to a kept rehearsal."""
    import boto3  # noqa: PLC0415 slow to load

    if not rehearsal:
        with aws_errors(doing="reading the credentials"):
            session = boto3.Session(region_name=region)
        return Connection(session=session, region=region, rehearsal=None)
    kept = read_rehearsal(path=environments.REHEARSAL_FILE)
    session = boto3.Session(
        aws_access_key_id=kept.access_key_id,
        aws_secret_access_key=kept.secret_access_key,
        aws_session_token=kept.session_token,
        region_name=kept.region,
    )
    return Connection(session=session, region=kept.region, rehearsal=kept)


def stack_outputs(*, connection: Connection, stack: str) -> dict[str, str] | None:
    """Return the outputs of a stack by name, or None when there is no such stack."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    with aws_errors(doing=f"describing the stack {stack}"):
        try:
            found = connection.cloudformation().describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            # CloudFormation has no code of its own for a stack that does not exist.
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
    outputs = found[0].get("Outputs", []) if found else []
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def error_code(error: "ClientError") -> str:
    """Return the code of an AWS error, such as `AccessDenied`; a HEAD request has only a number."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def aws_errors(*, doing: str, denied: str = "") -> Iterator[None]:
    """Turn errors of AWS and of credentials into `CommandError` with exit code 3.

    `doing` is what was tried, `denied` what to do when AWS refuses it.
    """
    from botocore import exceptions as aws  # noqa: PLC0415

    try:
        yield
    except aws.ClientError as error:
        raise _client_failure(error=error, doing=doing, denied=denied) from error
    except (
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.CredentialRetrievalError,
        aws.ProfileNotFound,
        aws.ConfigParseError,
    ) as error:
        raise failure(
            code=ExitCode.AWS,
            id="no-credentials",
            message=f"no usable AWS credentials for {doing} ({_plain(error)})",
            fix=SIGN_IN,
        ) from error
    except (aws.SSOError, aws.TokenRetrievalError) as error:
        raise failure(
            code=ExitCode.AWS,
            id="expired-credentials",
            message=f"the sign-in has expired or is missing for {doing} ({_plain(error)})",
            fix="sign in again: `aws sso login`",
        ) from error
    except (aws.HTTPClientError, aws.ConnectionError) as error:
        raise failure(
            code=ExitCode.AWS,
            id="unreachable",
            message=f"AWS could not be reached for {doing} ({_plain(error)})",
            fix="check the network, a proxy and the Region; for --rehearsal, that it still runs",
        ) from error
    except aws.BotoCoreError as error:
        raise failure(
            code=ExitCode.AWS,
            id="aws-error",
            message=f"{doing} failed ({_plain(error)})",
            fix="read the message; it comes from the AWS SDK",
        ) from error


def _client_failure(*, error: "ClientError", doing: str, denied: str) -> CommandError:
    code = error_code(error)
    if code in _EXPIRED:
        kind, fix = "expired-credentials", "sign in again (`aws sso login`), or renew them"
    elif code in _INVALID:
        kind, fix = "no-credentials", SIGN_IN
    elif code in _DENIED:
        kind = "access-denied"
        fix = denied or "use credentials that may do this, or ask an administrator for it"
    else:
        kind, fix = "aws-error", "read the message; it is AWS's own"
    return failure(code=ExitCode.AWS, id=kind, message=f"{doing} failed: {_plain(error)}", fix=fix)


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())
