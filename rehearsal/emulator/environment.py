"""The environment the emulator and the functions it runs may see."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

from rehearsal.emulator.options import Options

KEPT = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TEMP", "TMP"})
"""What passes from the person's shell: a function inherits the emulator's environment, and must
not work because of a variable, a profile or a proxy that only this machine has."""


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of `environment` that may be inherited."""
    return {name: value for name, value in environment.items() if name in KEPT}


def apply(*, options: Options, environment: MutableMapping[str, str]) -> None:
    """Replace `environment` by the scrubbed one plus MiniStack's own settings.

    Must run before MiniStack is imported: it reads its settings at import time.
    """
    kept = scrubbed(environment)
    environment.clear()
    environment.update(kept)
    environment.update(
        {
            "AUTH": "true",
            "USE_SSL": "1",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(options.port),
            "MINISTACK_ACCOUNT_ID": options.account,
            "MINISTACK_REGION": options.region,
            "MINISTACK_SSL_CERT": str(options.state / "server.pem"),
            "MINISTACK_SSL_KEY": str(options.state / "server.key"),
            "TMPDIR": str(options.state / "tmp"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "INFO",
            # Docker, credentials, profiles and instance metadata are out of reach on purpose.
            "DOCKER_HOST": "unix:///nonexistent",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # The provider framework asks every ten seconds whether a job is validated; a second
            # here, where a job takes seconds instead of hours.
            "SFN_WAIT_SCALE": "0.1",
        }
    )
