"""Reports of runs: what stands in them, and what never does."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from automl_zero.cli import main
from automl_zero.evolution.runs import Run
from automl_zero.report import report_html, write_report
from tests.report_runs import HOSTILE, genome_run, hostile_run, program_run


class Page(HTMLParser):
    """The elements of a page, their attributes, and its text by section."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._section = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.elements.append((tag, values))
        if tag == "section":
            self._section = values.get("id") or ""

    def handle_data(self, data: str) -> None:
        self.sections[self._section] = self.sections.get(self._section, "") + data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return program_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(report_html(run))


def test_a_finished_run_shows_everything(run: Run, page: Page) -> None:
    assert "problems" not in page.sections
    assert list(page.sections)[1:] == [
        "summary", "course", "mutations", "lineage", "program", "final", "configuration",
    ]  # fmt: skip
    summary = page.sections["summary"]
    assert "finished: individuals reached" in summary
    assert "12k" in summary and "SerialExecutor" in summary and "stop.individuals" in summary
    assert page.count("figure") == 8
    assert "alter_param" in page.sections["mutations"]
    assert 'tournament_size = 10' in page.sections["configuration"]


def test_the_lineage_has_every_improvement_with_parent_and_child(run: Run, page: Page) -> None:
    rows = run.events("improvement").to_pylist()
    rows = [row for row in rows if row["experiment"] == run.best["experiment"]]
    shown = page.sections["lineage"]
    assert page.count("article") == len(rows)
    before, after = (f"{row['fitness']:.5f}" for row in rows[-2:])
    assert f"Improvement {len(rows)}: {before} → {after}" in shown
    for line in rows[-1]["genome"].splitlines() + rows[-1]["parent"].splitlines():
        assert line in shown


def test_the_program_is_shown_simplified_with_what_its_lines_are_worth(
    run: Run, page: Page
) -> None:
    shown = page.sections["program"]
    assert re.search(r"Simplified: \d+ of 20 instructions", shown)
    assert "Not measured" not in shown
    assert re.search(r"−0\.\d{4}", shown)
    for line in run.best["genome"].splitlines():
        assert line in shown


def test_final_tasks_are_set_beside_another_model(run: Run, page: Page) -> None:
    shown = page.sections["final"]
    assert f"{run.result['final_fitness']:.4f}" in shown
    pytest.importorskip("sklearn")
    assert re.search(r"linear regression\s*1\.0000", shown)


def test_a_page_needs_nothing_beside_it(run: Run) -> None:
    text = report_html(run)
    loading = {"src", "srcset", "data", "action", "poster", "background", "xlink:href"}
    for tag, attributes in Page(text).elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        assert not loading & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in re.sub(r"url\(#", "", text) and "@import" not in text
    assert not re.search("https?:", text.replace("http://www.w3.org/2000/svg", ""))
    assert len(text) < 300_000


def test_only_the_pages_own_script_may_run(run: Run) -> None:
    text = report_html(run)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}';" in policy


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = [values["id"] for _, values in page.elements if "id" in values]
    assert len(ids) == len(set(ids))
    for _, values in page.elements:
        if values.get("href"):
            assert values["href"][1:] in ids


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    text = report_html(hostile_run(tmp_path / "<b onclick=x>&amp;"))
    assert "<img" not in text and "<b onclick" not in text
    assert text.count("</script>") == text.count("</title>") == text.count("</style>") == 1
    page = Page(text)
    assert not [tag for tag, values in page.elements if any(name[:2] == "on" for name in values)]
    for section in ("summary", "mutations", "lineage", "program", "configuration"):
        assert HOSTILE in page.sections[section], section


def test_an_interrupted_run_shows_what_there_is(tmp_path: Path) -> None:
    calls = iter([False, False, True])
    run = program_run(tmp_path / "run", should_stop=lambda: next(calls, True))
    page = Page(report_html(run))
    assert "can be resumed" in "".join(page.sections.values())
    assert "final" not in page.sections and "program" in page.sections


