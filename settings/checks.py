"""The rules of single settings: each says what is wrong, what is allowed and what to do."""

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from customization.identity import MAX_ATTEMPTS, names_for
from customization.limits import constraints, matches
from settings.datasets import DatasetLock
from settings.names import JOB
from settings.prefix_lists import GatewayService, managed_prefix_list, prefix_lists
from settings.regions import known_regions, partition_of
from settings.source import Location

ERROR_TYPE = "settings"
"""Type of every pydantic error this module makes."""

ZONE_LETTERS = "abcdefghijklmnop"
"""Letters of Availability Zones, one CIDR slot for each."""

RESERVED_TAG_PREFIXES = ("aws:", "finetune:")
"""Tag keys of AWS and of this app."""
MAXIMUM_TAGS = 40
"""AWS takes 50 tags for a resource (TooManyTagsException of CreateModelCustomizationJob says so);
ten are kept for those the app and the CDK add."""

_PRIVATE_NETWORKS = tuple(
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)


@dataclass(frozen=True, slots=True)
class Context:
    """What a check knows beside the value it checks."""

    environment: str
    """Name of the environment."""
    region: str | None
    """The Region, when the file has a valid one."""
    account: str | None = None
    """The account, when the file names one."""
    datasets: Mapping[str, DatasetLock] = field(default_factory=lambda: MappingProxyType({}))
    """The pushed data sets."""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The environment's tags, as far as they are text."""

    @staticmethod
    def of(info: ValidationInfo) -> "Context":
        """The context of a validation; there is one door, so that no check is skipped."""
        if not isinstance(info.context, Context):
            raise TypeError("settings are made by load_settings or settings_from_values")
        return info.context


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a check found."""

    kind: str
    """Words joined by `-`: the end of the finding's id."""
    problem: str
    """What is wrong."""
    allowed: str
    """What would be accepted."""
    fix: str
    """What to do."""
    at: Location = ()
    """Where, below the checked value."""


def refusal(*problems: Problem) -> PydanticCustomError:
    """One pydantic error for all problems."""
    return PydanticCustomError(
        "settings", "{text}", {"text": problems[0].problem, "problems": problems}
    )


def refuse(problems: Iterable[Problem]) -> None:
    """Raise one pydantic error for all problems; nothing for none."""
    found = tuple(problems)
    if found:
        raise refusal(*found)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant: close in spelling, or the only longer one."""
    known = list(names)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    longer = [other for other in known if len(name) >= 3 and other.startswith(name)]
    return close[0] if close else longer[0] if len(longer) == 1 else None


def listed(names: Iterable[str]) -> str:
    """Names for the `allowed` part of an error."""
    return ", ".join(names) or "none"


_QUOTE = "put it in quotes: without them YAML reads a number, true, false or null"


def listed_texts(value: object, allowed: str) -> tuple[dict[int, str], list[Problem]]:
    """The texts of a list by index, and a problem for each entry that is none."""
    if not isinstance(value, list | tuple):
        raise refusal(not_a("a list", allowed, "write a list: [a, b]"))
    problems = [
        not_a("text", allowed, _QUOTE, (index,))
        for index, item in enumerate(value)
        if not isinstance(item, str)
    ]
    return {index: item for index, item in enumerate(value) if isinstance(item, str)}, problems


def mapped_texts(
    value: object, *, entry: str = "text", fix: str = _QUOTE
) -> tuple[dict[str, str], list[Problem]]:
    """The texts of a mapping by name, and a problem for each value that is none."""
    if not isinstance(value, Mapping):
        raise refusal(
            not_a(
                "a mapping",
                f"a mapping of names to {entry}",
                "write indented `name: value` lines, or {} for none",
            )
        )
    problems = [
        not_a(entry, entry, fix, (str(key),))
        for key, item in value.items()
        if not isinstance(item, str)
    ]
    return {str(key): item for key, item in value.items() if isinstance(item, str)}, problems


def not_a(kind: str, allowed: str, fix: str, at: Location = ()) -> Problem:
    """The problem of a value that is of the wrong type."""
    return Problem("wrong-type", f"not {kind}", allowed, fix, at)


def follows(value: str, *, shape: str) -> bool:
    """Whether a text has the length and the pattern of a shape of Bedrock's service model."""
    limit = constraints(shape)
    return (limit.minimum or 0) <= len(value) <= (limit.maximum or len(value)) and (
        limit.pattern is None or matches(value=value, expression=limit.pattern)
    )


