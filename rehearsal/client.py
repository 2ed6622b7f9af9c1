"""How clients reach an emulator: environment variables for processes, boto3 for ourselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from rehearsal.layout import ROOT

_DROPPED_PREFIXES = ("AWS_", "CDK_", "BOTO", "NODE_", "PYTHON")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a caller signs with."""

    access_key: str
    secret_key: str
    session_token: str | None = None


ROOT_CREDENTIALS = Credentials(access_key="test", secret_key="test")  # noqa: S106 - not a secret
"""The emulated account's root: what `cdk bootstrap` needs on a fresh account."""


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy without anything of AWS, the CDK, Node, Python or a proxy; our Node comes first."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_DROPPED_PREFIXES) and name.lower() not in _PROXIES
    }
    tools = [ROOT / "node_modules" / ".bin", ROOT / ".venv" / "bin"]
    kept["PATH"] = os.pathsep.join([*map(str, tools), kept.get("PATH", os.defpath)])
    kept["JSII_NODE"] = str(ROOT / "node_modules" / ".bin" / "node")
    return kept


@cache
def _session(credentials: Credentials, region: str) -> boto3.Session:
    """One session for all clients of a caller: it keeps the service models it has read."""
    return boto3.Session(
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        region_name=region,
    )


@dataclass(frozen=True, kw_only=True)
class Client:
    """A way to call an emulator as someone."""

    endpoint: str
    ca_file: Path
    region: str
    account: str
    credentials: Credentials = ROOT_CREDENTIALS

    def acting_as(self, credentials: Credentials) -> Client:
        """The same emulator, as somebody else."""
        return Client(
            endpoint=self.endpoint,
            ca_file=self.ca_file,
            region=self.region,
            account=self.account,
            credentials=credentials,
        )

    def variables(self) -> dict[str, str]:
        """Environment variables that point every AWS SDK at the emulator."""
        found = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CA_BUNDLE": str(self.ca_file),
            "NODE_EXTRA_CA_CERTS": str(self.ca_file),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        if self.credentials.session_token:
            found["AWS_SESSION_TOKEN"] = self.credentials.session_token
        return found

    def environment(self) -> dict[str, str]:
        """A whole environment for a process that calls the emulator."""
        return {**clean_environment(os.environ), **self.variables()}

    def service(self, name: str) -> Any:  # noqa: ANN401 - the stubs have a type for each name
        """A boto3 client that ignores this machine's profiles, proxies and variables."""
        # The stubs know each service by a literal name only.
        session: Any = _session(self.credentials, self.region)
        config = Config(
            proxies={},
            retries={"max_attempts": 2, "mode": "standard"},
            s3={"addressing_style": "path"},
            read_timeout=120,
        )
        return session.client(
            name, endpoint_url=self.endpoint, verify=str(self.ca_file), config=config
        )
