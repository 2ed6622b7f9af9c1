"""The page: its points are the table's, it needs nothing but itself, and it can be read plainly."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import math
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bedrock_finetuning.function_assets import assemble, package_files
from tests.metrics.samples import MADE_AT, diverges, learns, overfits, pairs, run_of, table
from training_metrics import page
from training_metrics.drawing import ALL_POINTS, MOST_POINTS
from training_metrics.runs import Run
from training_metrics.smoothing import smooth

ROOT = Path(__file__).resolve().parents[2]
UPLOT = ROOT / "lambda" / "training_metrics" / "uplot"


class Page(html.parser.HTMLParser):
    """A page taken apart: its elements, and the text in scripts, styles and cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.cells: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        kept = {"script": self.scripts, "style": self.styles, "td": self.cells, "th": self.cells}
        if tag in kept:
            kept[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"span", "small"}:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles[-1] += data
        elif self._inside in {"td", "th", "span", "small"} and self.cells:
            self.cells[-1] += data

    @property
    def drawing(self) -> dict[str, Any]:
        """What the page draws."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found

    @property
    def policy(self) -> dict[str, list[str]]:
        """The content security policy by directive."""
        (meta,) = (
            values
            for tag, values in self.elements
            if tag == "meta" and values.get("http-equiv") == "Content-Security-Policy"
        )
        parts = [part.split() for part in str(meta["content"]).split(";")]
        return {part[0]: part[1:] for part in parts}


def drawn(*runs: Run, title: str = "Runs") -> Page:
    return Page(page.render(runs=runs, title=title, made_at=MADE_AT))


def lines(found: Page, *, smoothed: bool, measure: str = "loss", run: int = 0) -> dict[str, Any]:
    """Return the lines of a run by their curves."""
    return {
        line["curve"]: line
        for line in found.drawing["runs"][run]["lines"]
        if (line["smoothed"], line["measure"]) == (smoothed, measure)
    }


@pytest.mark.parametrize("steps", [50, 20_000])
def test_every_plotted_point_is_one_of_the_table(tmp_path: Path, steps: int) -> None:
    tables = {
        "training": table("training", learns, steps=steps, noise=0.1),
        "validation": table("validation", overfits, steps=steps, noise=0.1, every=10),
    }
    found = drawn(run_of(tmp_path, tables["training"], tables["validation"]))
    for place, measure in enumerate(("loss", "perplexity")):
        measured = lines(found, smoothed=False, measure=measure)
        assert set(measured) == set(tables)
        for curve, line in measured.items():
            told = {step: values[place] for step, values in pairs(tables[curve]).items()}
            plotted = dict(zip(line["steps"], line["values"], strict=True))
            assert plotted.keys() <= told.keys()
            assert plotted == {step: pytest.approx(told[step], rel=1e-5) for step in plotted}
            assert line["points"] == len(told)
            # No extreme is lost, nor an end; and few points are kept whole.
            assert min(plotted.values()) == pytest.approx(min(told.values()), rel=1e-5)
            assert max(plotted.values()) == pytest.approx(max(told.values()), rel=1e-5)
            assert (line["steps"][0], line["steps"][-1]) == (min(told), max(told))
            assert len(plotted) <= MOST_POINTS
            if len(told) <= MOST_POINTS:
                assert plotted.keys() == told.keys()


def test_a_smoothed_point_is_the_mean_around_the_tables_own(tmp_path: Path) -> None:
    content = table("training", learns, steps=5000, noise=0.1)
    run = run_of(tmp_path, content, window=51)
    losses = [loss for loss, _ in pairs(content).values()]
    means = smooth(losses, window=51)
    line = lines(drawn(run), smoothed=True)["training"]
    for step, value in zip(line["steps"], line["values"], strict=True):
        assert value == pytest.approx(means[step], rel=1e-5)
    assert lines(drawn(run_of(tmp_path / "b", content, window=1)), smoothed=True) == {}


def test_a_line_breaks_where_the_loss_is_no_number(tmp_path: Path) -> None:
    rows = table("training", learns, steps=50).splitlines()
    rows[20] = "19,1,nan,nan"
    line = lines(drawn(run_of(tmp_path, "\n".join(rows))), smoothed=False)["training"]
    assert [
        step for step, value in zip(line["steps"], line["values"], strict=True) if value is None
    ] == [19]


def test_best_step_overfitting_and_divergence_are_marked(tmp_path: Path) -> None:
    over = run_of(tmp_path, table("training", learns), table("validation", overfits))
    apart = run_of(tmp_path, table("training", diverges), id="diverged0000")
    well = run_of(tmp_path, table("training", learns), table("validation", learns), id="w" * 12)
    marks = [
        {mark["kind"]: mark["step"] for mark in run["marks"]}
        for run in drawn(over, apart, well).drawing["runs"]
    ]
    assert over.best is not None
    assert marks[0] == {"best": over.best.step, "overfitted": over.best.step}
    assert marks[1].keys() == {"best", "diverged"}
    assert marks[2].keys() == {"best"}


def test_epochs_are_placed_by_their_first_steps(tmp_path: Path) -> None:
    found = drawn(run_of(tmp_path, table("training", learns, steps=40, epochs=2)))
    assert found.drawing["runs"][0]["epochs"] == [[0, 0], [20, 1], [40, 2]]


def test_the_tables_hold_the_numbers_without_any_script(tmp_path: Path) -> None:
    run = run_of(
        tmp_path, table("training", learns), table("validation", overfits), name="dev-review"
    )
    found = drawn(run)
    assert run.training is not None
    assert run.best is not None
    for value in (run.training.losses[-1], run.validations[0].losses[-1], run.best.loss):
        assert any(f"{value:#.4g}" in cell for cell in found.cells), value
    assert any("dev-review" in cell for cell in found.cells)
    assert any("overfits" in cell for cell in found.cells)
    assert [cell for cell in found.cells if cell == "3"]  # the last epoch's row


def test_the_page_loads_nothing_and_sends_nothing(tmp_path: Path) -> None:
    found = drawn(run_of(tmp_path, table("training", learns)))
    reaching = {"src", "href", "action", "srcset", "data", "poster", "style"}
    assert [(tag, a) for tag, a in found.elements if reaching & a.keys()] == []
    assert not {tag for tag, _ in found.elements} & {"link", "iframe", "object", "embed", "img"}
    assert found.policy["default-src"] == ["'none'"]
    assert (found.policy["base-uri"], found.policy["form-action"]) == (["'none'"], ["'none'"])
    assert not re.search(r"@import|url\(", "".join(found.styles))


def test_the_pages_policy_allows_its_own_scripts_and_styles_by_digest_alone(
    tmp_path: Path,
) -> None:
    found = drawn(run_of(tmp_path, table("training", learns)))

    def digests(contents: list[str]) -> list[str]:
        made = [hashlib.sha256(content.encode()).digest() for content in contents]
        return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in made]

    assert found.policy["script-src"] == digests(found.scripts[1:])
    assert found.policy["style-src"] == digests(found.styles)
    assert digests([found.scripts[1] + " "])[0] not in found.policy["script-src"]


def test_names_and_notes_cannot_become_markup(tmp_path: Path) -> None:
    name = '</script><script>alert(1)</script><b title="x">&'
    run = run_of(tmp_path, table("training", learns), name=name)
    plain = run_of(tmp_path / "plain", table("training", learns), name="a run")
    found = drawn(run, title=name)
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in drawn(plain).elements]
    assert found.drawing["runs"][0]["name"] == name


def test_what_is_missing_is_on_the_page(tmp_path: Path) -> None:
    text = page.render(
        runs=[run_of(tmp_path, table("training", learns))], title="x", made_at=MADE_AT
    )
    assert "there are no validation metrics" in text
    whole = run_of(tmp_path / "b", table("training", learns), table("validation", learns))
    assert "Missing or odd" not in page.render(runs=[whole], title="x", made_at=MADE_AT)


def test_the_page_keeps_its_size_whatever_is_compared(tmp_path: Path) -> None:
    content = table("training", learns, steps=4_000, noise=0.1)
    runs = [run_of(tmp_path, content, id=f"{number:012}") for number in range(30)]
    text = page.render(runs=runs, title="x", made_at=MADE_AT)
    assert len(text.encode()) < 2_000_000
    points = sum(len(line["steps"]) for run in Page(text).drawing["runs"] for line in run["lines"])
    assert points <= ALL_POINTS


def test_a_run_without_any_number_is_drawn_without_a_line(tmp_path: Path) -> None:
    content = "step_number,epoch_number,training_loss,perplexity\n0,0,nan,nan\n"
    found = drawn(run_of(tmp_path, content))
    assert lines(found, smoothed=False)["training"]["values"] == [None]
    assert any("diverged" in cell for cell in found.cells)


def test_the_plotting_library_is_the_pinned_one_with_its_licence() -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["uplot"]
    assert f"(v{pinned})" in (UPLOT / "uPlot.iife.min.js").read_text()[:80]
    installed = ROOT / "node_modules" / "uplot"
    for name, place in (
        ("uPlot.iife.min.js", "dist"),
        ("uPlot.min.css", "dist"),
        ("LICENSE", "."),
    ):
        assert (UPLOT / name).read_bytes() == (installed / place / name).read_bytes(), (
            f"{name} is not that of the pinned release: copy it from node_modules/uplot"
        )


def test_every_copy_of_the_page_carries_the_librarys_licence(tmp_path: Path) -> None:
    text = page.render(
        runs=[run_of(tmp_path, table("training", learns))], title="x", made_at=MADE_AT
    )
    for line in (UPLOT / "LICENSE").read_text().splitlines():
        assert line in text


PROBE = """
import datetime, json, sys
sys.path.insert(0, sys.argv[1])
from training_metrics import outputs, page, runs, sources
from pathlib import Path
import lineage.store
source = sources.FolderSource(folder=Path(sys.argv[2]))
(files,) = outputs.find_runs(source.names())
run = runs.read_run(source=source, files=files)
made_at = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
sys.stdout.write(page.render(runs=[run], title="x", made_at=made_at))
"""


def test_a_function_draws_the_very_page_of_the_command_line(tmp_path: Path) -> None:
    content = table("training", learns, steps=500, noise=0.1)
    run = run_of(tmp_path, content)
    asset = tmp_path / "asset.zip"
    assemble(
        packages=("training_metrics", "lineage", "customization"),
        dependencies=ROOT / "build" / "functions" / "dependencies.zip",
        source=ROOT / "lambda",
        target=asset,
    )
    unpacked = tmp_path / "function"
    with zipfile.ZipFile(asset) as archive:
        archive.extractall(unpacked)
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, str(unpacked), str(tmp_path / run.name)],
        capture_output=True,
        text=True,
        check=False,
        cwd=unpacked,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == page.render(runs=[run], title="x", made_at=MADE_AT)


def test_perplexity_too_large_for_a_number_breaks_its_line_alone(tmp_path: Path) -> None:
    content = "step_number,epoch_number,training_loss\n0,0,2\n1,0,900\n2,0,1\n"
    found = drawn(run_of(tmp_path, content))
    assert lines(found, smoothed=False, measure="loss")["training"]["values"] == [2, 900, 1]
    assert lines(found, smoothed=False, measure="perplexity")["training"]["values"] == [
        pytest.approx(math.exp(2), rel=1e-5),
        None,
        pytest.approx(math.e, rel=1e-5),
    ]


def test_an_asset_carries_what_the_page_needs_and_nothing_that_lies_beside_it(
    tmp_path: Path,
) -> None:
    wanted = {"__init__.py", "page.js", "page.css", "LICENSE"}
    (tmp_path / "package").mkdir()
    for name in (*wanted, ".env", "notes.txt", "__init__.pyc", ".page.js.swp"):
        (tmp_path / "package" / name).write_text("x")
    found = package_files(source=tmp_path, packages=["package"])
    assert {name for name, _ in found} == {f"package/{name}" for name in wanted}
