"""The page in a real browser: what it draws is what the tables say, and everybody can use it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.samples import MADE_AT, diverges, learns, overfits, pairs, run_of, table
from training_metrics import page
from training_metrics.runs import Run

ROOT = Path(__file__).resolve().parents[2]
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
TRAINING = table("training", learns, steps=3000, noise=0.05)
VALIDATION = table("validation", overfits, steps=3000, noise=0.01, every=10)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None,
        reason="no Chromium is installed (apt-get install chromium), nor named by FINETUNE_BROWSER",
    ),
]


def look(file: Path, *, pictures: Path | None = None) -> dict[str, Any]:
    """Return what is met when a page is opened and used."""
    script = ROOT / "tests" / "metrics" / "browser" / "look.mjs"
    command = [str(NODE), str(script), str(file), str(BROWSER)]
    ran = subprocess.run(
        [*command, *([str(pictures)] if pictures else [])],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def three_runs(folder: Path) -> list[Run]:
    return [
        run_of(folder, TRAINING, VALIDATION, name="dev-review-0123456789abcdef"),
        run_of(folder, table("training", diverges, noise=0.05), id="diverged0000"),
        run_of(folder, table("training", learns), table("validation", learns), id="w" * 12),
    ]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three runs on one page, looked at once."""
    folder = tmp_path_factory.mktemp("page")
    file = folder / "page.html"
    text = page.render(runs=three_runs(folder), title="Three runs", made_at=MADE_AT)
    file.write_text(text, encoding="utf-8")
    return look(file)


def lines(charts: list[dict[str, Any]], measure: str = "loss") -> dict[str, dict[float, float]]:
    """Return the points of each strong line of a chart, by its label."""
    (chart,) = (one for one in charts if one["measure"] == measure)
    return {
        line["label"]: dict(map(tuple, line["points"]))
        for line in chart["lines"]
        if line["width"] > 1
    }