def refuse_boolean(value: object) -> object:
    """True and false, which Python would take for 1 and 0."""
    if isinstance(value, bool):
        raise refusal(not_a("a whole number", "a number of days", "write the number"))
    return value


# Region, account, principals


def check_region(region: str) -> str:
    """A Region of any partition, by its form."""
    if partition_of(region) is None:
        meant = nearest(region, known_regions())
        raise refusal(
            Problem(
                "bad-region",
                "not the name of an AWS Region",
                "a Region such as us-east-1 or us-gov-west-1",
                f"did you mean {meant}?" if meant else "write the Region's code, not its title",
            )
        )
    return region


def check_account(account: str) -> str:
    """Twelve digits."""
    if not re.fullmatch(r"[0-9]{12}", account):
        raise refusal(
            Problem(
                "bad-account",
                "not an AWS account id",
                'twelve digits in quotes, such as "012345678901"',
                "copy the id from `aws sts get-caller-identity`, without hyphens",
            )
        )
    return account


def refuse_number_as_account(value: object) -> object:
    """An account without quotes, which YAML reads as a number without its leading zeros."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise refusal(
            Problem(
                "account-not-quoted",
                "YAML reads an account id without quotes as a number and drops leading zeros",
                'twelve digits in quotes, such as "012345678901"',
                f'write account: "{value:012d}"' if 0 <= value < 10**12 else "correct the id",
            )
        )
    return value


_PRINCIPALS = (
    "`role/<path and name>` or `user/<path and name>` of this account, or the ARN of a role or"
    " user; `*` stands for any characters"
)


def check_principals(value: object, info: ValidationInfo, *, minimum: int = 0) -> tuple[str, ...]:
    """Roles and users, as patterns of this account or as ARNs."""
    context = Context.of(info)
    patterns, problems = listed_texts(value, f"a list of {_PRINCIPALS}")
    for index, pattern in patterns.items():
        problems.extend(_principal_problems(pattern, (index,), context))
    if not problems and len(patterns) < minimum:
        problems.append(
            Problem(
                "nobody",
                "nobody is listed, so that nobody could do it: everyone else is denied",
                f"at least one of {_PRINCIPALS}",
                "name a role that exists in the account",
            )
        )
    refuse(problems)
    return tuple(patterns.values())


def _principal_problems(pattern: str, at: Location, context: Context) -> Iterable[Problem]:
    allowed = _PRINCIPALS
    match = re.fullmatch(
        r"(?:arn:(?P<partition>[a-z0-9-]+):iam::(?P<account>[0-9]{12}):)?"
        r"(?P<kind>role|user)/(?P<name>[A-Za-z0-9_+=,.@/*-]{1,576})",
        pattern,
        flags=re.ASCII,
    )
    if match is None:
        yield Problem(
            "bad-principal",
            "not a pattern for roles or users",
            allowed,
            "write for example role/finetune-engineer; a role session (assumed-role) is named by"
            " its role, and an account or `*` alone would let everyone in",
            at,
        )
        return
    if not re.search(r"[A-Za-z0-9]", match["name"]):
        yield Problem(
            "everyone-is-people",
            "the pattern means everyone in the account",
            allowed,
            "name the roles that people use, or a part of their names such as role/data-*",
            at,
        )
    if match["partition"] is not None and context.region is not None:
        partition = partition_of(context.region)
        if match["partition"] != partition:
            yield Problem(
                "other-partition",
                f"the ARN belongs to partition {match['partition']}",
                f"an ARN of partition {partition}, which {context.region} belongs to",
                f"write arn:{partition}:iam::... or the short form {match['kind']}/{match['name']}",
                at,
            )
    if None not in (match["account"], context.account) and match["account"] != context.account:
        yield Problem(
            "other-account",
            f"the ARN belongs to account {match['account']}: the roles of this app trust their own"
            " account only, so nobody of another one could take them",
            f"people of account {context.account}",
            "name a role of the account, which people of another one may assume first",
            at,
        )


def check_permissions_boundary(boundary: str, info: ValidationInfo) -> str:
    """A managed policy by its name, with a path or without, or by its ARN."""
    context = Context.of(info)
    allowed = "the name of a managed policy of this account, or the ARN of a managed policy"
    match = re.fullmatch(
        r"(?:arn:(?P<partition>[a-z0-9-]+):iam::(?:[0-9]{12}|aws):policy/)?"
        r"(?P<path>(?:[!-.0-~]+/){0,20})(?P<name>[A-Za-z0-9_+=,.@-]{1,128})",
        boundary,
        flags=re.ASCII,
    )
    if match is None or ":" in match["path"]:
        raise refusal(
            Problem(
                "bad-permissions-boundary",
                "not a managed policy",
                allowed,
                "write the policy's name, such as developer-boundary, or null for none",
            )
        )
    if match["partition"] and context.region:
        partition = partition_of(context.region)
        if match["partition"] != partition:
            raise refusal(
                Problem(
                    "other-partition",
                    f"the ARN belongs to partition {match['partition']}",
                    f"an ARN of partition {partition}, which {context.region} belongs to",
                    "write the policy's name instead of its ARN",
                )
            )
    return boundary


# Tags


def check_tags(value: object) -> dict[str, str]:
    """An environment's tags: what every AWS service takes, Bedrock included.

    https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    """
    tags, problems = mapped_texts(value)
    refuse([*problems, *_tag_problems(tags, count=len(tags))])
    return tags


def check_job_tags(value: object, info: ValidationInfo) -> dict[str, str]:
    """A job's tags, which are beside those of the environment."""
    tags, problems = mapped_texts(value)
    count = len({**Context.of(info).tags, **tags}) if tags else 0
    refuse([*problems, *_tag_problems(tags, count=count)])
    return tags


