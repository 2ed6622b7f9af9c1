"""Taking away what nobody wants: what goes, asking first, and the order."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from finetune.aws import Connection, aws_errors
from finetune.clean_up import picture
from finetune.clean_up.looks import Region
from finetune.clean_up.removal import REMOVABLE, Remover
from finetune.clean_up.stack_deletion import Deleter, Patience
from finetune.clean_up.survey import Entry, Survey
from finetune.clean_up.things import Fate, Kind
from finetune.clean_up.wanted import Wanted
from finetune.report import CommandError, ExitCode, Finding, Output, failure

ENCRYPTED: Final = frozenset({Kind.BUCKET, Kind.TABLE, Kind.LOG_GROUP})
"""What is encrypted with one of the environment's keys, besides models."""

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def kinds_named(names: Iterable[str]) -> frozenset[Kind]:
    """The kinds that a person named, in the singular or the plural.

    Raises:
        CommandError: there is no such kind (2).
    """
    known = {name.lower(): kind for kind in Kind for name in (kind.value, kind.plural)}
    found = set()
    for name in names:
        kind = known.get(name.lower().replace("-", " "))
        if kind is None:
            raise failure(
                code=ExitCode.USAGE,
                id="unknown-kind",
                message=f"--also-kept must name a kind of thing, got {name!r}",
                fix=f"name one of: {', '.join(kind.value for kind in Kind)}",
            )
        found.add(kind)
    return frozenset(found)


def doomed(found: Survey, *, also_kept: frozenset[Kind]) -> list[Entry]:
    """What goes, in the order in which it does.

    What is forgotten and nobody has to name; and what is kept, or needs naming, of these kinds.
    What a forgotten stack owns goes with it; what is not tagged ours never goes, and no key goes
    before all that it encrypts.
    """
    stacks = {
        entry.judged.thing.name
        for entry in found.of(Fate.FORGOTTEN)
        if entry.judged.thing.kind is Kind.STACK
    }

    def goes(entry: Entry) -> bool:
        judged = entry.judged
        if judged.stays or not judged.thing.tagged or judged.thing.kind not in REMOVABLE:
            return False
        if judged.thing.environment not in found.wanted:
            return False
        named = judged.thing.kind in also_kept
        if judged.with_stack in stacks:
            return False
        match judged.fate:
            case Fate.FORGOTTEN:
                return named or not judged.by_name
            case Fate.KEPT:
                return named
            case Fate.IN_USE:
                return False

    going = [entry for entry in found.entries if goes(entry)]
    return [entry for entry in going if not needed_by(entry, found=found, going=going)]


def needed_by(key: Entry, *, found: Survey, going: Sequence[Entry]) -> list[str]:
    """What stays and could not be read any more without a key; nothing for other things.

    A model says which key it is under. Of the rest only the environment is known.
    """
    if key.judged.thing.kind is not Kind.KEY:
        return []
    arn = key.judged.thing.details.get("arn")
    gone = {id(entry) for entry in going}
    stacks = {entry.judged.thing.name for entry in going if entry.judged.thing.kind is Kind.STACK}
    return [
        entry.judged.thing.name
        for entry in found.entries
        if id(entry) not in gone
        and entry.judged.with_stack not in stacks
        and (
            entry.judged.thing.details.get("key") == arn
            if entry.judged.thing.kind is Kind.MODEL
            else entry.judged.thing.kind in ENCRYPTED
            and entry.judged.thing.environment == key.judged.thing.environment
        )
    ]


def check_account(wanted: Wanted, region: Region) -> None:
    """Refuse to delete in another account than the settings name.

    Raises:
        CommandError: the credentials are of another account (3).
    """
    if wanted.account is None:
        return
    with aws_errors(doing="reading whose credentials these are"):
        got = region.client("sts").get_caller_identity()["Account"]
    if got != wanted.account:
        raise failure(
            code=ExitCode.AWS,
            id="other-account",
            message=f"the credentials are of account {got}, the settings of"
            f" {wanted.environment} name {wanted.account}: nothing was deleted",
            fix="choose other credentials (AWS_PROFILE), or correct `account`",
        )


