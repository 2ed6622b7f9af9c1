"""The page of the IAM decisions, read from the table that the gate asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from review.decisions.calls import CALLS
from review.decisions.purposes import LOGGING_ROLES, PURPOSES, ROLES, SERVING_ROLES
from review.decisions.table import Entry, Person, logging, serving, table

_INTRODUCTION = """\
# IAM decisions

Made by `make generate` from `review/decisions/table.yaml`; a test fails when it is stale.

Who may do what, in {entries} rows that stand for {decisions} decisions. `finetune review` asks all
of them of the templates, in `review/decisions/`, offline: identity policies, resource and key
policies, role trust, VPC endpoint policies, permissions boundaries, session policies and an
organization's control policies decide together, as AWS evaluates them. What the evaluator does not
know, an operator, an element or a condition key, is a finding and never a pass.

To change a decision, edit the row and run `make generate`. Every row has a twin: a test weakens the
templates until the decision turns, and says so where nothing can turn it.

**Not decided here:** KMS grants that somebody gave; S3's access control lists and block public
access, which only take away (the structure rules look at both); what a service checks beyond
policies. A boundary of your organization that the templates do not hold is taken for one that takes
nothing away. A condition that allows only under a key which the table says nothing of, such as the
age of a second factor, makes the templates stricter and turns no row.

Policies of several accounts, and what AWS's pages leave open: our evaluator is compared with an
independent simulator on thousands of requests (`make iam-simulator`, then
`pytest -m slow tests/review/decisions`). Where the two disagree, the test names the AWS page.
"""


_ON_DEPLOYMENTS = """\
## Where models are deployed

{entries} rows more, for {decisions} decisions, from `{file}`: asked of environments that deploy
what they train, together with the ones above. Where a row says that it stands instead of one of
those, that one is not asked there.
"""


_ON_THE_LOG = """\
## Where model invocations are logged

{entries} rows more, for {decisions} decisions, from `{file}`.
"""


def render_decisions() -> str:
    """Return the whole page in markdown."""
    found, more, log = table(), serving(), logging()
    roles = {**ROLES, **SERVING_ROLES, **LOGGING_ROLES}
    parts = [
        _INTRODUCTION.format(entries=len(found.entries), decisions=len(found.rows)),
        "## Decisions\n",
        *(f"### {section.title.rstrip('.')}\n\n{_rows(section.entries)}"
          for section in found.sections),
        _ON_DEPLOYMENTS.format(
            file="review/decisions/serving.yaml",
            entries=len(more.entries),
            decisions=len(more.rows),
        ),
        *(f"### {section.title.rstrip('.')}\n\n{_rows(section.entries)}"
          for section in more.sections),
        _ON_THE_LOG.format(
            file="review/decisions/invocation_logging.yaml",
            entries=len(log.entries),
            decisions=len(log.rows),
        ),
        *(f"### {section.title.rstrip('.')}\n\n{_rows(section.entries)}"
          for section in log.sections),
        "## Who there is\n",
        f"Roles of the templates, found by what they are for: {_listed(roles)}.\n",
        _principals({**found.principals, **more.principals, **log.principals}),
        "## What there is\n",
        f"Found by what it is for: {_listed(each for each in PURPOSES if each not in roles)}.\n",
        "Others have names like these:\n",
        _table(
            ["name", "stands for"],
            [
                (f"`{a}`", f"`{b}`")
                for a, b in {**found.things, **more.things, **log.things}.items()
            ],
        ),
        "## Verbs\n",
        "An IAM action is one request. These are several, which all have to be allowed:\n",
        _table(["verb", "asks for"], [(f"`{a}`", b.means) for a, b in CALLS.items()]),
        "## Policies from above\n",
        _table(
            ["name", "kind", "what it says"],
            [(f"`{a}`", b.kind, b.means) for a, b in found.limits.items()],
        ),
    ]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def _rows(entries: Iterable[Entry]) -> str:
    return _table(
        ["who", "does", "to", "how", "", "because"],
        [
            (
                _names(entry.who),
                _names(entry.does),
                _names(entry.to),
                _how(entry),
                f"**{entry.expect}**" if entry.expect == "allowed" else entry.expect,
                _because(entry),
            )
            for entry in entries
        ],
    )


def _names(value: str | Sequence[str]) -> str:
    values = [value] if isinstance(value, str) else value
    return "<br/>".join(f"`{each}`" for each in values)


def _how(entry: Entry) -> str:
    found = [] if entry.source == "anywhere" else [f"from `{entry.source}`"]
    for name, value in entry.given.items():
        if isinstance(value, list):
            found.append(f"`{name}`: {', '.join(f'`{each}`' for each in value)}")
        else:
            found.append(f"`{name}`: `{value}`" if value is not None else f"no `{name}`")
    found += [f"under `{name}`" for name in entry.through]
    return "<br/>".join(found)


def _because(entry: Entry) -> str:
    found = [entry.because]
    if entry.instead_of:
        found.append(f"Instead of `{entry.instead_of}`.")
    if entry.setting:
        found.append(f"Taken away by `{entry.setting}`.")
    if entry.no_twin:
        found.append(f"Nothing here turns it: {entry.no_twin}")
    return " ".join(found)


def _principals(found: Mapping[str, Person]) -> str:
    return _table(
        ["principal", "who that is", "its own policies allow"],
        [(f"`{name}`", each.means, _may(each)) for name, each in found.items()],
    )


def _may(person: Person) -> str:
    if person.service or person.anonymous:
        return ""
    if isinstance(person.may, str):
        return "everything" if person.root else person.may
    return ", ".join(f"`{action}`" for action in person.may)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '¦') for cell in row)} |" for row in lines
    ) + ("\n")