def _tag_problems(tags: Mapping[str, str], *, count: int) -> Iterable[Problem]:
    words = "ASCII letters, digits, spaces and . _ : / = + @ -"
    seen: dict[str, str] = {}
    for key, value in tags.items():
        if not follows(key, shape="TagKey"):
            yield Problem(
                "bad-tag-key",
                "AWS or Bedrock refuses the tag's key",
                f"1 to 128 characters: {words}",
                "rename the tag",
                (key,),
            )
        if not follows(value, shape="TagValue"):
            yield Problem(
                "bad-tag-value",
                "AWS or Bedrock refuses the tag's value",
                f"at most 256 characters: {words}",
                "shorten or respell the value",
                (key,),
            )
        prefix = next((p for p in RESERVED_TAG_PREFIXES if key.lower().startswith(p)), None)
        if prefix:
            owner = "AWS" if prefix == "aws:" else "this app"
            yield Problem(
                "reserved-tag",
                f"tag keys that begin with {prefix} belong to {owner}",
                "any other key",
                "rename the tag",
                (key,),
            )
        other = seen.setdefault(key.lower(), key)
        if other != key:
            # IAM keeps one tag for all spellings of a key, and refuses the second.
            yield Problem(
                "tag-twice",
                f"the key differs from {other} in upper and lower case only, which IAM refuses",
                "each key in one spelling",
                "delete one of the two",
                (key,),
            )
    if count > MAXIMUM_TAGS:
        yield Problem(
            "too-many-tags",
            f"there are {count} tags, an environment's and a job's own counted together",
            f"at most {MAXIMUM_TAGS}: AWS takes 50, and the app adds its own",
            "delete some",
        )


# Network