def ranges(charts: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [tuple(chart["range"]) for chart in charts]


def test_the_page_opens_without_an_error_or_a_request(found: dict[str, Any]) -> None:
    assert found["errors"] == []
    assert [url.rsplit("/", 1)[-1] for url in found["requests"]] == ["page.html"]


def test_the_points_in_the_chart_are_those_of_the_tables(found: dict[str, Any]) -> None:
    name = "dev-review-0123456789abcdef"
    for place, measure in enumerate(("loss", "perplexity")):
        drawn = lines(found["measured"], measure)
        for curve, content in (("training", TRAINING), ("validation", VALIDATION)):
            told = {float(step): values[place] for step, values in pairs(content).items()}
            plotted = drawn[f"{name}, {curve}"]
            assert plotted == {step: pytest.approx(told[step], rel=1e-5) for step in plotted}
            assert min(plotted.values()) == pytest.approx(min(told.values()), rel=1e-5)
            assert max(plotted.values()) == pytest.approx(max(told.values()), rel=1e-5)
            assert len(plotted) > 200
    assert len(drawn) == 5


def test_smoothed_lines_are_what_opens_first(found: dict[str, Any]) -> None:
    name = "dev-review-0123456789abcdef, training"
    smoothed, measured = lines(found["drawn"])[name], lines(found["measured"])[name]
    assert max(measured.values()) > max(smoothed.values())
    assert smoothed.keys() != measured.keys()


def test_along_epochs_the_points_stand_at_their_epochs(found: dict[str, Any]) -> None:
    steps = lines(found["measured"])
    epochs = lines(found["epochs"])
    assert epochs.keys() == steps.keys()
    name = "dev-review-0123456789abcdef, training"
    assert list(epochs[name].values()) == list(steps[name].values())
    for step, epoch in zip(steps[name], epochs[name], strict=True):
        assert epoch == pytest.approx(step / 750, abs=0.01)


def test_a_run_can_be_hidden(found: dict[str, Any]) -> None:
    hidden = lines(found["epochs"]).keys() - lines(found["without"]).keys()
    assert hidden == {
        f"dev-review-0123456789abcdef, {curve}" for curve in ("training", "validation")
    }


def test_a_logarithmic_scale_keeps_the_points(found: dict[str, Any]) -> None:
    assert lines(found["logarithmic"]) == lines(found["measured"])


def test_light_and_dark_are_drawn_in_their_own_colours(found: dict[str, Any]) -> None:
    assert found["background"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
    # The first run's colours in the style sheet.
    assert found["colours"]["light"].get("31,111,209", 0) > 500
    assert found["colours"]["dark"].get("106,169,255", 0) > 500
    assert "31,111,209" not in found["colours"]["dark"]


def test_nobody_is_kept_out(found: dict[str, Any]) -> None:
    """By axe's rules, contrast in both schemes among them, and on a telephone."""
    assert found["violations"] == {"light": [], "dark": [], "narrow": []}


def test_the_keyboard_reads_the_curves_and_a_screen_reader_hears_them(
    found: dict[str, Any],
) -> None:
    start, further = found["atStart"], found["further"]
    assert start["spoken"].startswith("step 0; dev-review-0123456789abcdef training loss ")
    assert "diverged0000 training loss " in start["spoken"]
    assert further["spoken"] != start["spoken"]
    assert len(start["rows"]) == 5
    run, curve, step, loss, perplexity = start["rows"][0]
    assert (run, curve, step) == ("dev-review-0123456789abcdef", "training", "0")
    assert f"training loss {loss};" in start["spoken"]
    assert float(perplexity) > float(loss)


def test_the_keyboard_zooms_both_charts_and_back(found: dict[str, Any]) -> None:
    assert found["focused"] == "nearer"
    (low, high), other = ranges(found["zoomed"])
    assert other == (low, high)
    whole_low, whole_high = ranges(found["drawn"])[0]
    assert high - low == pytest.approx((whole_high - whole_low) / 2, rel=0.01)
    assert ranges(found["whole"]) == ranges(found["drawn"])


def test_the_pointer_reads_and_zooms_both_charts(found: dict[str, Any]) -> None:
    low, high = ranges(found["drawn"])[0]
    for dragged in ranges(found["dragged"]):
        assert dragged == pytest.approx((low + (high - low) / 4, high - (high - low) / 4), rel=0.02)
    assert ranges(found["undone"]) == ranges(found["drawn"])
    _, _, step, *_ = found["pointed"]["rows"][0]
    assert int(step.replace(",", "")) == pytest.approx((low + high) / 2, rel=0.03)


def test_a_narrow_screen_scrolls_no_more_than_down(found: dict[str, Any]) -> None:
    assert found["overflow"] == 0


def test_without_scripts_the_tables_stand(found: dict[str, Any]) -> None:
    assert "the tables on this page hold the numbers" in found["plain"]
    assert "overfits" in found["plain"]
    assert "Zoom in here" not in found["plain"]


def test_a_script_that_was_put_in_does_not_run(tmp_path: Path) -> None:
    text = page.render(runs=three_runs(tmp_path), title="x", made_at=MADE_AT)
    file = tmp_path / "page.html"
    file.write_text(text.replace("<main>", "<script>document.title = 1</script><main>"))
    assert any("Content Security Policy" in error for error in look(file)["errors"])
    file.write_text(text.replace('"use strict";', '"use strict";;', 1))
    changed = look(file)
    assert not changed["hasCharts"]


def test_a_control_without_a_label_would_be_found(tmp_path: Path) -> None:
    text = page.render(runs=three_runs(tmp_path), title="x", made_at=MADE_AT)
    file = tmp_path / "page.html"
    file.write_text(text.replace('<label for="cursor">Read at</label>', ""))
    assert any(one.startswith("label: #cursor") for one in look(file)["violations"]["light"])
