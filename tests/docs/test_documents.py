"""What the documents name is there: files, headings, commands, settings, stacks, outputs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from customization.remedies import REMEDIES
from finetune.main import app
from review.rules import RULES
from settings.schema import schema_at, settings_schema
from tests.docs.documents import ROOT, Document, all_documents, read, table_rows
from tools.shown_deployments import Deployment, synthesised

DOCUMENTS = all_documents()
by_name = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)

# Of `cdk`, what the documents use; the options are those of the pinned command line.
CDK = {
    "bootstrap": {"--cloudformation-execution-policies", "--custom-permissions-boundary"},
    "deploy": {"--all"},
    "destroy": {"--all"},
    "diff": set(),
    "import": {"--resource-mapping"},
    "synth": set(),
}
SECTIONS = ("network", "keys", "storage", "people", "engine", "jobs")


def document(text: str) -> Document:
    return Document(path=ROOT / "made-up.md", text=text)


def broken_links(found: Document) -> list[str]:
    broken = []
    for link in found.links():
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        path = (found.path.parent / target).resolve()
        if target and not path.exists():
            broken.append(link)
            continue
        aim = read(path) if target and anchor else found
        if anchor and anchor not in aim.anchors():
            broken.append(link)
    return broken


def missing_paths(found: Document) -> list[str]:
    """Code that looks like a path below one of our folders, or one of our files, and is none."""
    folders = {each.name for each in ROOT.iterdir() if each.is_dir()} | {"review", "benchmarks"}
    made = {"build", ".venv", ".venv-emulator", "node_modules", "cdk.out", ".rehearsal"}
    return [
        code
        for code in found.code()
        if re.fullmatch(r"[\w.-]+(/[\w.*-]+)*/?", code)
        and code.split("/")[0] in folders - made
        and not list(ROOT.glob(code.rstrip("/")))
        and "NAME" not in code
    ]


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


def wrong_commands(found: Document) -> list[str]:
    return [f"{command}: {wrong}" for command in found.commands() for wrong in _wrong(command)]


def _wrong(command: str) -> Iterator[str]:
    program, *words = shlex.split(command)
    match program:
        case "make":
            if words and words[0] not in make_targets():
                yield f"no target {words[0]}"
        case "cdk":
            options = {word for word in words[1:] if word.startswith("--")}
            if words and (words[0] not in CDK or not options <= CDK[words[0]]):
                yield f"cdk has no such command or option: {words}"
        case "finetune":
            yield from _wrong_finetune(words)


def _wrong_finetune(words: list[str]) -> Iterator[str]:
    command: Any = typer.main.get_command(app)
    with command.make_context("finetune", ["--help"], resilient_parsing=True) as context:
        while words and hasattr(command, "get_command") and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            if found is None:
                yield f"no command {words[0]}"
                return
            command, words = found, words[1:]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    yield from (f"no option {word}" for word in words if word.startswith("-") and word not in known)


def unknown_settings(found: Document) -> list[str]:
    """Code like `network.cidr` that is no setting."""
    schema = settings_schema()
    known = {f"jobs.NAME.{field}" for field in (schema_at(("jobs", "x")) or {})["properties"]}
    for section in SECTIONS[:-1]:
        known |= {f"{section}.{field}" for field in (schema_at((section,)) or {})["properties"]}
    assert schema["properties"].keys() >= set(SECTIONS)
    return [
        code
        for code in found.code()
        if re.fullmatch(rf"({'|'.join(SECTIONS)})\.[\w.]+", code)
        and code not in known
        and code not in RULES
        and not (ROOT / code).exists()
    ]


@by_name
def test_every_link_leads_somewhere(document: Document) -> None:
    assert broken_links(document) == []


@by_name
def test_every_path_exists(document: Document) -> None:
    assert missing_paths(document) == []


@by_name
def test_every_command_exists(document: Document) -> None:
    assert wrong_commands(document) == []


@by_name
def test_every_setting_exists(document: Document) -> None:
    assert unknown_settings(document) == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (broken_links, "[x](docs/nothing.md)"),
        (broken_links, "[x](README.md#nothing)"),
        (missing_paths, "`docs/nothing.md`"),
        (missing_paths, "`stacks/nothing`"),
        (wrong_commands, "`make nothing`"),
        (wrong_commands, "```bash\nfinetune nothing\n```"),
        (wrong_commands, "`finetune data nothing`"),
        (wrong_commands, "`finetune watch x --nothing`"),
        (wrong_commands, "`cdk nothing`"),
        (unknown_settings, "`network.nothing`"),
        (unknown_settings, "`jobs.NAME.nothing`"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_what_does_not_exist_is_noticed(check: Callable[[Document], list[str]], text: str) -> None:
    assert check(document(text)) != []


def test_the_readme_names_the_two_commands_first() -> None:
    commands = list(read(ROOT / "README.md").commands())

    assert commands[:3] == ["make setup", "make rehearse", "make test"]


@pytest.fixture(scope="module")
def dev() -> Deployment:
    return synthesised("dev")


@by_name
def test_every_stack_exists(document: Document, dev: Deployment) -> None:
    named = set(re.findall(r"\bfinetune-dev-([a-z-]*[a-z])", document.text))

    assert named <= {*dev.stacks, "job", "jobs"}


def test_every_output_exists(tmp_path: Path) -> None:
    found = set(re.findall(r"`([A-Z]\w+(?:Name|Arn))`", (ROOT / "README.md").read_text("utf-8")))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "stacks").glob("*.py")]

    assert found
    assert [name for name in found if not any(f'"{name}"' in text for text in sources)] == []


def uncertain_rows() -> list[list[str]]:
    return [row for row in table_rows((ROOT / "docs/uncertain.md").read_text("utf-8")) if row]


def default_of(setting: str) -> str:
    """A setting's default, as the documents write it."""
    section, *_, field = setting.split(".")
    part = schema_at((section,) if section != "jobs" else ("jobs", "x")) or {}
    if field in part.get("required", []):
        return "required"
    default = part["properties"][field].get("default", {})
    text = json.dumps(default) if not isinstance(default, str) else default
    return f"`{text.replace(chr(34), '')}`"


@pytest.mark.parametrize("row", uncertain_rows(), ids=lambda row: row[1])
def test_an_uncertain_fact_has_its_setting_with_its_default(row: list[str]) -> None:
    assert row[2] == default_of(row[1].strip("`"))


def test_a_wrong_default_is_noticed() -> None:
    assert default_of("storage.require_endpoint") == "`true`"
    assert default_of("keys.direct_kms") == "`false`"


def test_every_setting_that_an_error_names_is_explained() -> None:
    text = (ROOT / "docs/uncertain.md").read_text(encoding="utf-8")
    named = {
        setting
        for remedy in REMEDIES
        for setting in re.findall(rf"\b(?:{'|'.join(SECTIONS)})\.[a-z_]+", remedy.action)
    }

    assert named
    assert [setting for setting in named if setting not in text] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(read(folder / "README.md").links())

    assert listed == {path.name for path in folder.glob("[0-9]*.md")}


def test_decisions_are_half_a_page() -> None:
    folder = ROOT / "docs" / "decisions"

    assert [each.name for each in folder.glob("[0-9]*.md") if len(each.read_text()) > 2500] == []


def test_nothing_unfinished_is_promised() -> None:
    words = re.compile(r"\b(TODO|FIXME|coming soon|not yet|will be|planned|later version)\b", re.I)

    assert [each.name for each in DOCUMENTS if words.search(each.prose)] == []
