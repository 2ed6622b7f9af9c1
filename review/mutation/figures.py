"""The figures of a run: as a table for people, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from review.mutation.gate import STAGES, Stage
from review.mutation.outcome import Fate
from review.mutation.run import Result, Tally
from review.mutation.scope import CLASSES

_STAGES: Final[Mapping[Stage, str]] = {
    "reading": "caught: a value that is not known",
    "rules": "caught by the structure rules",
    "decisions": "caught by the decisions",
    "proofs": "caught by the proofs",
    "access": "caught as new access",
}
_FATES: Final = {
    Fate.EQUIVALENT: "equivalent, computed",
    Fate.STRICTER: "stricter, computed",
    Fate.SURVIVED: "survived",
}
_SCOPE: Final = "out of scope: "
_KINDS: Final = ("structure", "policy", "addition", "pair")


def counts(results: Sequence[Result]) -> dict[str, int]:
    """How many there are of each fate, with who caught them and the classes out of scope."""
    found: Counter[str] = Counter(map(_row, results))
    names = [
        *(_STAGES[stage] for stage in STAGES),
        _FATES[Fate.EQUIVALENT],
        _FATES[Fate.STRICTER],
        *(f"{_SCOPE}{each.name}" for each in CLASSES),
        *sorted(name for name in found if name.startswith(_SCOPE) and " and " in name),
        _FATES[Fate.SURVIVED],
    ]
    return {name: found[name] for name in names}


def _row(result: Result) -> str:
    if result.stage:
        return _STAGES[result.stage]
    if result.fate is Fate.OUT_OF_SCOPE:
        return f"{_SCOPE}{' and '.join(result.classes)}"
    return _FATES[result.fate]


def table(tally: Tally) -> list[str]:
    """Lines of Markdown: what became of the mutants, by kind, and of pairs of them."""
    changes = [*tally.of("mutant"), *tally.of("pair")]
    columns = {
        "mutants": tally.of("mutant"),
        **{kind: [each for each in changes if each.kind == kind] for kind in _KINDS},
    }
    by_column = {name: counts(results) for name, results in columns.items()}
    rows = list(counts(changes))
    lines = [
        f"| what became of them | {' | '.join(_called(name) for name in columns)} |",
        f"|---|{'---:|' * len(columns)}",
        f"| judged | {' | '.join(str(len(each)) for each in columns.values())} |",
    ]
    lines += [
        f"| {row} | {' | '.join(str(by_column[name].get(row, 0)) for name in columns)} |"
        for row in rows
    ]
    neutral = tally.of("neutral")
    return [
        *lines,
        "",
        f"Out of scope: {100 * tally.out_of_scope:.2f} % of the mutants, at most "
        f"{100 * tally.most_out_of_scope:.2f} %. Neutral changes: {len(neutral)}, false alarms: "
        f"{len(tally.false_alarms)}.",
    ]


def _called(kind: str) -> str:
    return {"policy": "in policies", "addition": "additions", "pair": "pairs"}.get(kind, kind)


def summary(tally: Tally) -> str:
    """What was judged, in one sentence."""
    plan = tally.plan
    of = f"{len(tally.of('mutant'))} of {tally.made} mutants"
    if len(tally.of("mutant")) == tally.made:
        of = f"all {tally.made} mutants"
    off = f", without {', '.join(sorted(plan.without))}" if plan.without else ""
    return (
        f"{of}, {len(tally.of('pair'))} pairs and {len(tally.of('neutral'))} neutral changes, "
        f"chosen by the seed {plan.seed}{off}, in {tally.seconds:.0f} s"
    )


def complaints(tally: Tally) -> list[str]:
    """What keeps a run from passing, a line for each."""
    found = [f"survived: {each.text}" for each in tally.survivors]
    found += [
        f"false alarm: {each.text}: {each.message} [{each.by}]" for each in tally.false_alarms
    ]
    if tally.out_of_scope > tally.most_out_of_scope:
        found.append(
            f"out of scope are {100 * tally.out_of_scope:.2f} % of the mutants, at most "
            f"{100 * tally.most_out_of_scope:.2f} %: have the gate judge some of them"
        )
    return found


def as_json(tally: Tally) -> dict[str, Any]:
    """The figures of a run."""
    plan = tally.plan
    return {
        "seed": plan.seed,
        "profile": plan.profile,
        "without": sorted(plan.without),
        "made": tally.made,
        "mutants": {
            kind: {
                "judged": len(found),
                **counts(found),
            }
            for kind in (*_KINDS[:3],)
            for found in [[each for each in tally.of("mutant") if each.kind == kind]]
        },
        "pairs": {"judged": len(tally.of("pair")), **counts(tally.of("pair"))},
        "neutral": {"judged": len(tally.of("neutral")), "false_alarms": len(tally.false_alarms)},
        "out_of_scope": round(tally.out_of_scope, 4),
        "survived": [each.text for each in tally.survivors],
        "seconds": round(tally.seconds, 1),
        "ok": tally.ok,
    }