def confirm(
    output: Output, going: Sequence[Entry], *, environment: str, yes: bool, what: str
) -> None:
    """Say what goes and ask for the environment's name.

    Raises:
        CommandError: nobody can be asked (2), or the answer was another (130).
    """
    if not going:
        output.say("nothing is to be deleted")
        return
    output.say(f"to be deleted, {picture.total_of(going)}:")
    for entry in going:
        output.say(f"  {entry.judged.thing.kind}  {entry.judged.thing.name}")
    ask(output, question=f"To {what}", environment=environment, yes=yes)


def ask(output: Output, *, question: str, environment: str, yes: bool) -> None:
    """Ask for the environment's name before something goes for good, unless `yes` says so.

    Raises:
        CommandError: nobody can be asked (2), or the answer was another (130).
    """
    if yes:
        return
    if output.as_json or not sys.stdin.isatty():
        raise failure(
            code=ExitCode.USAGE,
            id="not-confirmed",
            message="nobody can be asked here, and --yes was not given: nothing was deleted",
            fix="run it on a terminal, or read the list above and add --yes",
        )
    answer = input(f"{question}, type the environment's name ({environment}): ")
    if answer.strip() != environment:
        raise failure(
            code=ExitCode.INTERRUPTED,
            id="not-confirmed",
            message=f"the answer must be {environment}, got {answer.strip() or 'nothing'}:"
            " nothing was deleted",
            fix="run it again and type the name",
        )


def administrator_of(
    connection: Connection, *, role: str | None, wanted: Wanted | None
) -> S3Client:
    """The S3 client of who may empty buckets: of a role of theirs, or the caller.

    In a rehearsal it is a stand-in for the settings' administrators, as when it destroys.

    Raises:
        CommandError: the role may not be taken (3).
    """
    if role is None and connection.rehearsal and wanted is not None:
        return _stand_in(connection, wanted)
    if role is None:
        found: S3Client = connection.client("s3")
        return found
    with aws_errors(
        doing=f"assuming the role {role}",
        denied="the role must trust the caller, and the caller be allowed to call sts:AssumeRole",
    ):
        return connection.s3_as(role=role)


def _stand_in(connection: Connection, wanted: Wanted) -> S3Client:
    from finetune.aws import read_rehearsal  # noqa: PLC0415 loaded when used
    from finetune.environments import REHEARSAL_FILE  # noqa: PLC0415
    from rehearsal import people  # noqa: PLC0415
    from rehearsal.client import Client, Credentials  # noqa: PLC0415

    kept = read_rehearsal(path=REHEARSAL_FILE)
    caller = Client(
        endpoint=kept.endpoint,
        ca_file=Path(kept.ca_file),
        region=kept.region,
        account=connection.client("sts").get_caller_identity()["Account"],
        credentials=Credentials(
            access_key=kept.access_key_id,
            secret_key=kept.secret_access_key,
            session_token=kept.session_token,
        ),
    )
    found: S3Client = people.become(
        client=caller, people=wanted.administrators, session_name="finetune"
    ).service("s3")
    return found


def take_away(
    *,
    output: Output,
    found: Survey,
    doomed: Sequence[Entry],
    removed: list[dict[str, object]],
    administrator: str | None,
    interval: float,
) -> list[Finding]:
    """Take things away, one after the other, and return what AWS refused.

    One that is refused does not keep the others from going; `removed` takes what went.
    """
    failed: list[Finding] = []
    removers: dict[str, Remover] = {}
    for entry in doomed:
        thing = entry.judged.thing
        if thing.region not in removers:
            region = found.regions[thing.region]
            removers[thing.region] = Remover(
                region=region,
                deleter=Deleter(
                    region=region, patience=Patience(interval=interval), say=output.say
                ),
                administrator=administrator_of(
                    region.connection,
                    role=administrator,
                    wanted=found.wanted.get(thing.environment),
                ),
                pending_window_days={
                    name: wanted.pending_window_days for name, wanted in found.wanted.items()
                },
            )
        try:
            done = removers[thing.region].remove(thing)
        except CommandError as error:
            failed += error.findings
            continue
        output.say(f"{thing.kind} {thing.name} {done}")
        removed.append({"kind": thing.kind.value, "name": thing.name, "id": thing.id, "done": done})
    return failed
