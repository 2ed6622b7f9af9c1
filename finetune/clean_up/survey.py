"""One look over all Regions of the settings: what is there, who wants it, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from finetune.aws import Connection, aws_errors, connect
from finetune.clean_up import bill, looks, stacks
from finetune.clean_up.judge import Scene, judge
from finetune.clean_up.looks import Region
from finetune.clean_up.stacks import LastWords, Stack
from finetune.clean_up.things import Fate, Judged, Kind, Thing
from finetune.clean_up.wanted import Wanted, read_wanted
from finetune.environments import finding_of
from finetune.report import CommandError, ExitCode, Finding
from settings import available_environments
from settings.cost import Line
from settings.errors import SettingsError
from settings.prices import Prices, read_prices


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A judged thing with what it costs in a month."""

    judged: Judged
    cost: Line

    @property
    def fate(self) -> Fate:
        """Whether somebody wants it."""
        return self.judged.fate


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All that was seen in all Regions."""

    entries: Sequence[Entry]
    problems: Sequence[Finding]
    """What could not be looked at: then nobody can say that nothing is forgotten."""
    regions: Mapping[str, Region]
    wanted: Mapping[str, Wanted]
    only_tagged: Sequence[str] = ()
    """ARNs that the tagging API knows with our tag, and no list: it lags, they may be gone."""

    def of(self, fate: Fate) -> list[Entry]:
        """The things of a fate, in the order in which they would be taken away."""
        return [entry for entry in self.entries if entry.fate is fate]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where to look, and for whose things."""

    wanted: Mapping[str, Wanted]
    regions: Sequence[str]
    everybody: bool

    @property
    def environments(self) -> frozenset[str] | None:
        """Whose things are looked for; None for everybody's."""
        return None if self.everybody else frozenset(self.wanted)


def scope_of(*, environment: str, directory: Path, everybody: bool) -> tuple[Scope, list[Finding]]:
    """What the settings files want, and in which Regions they are or say so.

    Settings of another environment that cannot be read are told and left out.

    Raises:
        CommandError: those of the chosen environment cannot be read (2).
    """
    chosen = read_wanted(name=environment, directory=directory)
    all_wanted = {environment: chosen}
    problems: list[Finding] = []
    for name in available_environments(directory=directory):
        if name in all_wanted:
            continue
        try:
            all_wanted[name] = read_wanted(name=name, directory=directory)
        except CommandError as error:
            problems += error.findings
    regions = tuple(sorted({wanted.region for wanted in all_wanted.values()}))
    wanted = all_wanted if everybody else {environment: chosen}
    return Scope(wanted=wanted, regions=regions, everybody=everybody), problems


def survey(
    *,
    scope: Scope,
    directory: Path,
    rehearsal: bool,
    told: Callable[[str], None] = lambda _: None,
    connect_to: Callable[..., Connection] = connect,
) -> Survey:
    """Look around in every Region and judge what is there.

    Raises:
        CommandError: the stacks cannot be read, without which nothing can be judged (3); own
            prices are wrong (2).
    """
    regions: dict[str, Region] = {}
    problems: list[Finding] = []
    things: dict[tuple[Kind, str], Thing] = {}
    living: list[Stack] = []
    last_words: dict[str, LastWords] = {}
    for name in scope.regions:
        connection = connect_to(region=name, rehearsal=rehearsal)
        if connection.region in regions:
            # A rehearsal has one Region.
            continue
        told(connection.region)
        region = Region(connection=connection, environments=scope.environments)
        regions[connection.region] = region
        with aws_errors(doing=f"reading the stacks in {region.name}"):
            living += stacks.living(region)
            last_words |= stacks.last_words(region)
        seen = looks.look_around(region)
        problems += seen.problems
        # IAM is seen from every Region.
        things |= {(thing.kind, thing.id): thing for thing in seen.things}
    scene = Scene(
        wanted=scope.wanted,
        stacks=living,
        things=tuple(things.values()),
        now=datetime.now(UTC),
        last_words=last_words,
    )
    prices = {name: _prices(region=name, directory=directory) for name in regions}
    entries = [
        Entry(judged=each, cost=bill.monthly(each.thing, prices[each.thing.region]))
        for each in judge(scene)
    ]
    return Survey(
        entries=entries,
        problems=problems,
        regions=regions,
        wanted=scope.wanted,
        only_tagged=sorted(
            arn for region in regions.values() for arn in _only_tagged(region, scene)
        ),
    )


def _only_tagged(region: Region, scene: Scene) -> Iterator[str]:
    known = {part for thing in scene.things for part in (thing.id, thing.name, thing.resource_id)}
    known |= {resource.physical_id for stack in scene.stacks for resource in stack.resources}
    known |= {stack.id for stack in scene.stacks}
    # Queues are known by a URL, rules by a bus besides.
    known |= {part.rpartition(mark)[2] for part in list(known) for mark in "/|"}
    for arn, environment in region.tagged.items():
        tails = {arn, arn.rpartition(":")[2], arn.rpartition("/")[2]}
        if region.admits(environment) and not tails & known:
            yield arn


def _prices(*, region: str, directory: Path) -> Prices:
    try:
        return read_prices(region=region, directory=directory)
    except SettingsError as error:
        raise CommandError(
            code=ExitCode.USAGE,
            findings=[finding_of(each.as_json()) for each in error.findings],
        ) from error
