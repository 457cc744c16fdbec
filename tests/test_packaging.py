"""The distribution: a wheel that works away from the checkout and owns only its own names."""

from __future__ import annotations

import importlib.util
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    "automl_zero", "kernels", "nas", "l2o", "pyproject.toml", "setup.py", "MANIFEST.in",
    "LICENSE", "README.md", "CONTRIBUTING.md", "constraints.txt", "Makefile", "build",
)  # fmt: skip

needs_build_tools = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("setuptools", "Cython", "pip")),
    reason="building needs pip, setuptools and Cython",
)


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=None, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree: a build must not touch the checkout that is being tested.

    Compiled objects come along where there are any (their age is kept), so this is quick.
    """
    folder = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", "*.so", "lib.*", "bdist.*", "temp.*", "lib")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        elif source.exists():
            shutil.copy2(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--wheel-dir", str(folder), ".", cwd=source_copy,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
@needs_build_tools
def test_wheel_holds_all_packages_and_data_and_no_c_sources(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"automl_zero", "nas", "l2o"}
    assert not [name for name in names if name.endswith((".c", ".h", ".pyx", ".pxd", ".pxi"))]
    assert any(name.startswith("automl_zero/kernels/_engine.") for name in names)
    for folder in (
        "automl_zero/configs", "automl_zero/programs", "automl_zero/programs/found",
        "automl_zero/tasks/data", "l2o/rules/programs",
        "nas/benchmarks/data", "nas/report/templates",
    ):  # fmt: skip
        for path in (ROOT / folder).glob("*"):
            if path.is_file() and path.suffix != ".py":
                assert f"{folder}/{path.name}" in names
    for package in ("automl_zero", "nas", "l2o"):
        for path in (ROOT / package).rglob("*.py"):
            assert path.relative_to(ROOT).as_posix() in names


@pytest.mark.slow
@needs_build_tools
def test_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site),
        str(wheel), cwd=tmp_path,
    )  # fmt: skip
    assert not (site / "kernels").exists()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.meta_path = ["
        "finder for finder in sys.meta_path if '__editable__' not in finder.__module__]\n"
        "import importlib.util, automl_zero, nas, l2o\n"
        "import automl_zero.kernels._engine as engine\n"
        "from automl_zero.config import load_config\n"
        "assert automl_zero.__file__.startswith(sys.argv[1]), automl_zero.__file__\n"
        "assert engine.__file__.startswith(sys.argv[1]), engine.__file__\n"
        "assert importlib.util.find_spec('kernels') is None\n"
        "load_config('demo')\n"
        "from l2o.rules import HAND_WRITTEN_RULES, hand_written_rule\n"
        "[hand_written_rule(name) for name in HAND_WRITTEN_RULES]\n"
    )
    run(sys.executable, "-c", program, str(site), cwd=tmp_path)
    commands = [path for path in (site / "bin").glob("automl-zero*")]
    assert commands, "the console command is missing"


@pytest.mark.slow
@needs_build_tools
def test_source_distribution_holds_the_c_sources(source_copy: Path, tmp_path: Path) -> None:
    run(
        sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(tmp_path),
        cwd=source_copy,
    )  # fmt: skip
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for pattern in ("*.c", "*.h", "*.pyx", "*.pxd", "*.pxi", "*.py"):
        for path in (ROOT / "kernels").glob(pattern):
            assert f"kernels/{path.name}" in names
    assert "automl_zero/ops.py" in names


def test_generated_header_has_a_row_for_every_op_and_role() -> None:
    generator = runpy.run_path(str(ROOT / "kernels" / "generate_op_table.py"))
    ops = generator["load_ops"](ROOT / "automl_zero" / "ops.py")
    lines = generator["op_table_header"](ops).splitlines()
    assert f"#define OP_COUNT {len(ops.OPS)}" in lines
    rows = [line.strip().removeprefix("X(") for line in lines if line.startswith("  X(")]
    assert len(rows) == len(ops.OPS) + len(ops.CONSTANT_ROLES)
    by_name = {row.split(", ")[1]: row.rstrip(" \\)").split(", ") for row in rows}
    for op in ops.OPS:
        row = by_name[op.name]
        assert row[0] == str(op.id)
        assert "".join(field.strip("'") for field in row[3:5] if field != "0") == op.inputs
        assert row[5].strip("'").replace("0", "") == op.output
        assert int(row[6]) == len(op.constants)
        assert int(row[7]) == op.cost
        assert ("OP_COMMUTATIVE" in row[8]) == op.commutative
        assert ("OP_RANDOM" in row[8]) == op.random
        assert ("OP_KEEPS_OUTPUT" in row[8]) == op.keeps_output
        assert ("OP_ACT" in row[8]) == (op.constant_fields == ("act",))
        roles = [f"ROLE_{role.name.upper()}" for role in op.constants]
        assert row[9:] == roles + ["ROLE_NONE"] * (3 - len(roles))


def test_header_is_left_alone_when_it_would_not_change(tmp_path: Path) -> None:
    generator = runpy.run_path(str(ROOT / "kernels" / "generate_op_table.py"))
    header = tmp_path / "include" / "op_table.h"
    generator["write_op_table"](ROOT / "automl_zero" / "ops.py", header)
    before = header.stat().st_mtime_ns
    generator["write_op_table"](ROOT / "automl_zero" / "ops.py", header)
    assert header.stat().st_mtime_ns == before
