"""Start the emulator: `python -m rehearsal.emulator.serve OPTIONS.json`."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from rehearsal.emulator import certificate, environment
from rehearsal.emulator.options import Options

MINISTACK = "1.5.33"
"""The release these extensions are written against: they reach into its modules."""


def _end_with_parent() -> None:
    """End when the parent's end of standard input closes, however the parent ended."""

    def wait() -> None:
        # Not sys.stdin: the interpreter would wait for its lock when it ends.
        while os.read(0, 1):
            pass
        # With the functions it runs: they are in its process group.
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _extend(options: Options) -> None:
    """Load MiniStack and put everything it lacks in place."""
    # MiniStack reads the environment when it is imported, so nothing of it may come earlier.
    from rehearsal.emulator import (  # noqa: PLC0415
        account_facts,
        alarms,
        clock,
        condition_keys,
        data_encryption,
        ec2_descriptions,
        embedded_metrics,
        event_rules,
        front_door,
        function_interfaces,
        function_runtime,
        patient_answers,
        principals,
        refusals,
        state_machines,
        sudden_ends,
    )
    from rehearsal.emulator.bedrock import service  # noqa: PLC0415
    from rehearsal.emulator.cloudformation import (  # noqa: PLC0415
        custom_resource,
        dropped_properties,
        flow_log,
        ledger,
        security_group_rules,
        service_refusals,
    )

    refusals.write_to(options.refusals_file)
    clock.install(options.clock_file)
    principals.install()
    condition_keys.install()
    front_door.install(prefix_lists=options.prefix_lists)
    data_encryption.install()
    ec2_descriptions.install()
    function_runtime.install()
    sudden_ends.install(plan=options.sudden_end_file, log=options.sudden_ends_log)
    function_interfaces.install(pace_file=options.interface_pace_file)
    alarms.install()
    embedded_metrics.install()
    event_rules.install()
    security_group_rules.install()
    flow_log.install()
    dropped_properties.install()
    service_refusals.install()
    state_machines.install()
    custom_resource.install()
    account_facts.install(options=options, service=service.install(options))
    patient_answers.install()
    ledger.install(options.ledger_file)


def _serve(options: Options) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack import app  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{options.listen_fd}"]
    config.certfile = os.environ["MINISTACK_SSL_CERT"]
    config.keyfile = os.environ["MINISTACK_SSL_KEY"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    application: Any = app.app
    asyncio.run(serve(application, config))


def main(arguments: list[str]) -> None:
    """Run until ended.

    Raises:
        SystemExit: another MiniStack than the one this is written for is installed.
    """
    options = Options.read(Path(arguments[0]))
    found = importlib.metadata.version("ministack")
    if found != MINISTACK:
        raise SystemExit(
            f"the rehearsal needs ministack {MINISTACK}, found {found}: run make setup"
        )
    environment.apply(options=options, environment=os.environ)
    (options.state / "tmp").mkdir(parents=True, exist_ok=True)
    if options.ends_with_parent:
        _end_with_parent()
    certificate.write(folder=options.state, ca_file=options.ca_file)
    _extend(options)
    _serve(options)


if __name__ == "__main__":
    main(sys.argv[1:])
