"""The reviewer's page in a real browser: each question within two clicks, and for everybody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.review.page.test_page import MADE_AT, report_of, weakened
from tests.security.app_deployment import AppDeployment

ROOT = Path(__file__).resolve().parents[3]
NODE = ROOT / "node_modules" / ".bin" / "node"
BROWSER = next(
    filter(
        None,
        (
            os.environ.get("FINETUNE_BROWSER"),
            *map(shutil.which, ("chromium", "chromium-browser", "google-chrome")),
        ),
    ),
    None,
)
QUESTIONS = {
    "Can anyone outside read the data?": "No. No request",
    "What if the job is submitted without the VPC?": "It reads and writes nothing",
    "Who can decrypt the model?": "invoker",
    "What does this pull request let whom do?": "Nothing that was not approved",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None,
        reason="no Chromium is installed (apt-get install chromium), nor named by FINETUNE_BROWSER",
    ),
]


def use(text: str, folder: Path) -> dict[str, Any]:
    """Return what is met when a page is opened and used."""
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [str(NODE), str(Path(__file__).parent / "browser" / "use.mjs"), str(file), str(BROWSER)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def page_of(deployment: AppDeployment) -> str:
    from review.page import render  # noqa: PLC0415 - a test that is skipped needs none

    return render(report_of(deployment), made_at=MADE_AT)


@pytest.fixture(scope="module")
def clean(dev: AppDeployment) -> str:
    return page_of(dev)


@pytest.fixture(scope="module")
def found(clean: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The clean app's page, used once."""
    return use(clean, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def found_broken(dev: AppDeployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return use(page_of(weakened(dev)), tmp_path_factory.mktemp("broken"))


def test_the_page_opens_without_an_error_or_a_request(found: dict[str, Any]) -> None:
    assert found["errors"] == []
    assert {url.rsplit("/", 1)[-1] for url in found["requests"]} == {"page.html"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_within_two_clicks(found: dict[str, Any], question: str) -> None:
    """One click on the question brings the answer into sight, and the focus to it."""
    said = found["answers"][question]
    assert said["inSight"]
    assert said["focused"].startswith("answer-")
    assert QUESTIONS[question] in said["says"]


def test_the_answers_of_a_weakened_app_are_others(found_broken: dict[str, Any]) -> None:
    said = {question: each["says"] for question, each in found_broken["answers"].items()}
    assert "444455556666" in said["Can anyone outside read the data?"]
    assert "is allowed" in said["What if the job is submitted without the VPC?"]
    assert "nobody has approved" in said["What does this pull request let whom do?"]
    assert all(each["inSight"] for each in found_broken["answers"].values())


def test_nobody_is_kept_out(found: dict[str, Any], found_broken: dict[str, Any]) -> None:
    """By axe's rules, contrast in both schemes among them, and on a telephone."""
    none: dict[str, list[str]] = {"light": [], "dark": [], "narrow": []}
    assert (found["violations"], found_broken["violations"]) == (none, none)


def test_light_and_dark_differ_and_paper_is_white(found: dict[str, Any]) -> None:
    assert found["background"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
    assert found["onPaper"] == {"background": "rgb(255, 255, 255)", "navigation": "none"}


def test_the_keyboard_is_enough(found: dict[str, Any]) -> None:
    assert found["first"] == "To the verdict"
    assert found["byKeyboard"] == "answer-pull-request"


def test_the_table_is_filtered_and_searched(found: dict[str, Any]) -> None:
    assert found["all"] > 1000
    assert found["atFirst"] == found["afterReset"] == 150
    assert found["chosen"]
    assert all((row[0], row[5]) == ("customization-role", "allowed") for row in found["chosen"])
    assert 0 < len(found["searched"]) < len(found["chosen"])
    assert all("endpoint" in " ".join(row).lower() for row in found["searched"])
    assert found["said"].startswith(f"{len(found['searched'])} of {len(found['searched'])} ")


def test_a_link_opens_what_it_leads_to(found: dict[str, Any]) -> None:
    assert found["controls"]["inSight"]


def test_a_narrow_screen_scrolls_no_more_than_down(found: dict[str, Any]) -> None:
    assert found["overflow"] == 0


def test_without_scripts_everything_stands(found: dict[str, Any]) -> None:
    assert found["plain"] == found["all"]
    assert "Internet and other networks" in found["networkText"]


def test_a_script_that_was_put_in_does_not_run(clean: str, tmp_path: Path) -> None:
    put_in = use(clean.replace("<main>", "<main><script>document.title = 1</script>"), tmp_path)
    assert any("Content Security Policy" in error for error in put_in["errors"])
    changed = use(clean.replace('"use strict";', '"use strict";;', 1), tmp_path)
    assert not changed["scripted"]


def test_a_control_without_a_label_would_be_found(clean: str, tmp_path: Path) -> None:
    without = clean.replace('<label class="wide">Text ', '<label class="wide"></label><span>', 1)
    violations = use(without, tmp_path)["violations"]["light"]
    assert any(each.startswith("label") for each in violations)