def test_a_run_that_goes_on_says_so(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run")
    (folder / "result.json").unlink()
    copy = Run.open(folder)
    with copy.lock():
        assert "The run goes on." in report_html(copy)


def test_a_run_without_anything_has_a_page(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="toy", config={"size": 3})
    page = Page(report_html(run))
    assert list(page.sections)[1:] == ["summary", "configuration"]
    assert '"size": 3' in page.sections["configuration"]


def test_other_genomes_have_a_report(tmp_path: Path) -> None:
    run = genome_run(tmp_path / "run")
    page = Page(report_html(run))
    assert "problems" not in page.sections
    assert run.best["genome"] in page.sections["program"]
    assert "individuals" in page.sections["summary"] and "genome search" in page.sections["summary"]
    assert page.count("mark") > 5  # single letters of the bit strings
    assert '"population_size": 20' in page.sections["configuration"]


@pytest.mark.parametrize(
    ("name", "content", "section"),
    [
        ("best.json", b'{"genome": 3}', "program"),
        ("best.json", b"{", "program"),
        ("events.parquet", b"PAR1", "course"),
        ("result.json", b"[]", "final"),
        ("sessions.jsonl", b"{}\n", None),
        ("config.toml", b"seed = [", None),
    ],
)
def test_what_is_damaged_is_named_and_left_out(
    name: str, content: bytes, section: str | None, run: Run, tmp_path: Path
) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run")
    assert (folder / name).exists()
    (folder / name).write_bytes(content)
    page = Page(report_html(Run.open(folder)))
    assert name in page.sections["problems"]
    assert section not in page.sections


@pytest.mark.parametrize("odd", [None, True, -1e300, "nan", [], {"a": [None]}, "\udc80", "$x$"])
def test_odd_values_in_the_log_are_no_failure(odd: Any, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="program search", config={"config": odd})
    with run.lock(), run.create_events() as log:
        for kind in ("epoch", "improvement", "selection"):
            for epoch in range(3):
                details = dict.fromkeys(
                    ("unchanged", "mutations", "percentile_fitness", "unique_in_population",
                     "genome", "parent", "mutation", "generation", "parent_birth",
                     "parent_fitness"), odd,
                )  # fmt: skip
                number = odd if isinstance(odd, float) else None
                for place in (None, epoch):
                    log.append(
                        kind, experiment=1, epoch=place, island=place, individuals=epoch,
                        fitness=number or 0.1 * epoch, seconds=number or 1.0 * epoch, **details,
                    )  # fmt: skip
    run.write_best("", {"genome": odd, "fitness": 0.5, "select_fitness": 0.5,
                        "birth": [0, 0, 0], "experiment": 1})  # fmt: skip
    run.write_result({"stopped_by": odd, "final_fitness": odd, "final_task_fitness": [odd]})
    assert "course" in Page(report_html(run)).sections


def test_a_configuration_edited_since_measures_nothing(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run")
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("train = 100\n", "train = 90\n"))
    page = Page(report_html(Run.open(folder)))
    assert "config.tasks.search.train" in page.sections["problems"]
    assert "Not measured" in page.sections["program"]
    assert "No other models" in page.sections["final"]


def test_data_that_are_gone_are_named(tmp_path: Path) -> None:
    data = tmp_path / "digits.npz"
    source = Path(sys.modules["automl_zero"].__file__ or "").parent / "tasks/data/digits.npz"
    shutil.copy(source, data)
    settings = [f'{key}.data="{data}"' for key in ("tasks.search", "tasks.select", "tasks.final")]
    from automl_zero import ProgramSearch, load_config

    limits = [
        "stop.individuals=3000", "experiments.maximum=1", "tasks.*.count=4", "hurdle.tasks=0",
    ]  # fmt: skip
    config = load_config("digits", [*settings, *limits, "tasks.*.pairs=[[3, 8]]"])
    ProgramSearch(config).run(tmp_path / "run")
    data.unlink()
    page = Page(report_html(Run.open(tmp_path / "run")))
    assert str(data) in page.sections["program"] and str(data) in page.sections["final"]


def test_large_tasks_are_not_made(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run")
    for name in ("config.toml", "run.json"):
        path = folder / name
        text = path.read_text().replace("train = 1000\n", "train = 2000000000\n")
        text = text.replace('"train": 1000,', '"train": 2000000000,')
        path.write_text(text.replace("train = 100\n", "train = 2000000000\n").replace(
            '"train": 100,', '"train": 2000000000,'
        ))  # fmt: skip
    page = Page(report_html(Run.open(folder)))
    assert "problems" not in page.sections
    assert "it would take long" in page.sections["program"]
    assert "training takes long" in page.sections["final"]


def test_the_command_writes_the_page(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    assert main(["report", str(run.path), "-o", str(path)]) == 0
    assert f"written: {path}" in capsys.readouterr().err
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert main(["report", str(tmp_path), "-o", str(path)]) == 2
    assert main(["report", str(run.path), "-o", str(tmp_path / "no" / "page.html")]) == 2
    assert "expected an existing folder" in capsys.readouterr().err


@pytest.mark.parametrize(("module", "name"), [("matplotlib", "matplotlib"), ("jinja2", "Jinja")])
def test_what_is_not_installed_is_named(
    module: str, name: str, run: Run, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from automl_zero.report import _page

    _page._environment.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "page.html"
    assert main(["report", str(run.path), "-o", str(path)]) == 1
    error = capsys.readouterr().err
    assert f"need {name}, the extra 'report'" in error
    assert not path.exists()


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="toy", config={"name": "\udcff"})
    assert html.escape("?") in write_report(run, tmp_path / "page.html").read_text()
