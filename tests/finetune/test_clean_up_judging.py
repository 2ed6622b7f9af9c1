"""Who wants a thing: in use, kept by policy, or forgotten; each verdict beside its opposite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from finetune.clean_up.judge import UNTAGGED, Scene, judge
from finetune.clean_up.stacks import LastWords, Resource, Stack
from finetune.clean_up.things import DEPLOYMENT_RESOURCE, JOB_RESOURCE, Fate, Judged, Kind, Thing
from finetune.clean_up.wanted import Policies, Wanted

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REGION = "us-east-1"
NAME = "dev-reviews-0123456789abcdef"
OLDER = "dev-reviews-fedcba9876543210"
SERVED = f"{NAME}-abc123"
KEEP_ALL = Policies(on_replace="keep-model", on_delete="keep-model")
DELETE_ALL = Policies(on_replace="delete-model", on_delete="delete-model")
DEFAULTS = Policies(on_replace="keep-model", on_delete="delete-model")
"""As the settings have them where nobody chose."""


def wanted(*, retain: bool = False, jobs: Mapping[str, Policies] | None = None) -> Wanted:
    return Wanted(
        environment="dev",
        region=REGION,
        retain=retain,
        jobs={"reviews": DEFAULTS} if jobs is None else jobs,
    )


def stack(part: str, *resources: Resource, status: str = "CREATE_COMPLETE") -> Stack:
    return Stack(
        name=f"finetune-dev-{part}",
        id=f"arn:aws:cloudformation:{REGION}:111122223333:stack/finetune-dev-{part}/1",
        environment="dev",
        region=REGION,
        status=status,
        created=NOW - timedelta(days=2),
        resources=resources,
    )


def resource(type_: str, physical_id: str, **properties: str) -> Resource:
    return Resource(
        logical_id="It", type=type_, physical_id=physical_id, stays=False, properties=properties
    )


def job_stack(
    model: str = NAME,
    *more: Resource,
    policies: Policies = DEFAULTS,
    status: str = "CREATE_COMPLETE",
) -> Stack:
    job = resource(JOB_RESOURCE, model, OnReplace=policies.on_replace, OnDelete=policies.on_delete)
    return stack("job-reviews", job, *more, status=status)


def thing(kind: Kind, name: str, *, job: str | None = None, **fields: object) -> Thing:
    values: dict[str, object] = {"created": NOW - timedelta(days=1), "physical_id": name, **fields}
    return replace(
        Thing(kind=kind, name=name, id=name, region=REGION, environment="dev", job=job),
        **values,  # type: ignore[arg-type] # each test names fields of Thing
    )


def model(name: str = NAME, **fields: object) -> Thing:
    return thing(Kind.MODEL, name, job="reviews", **fields)


def throughput(name: str = SERVED, **fields: object) -> Thing:
    return thing(Kind.THROUGHPUT, name, job="reviews", state="InService", **fields)


def verdicts(
    *things: Thing,
    stacks: Sequence[Stack] = (),
    settings: Wanted | None = None,
    last_words: Mapping[str, LastWords] | None = None,
) -> dict[str, Judged]:
    """The verdicts by name."""
    scene = Scene(
        wanted={"dev": settings or wanted()},
        stacks=stacks,
        things=things,
        now=NOW,
        last_words=last_words or {},
    )
    return {each.thing.name: each for each in judge(scene)}


def fate(seen: Thing, **scene: object) -> Fate:
    return verdicts(seen, **scene)[seen.name].fate  # type: ignore[arg-type]


# Stacks


def test_a_stack_that_the_settings_ask_for_is_in_use() -> None:
    found = verdicts(stacks=[stack("storage"), job_stack()])
    assert {each.fate for each in found.values()} == {Fate.IN_USE}


def test_the_stack_of_a_job_that_was_taken_out_of_the_settings_is_forgotten() -> None:
    found = verdicts(model(), stacks=[job_stack()], settings=wanted(jobs={}))
    assert found["finetune-dev-job-reviews"].fate is Fate.FORGOTTEN
    assert "reviews" in found["finetune-dev-job-reviews"].why
    # Its model goes with it, and not on its own.
    assert found[NAME].fate is Fate.FORGOTTEN
    assert found[NAME].with_stack == "finetune-dev-job-reviews"


def test_a_forgotten_stack_that_keeps_its_model_keeps_it() -> None:
    found = verdicts(model(), stacks=[job_stack(policies=KEEP_ALL)], settings=wanted(jobs={}))
    assert found["finetune-dev-job-reviews"].fate is Fate.FORGOTTEN
    assert found[NAME].fate is Fate.KEPT


def test_a_stack_that_could_not_be_deleted_is_forgotten() -> None:
    (found,) = verdicts(stacks=[stack("network", status="DELETE_FAILED")]).values()
    assert found.fate is Fate.FORGOTTEN
    assert not found.stays


def test_a_stack_whose_environment_moved_to_another_region_is_forgotten() -> None:
    moved = replace(wanted(), region="us-west-2")
    (found,) = verdicts(stacks=[stack("network")], settings=moved).values()
    assert (found.fate, "us-west-2" in found.why) == (Fate.FORGOTTEN, True)


def test_a_stack_of_inference_is_wanted_only_where_the_settings_enable_it() -> None:
    (found,) = verdicts(stacks=[stack("inference")]).values()
    assert found.fate is Fate.FORGOTTEN
    (found,) = verdicts(
        stacks=[stack("inference")], settings=replace(wanted(), inference=True)
    ).values()
    assert found.fate is Fate.IN_USE


def test_an_environment_whose_settings_are_elsewhere_is_left_alone() -> None:
    theirs = replace(stack("storage"), environment="alice", name="finetune-alice-storage")
    found = verdicts(replace(model(), environment="alice"), stacks=[theirs], settings=wanted())
    assert found["finetune-alice-storage"].fate is Fate.IN_USE
    # What they seem to have forgotten may be known to settings that are not here.
    assert found[NAME].fate is Fate.FORGOTTEN
    assert found[NAME].by_name or found[NAME].stays


# Models


def test_a_model_that_a_stack_stands_for_is_in_use() -> None:
    assert fate(model(), stacks=[job_stack()]) is Fate.IN_USE


@pytest.mark.parametrize(
    ("policies", "expected"), [(DEFAULTS, Fate.KEPT), (DELETE_ALL, Fate.FORGOTTEN)]
)
def test_a_model_that_was_replaced_is_kept_or_forgotten_by_on_replace(
    policies: Policies, expected: Fate
) -> None:
    found = verdicts(model(OLDER), model(NAME), stacks=[job_stack(NAME, policies=policies)])
    assert found[OLDER].fate is expected
    assert found[NAME].fate is Fate.IN_USE


def test_a_model_is_not_forgotten_before_its_successor_is_there() -> None:
    assert fate(model(OLDER), stacks=[job_stack(NAME, policies=DELETE_ALL)]) is Fate.IN_USE


def test_a_model_is_in_use_while_its_stack_is_being_changed() -> None:
    busy = job_stack(NAME, policies=DELETE_ALL, status="UPDATE_IN_PROGRESS")
    assert fate(model(OLDER), stacks=[busy]) is Fate.IN_USE


def said(policies: Policies, *, of: str | None = NAME) -> Mapping[str, LastWords]:
    """What the deleted stack of the job said last, and which model it stood for."""
    return {"finetune-dev-job-reviews": LastWords(policies=policies, model=of)}


@pytest.mark.parametrize(
    ("policies", "expected"), [(KEEP_ALL, Fate.KEPT), (DEFAULTS, Fate.FORGOTTEN)]
)
def test_a_model_without_its_stack_is_judged_by_what_that_stack_said_last(
    policies: Policies, expected: Fate
) -> None:
    # The settings say the opposite: they were changed after the stack was gone.
    opposite = DELETE_ALL if policies is KEEP_ALL else KEEP_ALL
    found = verdicts(
        model(), settings=wanted(jobs={"reviews": opposite}), last_words=said(policies)
    )
    assert (found[NAME].fate, found[NAME].stays) == (expected, "")


def test_a_replaced_model_outlives_its_stack_unless_both_policies_let_it_go() -> None:
    """The model that took its place went with the stack: it is the only one left."""
    assert fate(model(OLDER), last_words=said(DEFAULTS)) is Fate.KEPT
    assert fate(model(OLDER), last_words=said(DELETE_ALL)) is Fate.FORGOTTEN


def test_a_model_whose_stack_nobody_remembers_is_judged_by_the_settings() -> None:
    assert fate(model(), settings=wanted(jobs={"reviews": KEEP_ALL})) is Fate.KEPT
    found = verdicts(model(), settings=wanted(jobs={"reviews": DELETE_ALL}))[NAME]
    assert (found.fate, found.by_name) == (Fate.FORGOTTEN, False)


@pytest.mark.parametrize("jobs", [{}, {"reviews": DEFAULTS}])
def test_a_model_of_which_nobody_knows_what_was_to_become_goes_only_by_name(
    jobs: Mapping[str, Policies],
) -> None:
    """The settings name the job no more, or the model may be one that they keep."""
    found = verdicts(model(), settings=wanted(jobs=jobs))[NAME]
    assert (found.fate, found.by_name) == (Fate.FORGOTTEN, True)


# Deployments and throughput


def wish(name: str = SERVED, *, hours: str = "8") -> Resource:
    return resource(DEPLOYMENT_RESOURCE, name, Hours=hours)


def test_throughput_is_forgotten_when_its_end_is_past() -> None:
    stacks = [job_stack(NAME, wish(hours="8"))]
    fresh = throughput(created=NOW - timedelta(hours=7))
    assert fate(fresh, stacks=stacks) is Fate.IN_USE
    late = throughput(created=NOW - timedelta(hours=9))
    found = verdicts(late, stacks=stacks)[SERVED]
    assert (found.fate, found.stays) == (Fate.FORGOTTEN, "")
    assert "past its end, 2026-11-23 11:00 UTC" in found.why


def test_the_schedule_says_better_than_the_stack_when_throughput_ends() -> None:
    stacks = [job_stack(NAME, wish(hours="720"))]
    at = thing(
        Kind.SCHEDULE,
        SERVED,
        details={"group": "finetune-dev", "at": "2026-11-23T10:00:00+00:00"},
    )
    scene = Scene(wanted={"dev": wanted()}, stacks=stacks, things=[throughput(), at], now=NOW)
    judged = {each.thing.kind: each.fate for each in judge(scene)}
    assert judged[Kind.THROUGHPUT] is Fate.FORGOTTEN
    # It still is what ends the throughput: it stays as long as that.
    assert judged[Kind.SCHEDULE] is Fate.IN_USE


def test_the_reaper_has_a_moment_before_anybody_calls_throughput_forgotten() -> None:
    seen = throughput(created=NOW - timedelta(hours=8, minutes=5))
    assert fate(seen, stacks=[job_stack(NAME, wish(hours="8"))]) is Fate.IN_USE


def test_throughput_whose_stack_is_gone_is_forgotten() -> None:
    assert fate(throughput()) is Fate.FORGOTTEN


def test_throughput_that_a_stack_asks_for_no_more_is_forgotten() -> None:
    assert fate(throughput(), stacks=[job_stack()]) is Fate.FORGOTTEN


def test_a_deployment_stays_in_use_until_the_one_that_takes_its_place_serves() -> None:
    new = f"{NAME}-def456"
    stacks = [job_stack(NAME, wish(new))]
    old = thing(Kind.DEPLOYMENT, SERVED, job="reviews", state="Active")
    coming = thing(Kind.DEPLOYMENT, new, job="reviews", state="Creating")
    assert verdicts(old, coming, stacks=stacks)[SERVED].fate is Fate.IN_USE
    there = replace(coming, state="Active")
    assert verdicts(old, there, stacks=stacks)[SERVED].fate is Fate.FORGOTTEN


def test_throughput_under_a_commitment_is_forgotten_but_stays() -> None:
    until = NOW + timedelta(days=20)
    seen = throughput(details={"committed_until": until.isoformat()})
    found = verdicts(seen)[SERVED]
    assert found.fate is Fate.FORGOTTEN
    assert until.isoformat() in found.stays
    # The twin: a commitment that is over keeps nothing.
    over = throughput(details={"committed_until": (NOW - timedelta(days=1)).isoformat()})
    assert not verdicts(over)[SERVED].stays


def test_a_schedule_that_ends_nothing_is_forgotten() -> None:
    seen = thing(Kind.SCHEDULE, SERVED, details={"group": "finetune-dev"})
    assert fate(seen) is Fate.FORGOTTEN
    # It is made before what it ends is bought.
    young = replace(seen, created=NOW - timedelta(minutes=1))
    assert fate(young) is Fate.IN_USE


# Jobs


def test_a_job_that_trains_without_its_stack_is_forgotten() -> None:
    running = thing(Kind.JOB, NAME, job="reviews", state="InProgress")
    assert fate(running) is Fate.FORGOTTEN
    assert fate(running, stacks=[job_stack()]) is Fate.IN_USE


@pytest.mark.parametrize("state", ["Completed", "Failed", "Stopped"])
def test_the_record_of_a_job_that_is_over_is_nothing_to_take_away(state: str) -> None:
    found = verdicts(thing(Kind.JOB, NAME, job="reviews", state=state))[NAME]
    assert (found.fate, bool(found.stays)) == (Fate.KEPT, True)


# What stacks make


@pytest.mark.parametrize("kind", [Kind.BUCKET, Kind.TABLE, Kind.LOG_GROUP, Kind.KEY])
def test_data_without_its_stack_is_kept_or_forgotten_by_retain(kind: Kind) -> None:
    seen = thing(kind, "it")
    assert fate(seen, settings=wanted(retain=True)) is Fate.KEPT
    assert fate(seen, settings=wanted(retain=False)) is Fate.FORGOTTEN


def test_a_key_that_a_model_needs_is_kept_whatever_retain_says() -> None:
    key = thing(Kind.KEY, "key", details={"arn": "arn:key"})
    kept = model(details={"key": "arn:key"})
    assert verdicts(key, kept)["key"].fate is Fate.KEPT
    other = model(details={"key": "arn:other"})
    assert verdicts(key, other)["key"].fate is Fate.FORGOTTEN


def test_a_key_that_waits_for_its_deletion_needs_nobody() -> None:
    going = thing(
        Kind.KEY, "key", state="PendingDeletion", details={"gone_at": "2026-12-01T00:00:00"}
    )
    found = verdicts(going)["key"]
    assert (found.fate, "2026-12-01" in found.why) == (Fate.KEPT, True)


@pytest.mark.parametrize(
    "kind", [Kind.ENDPOINT, Kind.ROLE, Kind.TOPIC, Kind.QUEUE, Kind.ALARM, Kind.STATE_MACHINE]
)
def test_what_a_gone_stack_left_behind_is_forgotten(kind: Kind) -> None:
    assert fate(thing(kind, "it"), settings=wanted(retain=True)) is Fate.FORGOTTEN


def test_what_a_living_stack_owns_is_in_use() -> None:
    stacks = [stack("engine", resource("AWS::SNS::Topic", "it"))]
    assert fate(thing(Kind.TOPIC, "it"), stacks=stacks) is Fate.IN_USE
    # The name alone, of a resource of another type, does not count.
    assert fate(thing(Kind.QUEUE, "it"), stacks=stacks) is Fate.FORGOTTEN


def test_what_does_not_carry_the_owner_tag_is_told_and_never_taken() -> None:
    found = verdicts(thing(Kind.TOPIC, "it", tagged=False))["it"]
    assert (found.fate, found.stays) == (Fate.FORGOTTEN, UNTAGGED)


def test_an_interface_that_bedrock_did_not_release_is_forgotten_after_an_hour() -> None:
    network = stack("network", resource("AWS::EC2::VPC", "vpc-1"))
    job = thing(Kind.JOB, NAME, job="reviews", state="Completed")
    details = {"vpc": "vpc-1", "of": "Bedrock", "job": NAME}
    late = thing(Kind.INTERFACE, "eni-1", details=details, created=NOW - timedelta(hours=3))
    found = verdicts(late, job, stacks=[network])["eni-1"]
    assert (found.fate, bool(found.stays)) == (Fate.FORGOTTEN, True)
    young = replace(late, created=NOW - timedelta(minutes=9))
    assert verdicts(young, job, stacks=[network])["eni-1"].fate is Fate.IN_USE
    running = replace(job, state="InProgress")
    assert verdicts(late, running, stacks=[network])["eni-1"].fate is Fate.IN_USE


def test_things_come_in_the_order_in_which_they_would_go() -> None:
    scene = Scene(
        wanted={"dev": wanted(jobs={})},
        stacks=[stack("identity"), job_stack(), stack("network"), stack("engine")],
        things=[
            thing(Kind.KEY, "key"),
            model("dev-other-0123456789abcdef"),
            throughput(),
            thing(Kind.SCHEDULE, "s", details={"group": "g"}),
        ],
        now=NOW,
    )
    names = [each.thing.name for each in judge(scene)]
    assert names == [
        SERVED,
        "s",
        "finetune-dev-job-reviews",
        "finetune-dev-engine",
        "finetune-dev-network",
        "finetune-dev-identity",
        "dev-other-0123456789abcdef",
        "key",
    ]
