"""The documents: examples run, commands and links exist."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from automl_zero import Program, evaluate
from automl_zero.cli import _app
from automl_zero.config import load_config
from automl_zero.tasks import regression_tasks
from l2o.rules import load_rule_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests/golden/README.md"])
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = {"automl-zero", "make", "python", "pip", ".venv/bin/python"}


def blocks(kind):
    """(page:line, text, text of a block right after it) of every fenced block of a kind."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = list(FENCE.finditer(text))
        for fence, following in itertools.zip_longest(fences, fences[1:]):
            if fence[1] != kind:
                continue
            shown = None
            if (
                following
                and following[1] == ""
                and not text[fence.end() : following.start()].strip()
            ):
                shown = following[2]
            line = text.count("\n", 0, fence.start()) + 1
            yield pytest.param(fence[2], shown, id=f"{page.relative_to(ROOT)}:{line}")


def commands():
    """Every command line of the shell blocks, without comment, joined over backslashes."""
    for block in blocks("sh"):
        text, _ = block.values
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            words = list(itertools.takewhile(lambda word: word not in (">", "|"), words))
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                del words[0]
            if words:
                yield pytest.param(words, id=f"{block.id} {' '.join(words[:3])}")


@pytest.mark.parametrize(("code", "shown"), list(blocks("python runnable")))
def test_examples_run_and_print_what_the_page_shows(code, shown):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "<example>", "exec"), {"__name__": "example"})
    except ImportError as error:
        if "torch" not in str(error) or importlib.util.find_spec("torch"):
            raise
        pytest.skip(str(error))
    if shown is not None:
        assert printed.getvalue() == shown


@pytest.mark.parametrize(("code", "shown"), list(blocks("python")))
def test_other_examples_are_python(code, shown):
    compile(code, "<example>", "exec")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_exist(words):
    assert words[0] in COMMANDS
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in words[1:])
    elif words[0] == "automl-zero":
        check_command_line(words[1:])
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file()


def check_command_line(words):
    """Let Typer parse the arguments and the configuration be loaded, but run nothing."""
    command, groups, words = typer.main.get_command(_app.app), words[:2], list(words)
    while hasattr(command, "get_command"):  # a group
        name = words.pop(0)
        command = command.get_command(None, name)
        assert command is not None, name
    context = command.make_context(name, words, parent=None)
    given = SimpleNamespace(**{"config": None, "overrides": None, "name": None} | context.params)
    name = given.config or given.name
    if name is not None and not name.endswith(".toml"):
        if groups == ["l2o", "train"]:
            pytest.importorskip("torch")
            from l2o.learned import load_learned_config as load
        else:
            load = load_rule_config if groups[0] == "l2o" else load_config
        load(name, given.overrides or ())


def test_the_program_at_the_top_of_the_readme_solves_unseen_tasks():
    fence = FENCE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    tasks = regression_tasks("linear", 100, features=4, train=1000, seed=5)
    assert evaluate(Program.parse(fence[2]), tasks).min() > 0.9999


def anchors(page):
    """Names of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert linked == ROOT or ROOT in linked.parents, target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*/**/*.md"):
        assert f"({page.relative_to(ROOT / 'docs').as_posix()})" in index


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_files_that_pages_name_exist(page):
    names = re.findall(r"`((?:automl_zero|kernels|scripts|tests|docs)/[\w./-]+)`", page.read_text())
    for name in names:
        assert (ROOT / name).exists(), name