def check_cidr(cidr: str) -> str:
    """A private network that 32 subnets fit into, each large enough for a training job."""
    allowed = (
        "a private network of size /16 to /21 in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16,"
        " such as 10.40.0.0/16"
    )
    try:
        network = ipaddress.IPv4Network(cidr, strict=False)
    except ValueError as error:
        raise refusal(
            Problem("bad-cidr", "not an IPv4 network", allowed, "write it as 10.40.0.0/16")
        ) from error
    problems = []
    if network.prefixlen > 21:
        problems.append(
            Problem(
                "cidr-too-small",
                f"the network is too small: 32 subnets would have"
                f" {max(network.num_addresses // 32, 0)} addresses each",
                allowed,
                "take a larger network, /16 when nothing speaks against it",
            )
        )
    if network.prefixlen < 16:
        problems.append(
            Problem(
                "cidr-too-large",
                "the network is larger than a VPC may be",
                allowed,
                "take a part of it, such as " + str(next(network.subnets(new_prefix=16))),
            )
        )
    if str(network) != cidr:
        problems.append(
            Problem(
                "cidr-host-bits",
                "the address is not the first of its network, or is not written plainly",
                allowed,
                f"write {network}",
            )
        )
    if not any(network.subnet_of(private) for private in _PRIVATE_NETWORKS):
        problems.append(
            Problem(
                "cidr-not-private",
                "the network is not private: addresses of the Internet would be routed into it",
                allowed,
                "take a private network that nothing you connect to uses",
            )
        )
    refuse(problems)
    return cidr


def check_zones(value: object, *, minimum: int) -> tuple[str, ...]:
    """Availability Zones by their letters."""
    allowed = f"{minimum} to 16 different letters from a to p"
    zones, problems = listed_texts(value, allowed)
    first: dict[str, int] = {}
    for index, zone in zones.items():
        if len(zone) != 1 or zone not in ZONE_LETTERS:
            problems.append(
                Problem(
                    "bad-zone",
                    "not the letter of an Availability Zone",
                    allowed,
                    f"write `{zone[-1:]}`: the Region is set once, above"
                    if zone[-1:] in ZONE_LETTERS and zone[-1:]
                    else "write the last letter of the zone's name: a for us-east-1a",
                    (index,),
                )
            )
        elif zone in first:
            problems.append(
                Problem(
                    "zone-twice",
                    f"zone {zone} is listed twice",
                    allowed,
                    "delete one of the two",
                    (index,),
                )
            )
        first.setdefault(zone, index)
    # Entries that are no text were counted too.
    count = len(value) if isinstance(value, list | tuple) else 0
    if not minimum <= count <= 16:
        problems.append(
            Problem(
                "zone-count",
                f"there are {count} zones",
                allowed,
                "list more zones: the endpoints must survive the loss of one"
                if count < minimum and minimum > 1
                else "list the zones of your Region: Bedrock takes at most 16 subnets"
                " (CreateModelCustomizationJob, vpcConfig.subnetIds)",
            )
        )
    refuse(problems)
    return tuple(zones.values())


def check_prefix_list(
    identifier: str | None, info: ValidationInfo, *, service: GatewayService
) -> str | None:
    """A prefix list's id, or none when the committed table has the Region."""
    region = Context.of(info).region
    if identifier is None:
        if region is not None and managed_prefix_list(region=region, service=service) is None:
            raise refusal(
                Problem(
                    "unknown-prefix-list",
                    f"the app does not know the prefix list of {service} in {region}",
                    f"its id; known without it: {listed(prefix_lists())}",
                    "look it up: aws ec2 describe-managed-prefix-lists --filters"
                    f" Name=prefix-list-name,Values=com.amazonaws.{region}.{service}"
                    f" --region {region}",
                )
            )
    elif not re.fullmatch(r"pl-[0-9a-f]{8}(?:[0-9a-f]{9})?", identifier):
        raise refusal(
            Problem(
                "bad-prefix-list",
                "not the id of a prefix list",
                "pl- and 8 or 17 hexadecimal digits, or null for the committed table",
                "look it up: aws ec2 describe-managed-prefix-lists",
            )
        )
    return identifier


# Jobs


def check_job_name(name: str, info: ValidationInfo) -> str:
    """A job's name, from which Bedrock's job name, model name and request token are made."""
    environment = Context.of(info).environment
    try:
        # The longest name it can lead to; the service model's patterns are checked there.
        names_for(environment=environment, job=name, digest="0" * 16, attempt=MAX_ATTEMPTS)
        bedrock_takes_it = True
    except ValueError:
        bedrock_takes_it = False
    if not JOB.accepts(name) or not bedrock_takes_it:
        raise refusal(
            Problem(
                "bad-job-name",
                "not a name for a job",
                JOB.allowed,
                "rename the job; its name becomes a part of Bedrock's job and model names,"
                " which refuse other characters",
            )
        )
    return name
