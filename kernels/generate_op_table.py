"""Write ``op_table.h``: the op table of ``automl_zero/ops.py`` as C X-macros.

The build calls this before it compiles anything; nothing imports it at run time.
Standard library only. To look at the header::

    python kernels/generate_op_table.py automl_zero/ops.py
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FLAGS = {
    "OP_COMMUTATIVE": 1,
    "OP_RANDOM": 2,
    "OP_KEEPS_OUTPUT": 4,
    "OP_ACT": 8,
    "OP_KEEPS_ZERO": 16,
}
MUTATIONS = {"scale_or_flip": 0, "scale": 1, "redraw": 2, "log_odds": 3}


def load_ops(path: str | Path) -> ModuleType:
    """Load the op table by path, so that the package need not be installed or importable."""
    spec = importlib.util.spec_from_file_location("_op_table_source", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"path: expected a Python file, received {str(path)!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def op_table_header(ops: ModuleType) -> str:
    """Text of ``op_table.h`` for a loaded op table."""
    enum_lines = [f"  {name} = {value}," for name, value in FLAGS.items()]
    mutate_lines = [f"  MUTATE_{name.upper()} = {value}," for name, value in MUTATIONS.items()]
    role_lines = ["  ROLE_NONE = 0,"]
    role_rows = []
    role_ids = {}
    for number, role in enumerate(ops.CONSTANT_ROLES, start=1):
        name = role.name.upper()
        role_ids[role.name] = f"ROLE_{name}"
        role_lines.append(f"  ROLE_{name} = {number},")
        role_rows.append(
            f"  X({number}, {name}, {role.low!r}, {role.high!r}, MUTATE_{role.mutation.upper()})"
        )
    op_rows = [_op_row(op, role_ids) for op in ops.OPS]
    return "\n".join(
        [
            "/* Generated from automl_zero/ops.py by kernels/generate_op_table.py. */",
            "#ifndef OP_TABLE_H",
            "#define OP_TABLE_H",
            "",
            f"#define OP_COUNT {len(ops.OPS)}",
            f"#define ORIGINAL_OP_COUNT {len(ops.ORIGINAL_OPS)}",
            f"#define CUSTOM_OP_COUNT {ops.MAX_CUSTOM_OPS}",
            f"#define ROLE_COUNT {len(role_rows) + 1}",
            "",
            "enum op_flag {",
            *enum_lines,
            "};",
            "enum constant_mutation {",
            *mutate_lines,
            "};",
            "enum constant_role {",
            *role_lines,
            "};",
            "",
            "/* X(id, NAME, low, high, mutation) */",
            "#define ROLE_TABLE(X) \\",
            " \\\n".join(role_rows),
            "",
            "/* X(id, NAME, kernel, in1, in2, out, n_constants, cost, flags, c0, c1, c2) */",
            "#define OP_TABLE(X) \\",
            " \\\n".join(op_rows),
            "",
            "#endif",
            "",
        ]
    )


def _op_row(op, role_ids: dict[str, str]) -> str:  # type: ignore[no-untyped-def]
    kinds = [f"'{kind}'" for kind in op.inputs] + ["0", "0"]
    output = f"'{op.output}'" if op.output else "0"
    flags = [
        name
        for name, is_set in (
            ("OP_COMMUTATIVE", op.commutative),
            ("OP_RANDOM", op.random),
            ("OP_KEEPS_OUTPUT", op.keeps_output),
            ("OP_ACT", op.constant_fields == ("act",)),
            ("OP_KEEPS_ZERO", op.keeps_zero),
        )
        if is_set
    ]
    roles = [role_ids[role.name] for role in op.constants] + ["ROLE_NONE"] * 3
    fields = [
        str(op.id), op.name, op.kernel, kinds[0], kinds[1], output, str(len(op.constants)),
        str(op.cost), " | ".join(flags) or "0", *roles[:3],
    ]  # fmt: skip
    return f"  X({', '.join(fields)})"


def write_op_table(ops_path: str | Path, header_path: str | Path) -> None:
    """Write the header; leave the file alone if it would not change (keeps builds incremental)."""
    text = op_table_header(load_ops(ops_path))
    header = Path(header_path)
    if header.exists() and header.read_text() == text:
        return
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text(text)


if __name__ == "__main__":
    sys.stdout.write(op_table_header(load_ops(sys.argv[1])))
