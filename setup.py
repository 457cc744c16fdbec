"""Build of the compiled engine. Everything else stands in pyproject.toml.

One Cython module binds plain C files. The files in PER_ISA are compiled once for each
instruction set; the library picks one when it is imported. Objects live in
``build/engine-*`` and are reused while nothing that they include has changed, so
``python setup.py build_ext --inplace`` is quick to repeat.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ENGINE = "automl_zero.kernels._engine"
PER_ISA = [
    "kernels/lockstep_f64.c",
    "kernels/lockstep_f32.c",
    "kernels/update_rule_f64.c",
    "kernels/update_rule_f32.c",
]

# No contraction and no fast-math: every build of a kernel gives the same bits, and NaN
# ends a training run early. -fno-math-errno and -fno-trapping-math change no value.
C_FLAGS = [
    "-O3",
    "-std=gnu11",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Wall",
    "-g0",
]
# The kernels clear the upper halves of the vector registers once, when they return, instead
# of at the end of each leaf function: 10 % on the two-layer network with 8,000 examples.
_AVX = ["-mno-vzeroupper"]
ISA_FLAGS = {
    "v2": ["-march=x86-64-v2", "-DVECTOR_BYTES=16"],
    "v3": ["-march=x86-64-v3", *_AVX, "-DVECTOR_BYTES=32"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512", *_AVX, "-DVECTOR_BYTES=64"],
}
BASELINE_FLAGS = {"baseline": ["-DVECTOR_BYTES=16"]}


class BuildEngine(build_ext):
    """Compile the engine: header from the op table, Cython, C in parallel, link."""

    def build_extension(self, ext: Extension) -> None:
        if self.compiler.compiler_type == "msvc":
            raise CompileError("compiler: expected gcc or clang, received MSVC")
        # Not self.build_temp: an editable install gives a fresh temporary folder each time.
        self.folder = Path("build", f"engine-{self.plat_name}-{sys.implementation.cache_tag}")
        include = self.folder / "include"
        generator = runpy.run_path("kernels/generate_op_table.py")
        generator["write_op_table"]("automl_zero/ops.py", include / "op_table.h")
        self.include_dirs = ["kernels", str(include), *self.compiler.include_dirs]

        isas = self._instruction_sets()
        macros = [f"-DHAVE_ISA_{isa.upper()}=1" for isa in isas]
        jobs = [(self._cythonize(), "common", [*macros, "-Wno-unused-function"])]
        for source in sorted(path.as_posix() for path in Path("kernels").glob("*.c")):
            if source in PER_ISA:
                jobs += [(source, isa, [f"-DISA_SUFFIX={isa}", *isas[isa]]) for isa in isas]
            else:
                jobs.append((source, "common", macros))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda job: self._compile(*job), jobs))
        self._link(ext, objects)

    def _instruction_sets(self) -> dict[str, list[str]]:
        """Instruction sets that this compiler can build for: asking it covers every platform."""
        supported = {isa: flags for isa, flags in ISA_FLAGS.items() if self._accepts(flags)}
        return supported or BASELINE_FLAGS

    def _accepts(self, flags: list[str]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            probe = [*self.compiler.compiler_so, *flags, "-xc", "-c", os.devnull]
            probe += ["-o", str(Path(folder, "probe.o"))]
            return subprocess.run(probe, capture_output=True).returncode == 0

    def _cythonize(self) -> str:
        from Cython.Build import cythonize

        pyx = Extension(ENGINE, ["kernels/_engine.pyx"])
        (module,) = cythonize(
            [pyx],
            build_dir=str(self.folder / "cython"),
            compiler_directives={"language_level": 3},
            include_path=["kernels"],
            quiet=True,
        )
        return module.sources[0]

    def _compile(self, source: str, variant: str, flags: list[str]) -> str:
        output = str(self.folder / variant)
        (target,) = self.compiler.object_filenames([source], output_dir=output)
        listing, command = Path(target).with_suffix(".d"), Path(target).with_suffix(".flags")
        all_flags = [*C_FLAGS, *flags]
        identity = "\n".join([*self.compiler.compiler_so, *all_flags])
        if self._is_fresh(Path(target), listing, command, identity):
            return target
        command.unlink(missing_ok=True)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        self.compiler.compile(
            [source],
            output_dir=output,
            include_dirs=self.include_dirs,
            extra_postargs=[*all_flags, "-MMD", "-MF", str(listing)],
        )
        command.write_text(identity)
        return target

    def _is_fresh(self, target: Path, listing: Path, command: Path, identity: str) -> bool:
        """True if the object was made with these flags after every file it includes."""
        if self.force or not (target.exists() and listing.exists() and command.exists()):
            return False
        if command.read_text() != identity:
            return False
        made = target.stat().st_mtime
        names = listing.read_text().replace("\\\n", " ").partition(": ")[2].split()
        return all(Path(name).exists() and Path(name).stat().st_mtime <= made for name in names)

    def _link(self, ext: Extension, objects: list[str]) -> None:
        # get_ext_fullpath already follows --inplace: kernels/ then, build_lib otherwise.
        target = Path(self.get_ext_fullpath(ext.name))
        newest = max(Path(name).stat().st_mtime for name in objects)
        if not self.force and target.exists() and target.stat().st_mtime >= newest:
            return
        self.compiler.link_shared_object(
            objects, str(target), libraries=["m"], export_symbols=self.get_export_symbols(ext)
        )


setup(
    packages=[
        *find_packages(include=["automl_zero", "automl_zero.*", "nas*", "l2o*"]),
        "automl_zero.kernels",
    ],
    # Never a top-level import named kernels: another distribution owns that name.
    package_dir={"automl_zero.kernels": "kernels"},
    ext_modules=[Extension(ENGINE, ["kernels/_engine.pyx"])],
    cmdclass={"build_ext": BuildEngine},
)
