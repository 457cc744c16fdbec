"""Named lists of ops for the search for update rules."""

from __future__ import annotations

from typing import Final

from automl_zero.ops import OPS

_SCALAR_ARITHMETIC: Final = (
    "SCALAR_SUM_OP", "SCALAR_DIFF_OP", "SCALAR_PRODUCT_OP", "SCALAR_DIVISION_OP",
    "SCALAR_MIN_OP", "SCALAR_MAX_OP", "SCALAR_POWER_OP", "SCALAR_SQRT_OP",
    "SCALAR_RECIPROCAL_OP",
)  # fmt: skip
_VECTOR_ARITHMETIC: Final = (
    "VECTOR_SUM_OP", "VECTOR_DIFF_OP", "VECTOR_PRODUCT_OP", "VECTOR_DIVISION_OP",
    "SCALAR_VECTOR_PRODUCT_OP", "SCALAR_BROADCAST_OP", "VECTOR_ABS_OP", "VECTOR_SQRT_OP",
    "VECTOR_SIGN_OP", "VECTOR_MIN_OP", "VECTOR_MAX_OP", "VECTOR_INTERPOLATE_OP",
)  # fmt: skip

RULE_OP_SETS: Final = {
    "constants": ("SCALAR_CONST_SET_OP",),
    "lion": (
        "VECTOR_INTERPOLATE_OP", "VECTOR_SIGN_OP", "VECTOR_SUM_OP", "VECTOR_DIFF_OP",
        "VECTOR_PRODUCT_OP", "SCALAR_VECTOR_PRODUCT_OP", "VECTOR_ABS_OP", "VECTOR_SQRT_OP",
        "VECTOR_DIVISION_OP", "VECTOR_CLIP_OP",
    ),
    "published": (
        *_VECTOR_ARITHMETIC, *_SCALAR_ARITHMETIC, "SCALAR_CONST_SET_OP", "VECTOR_CLIP_OP",
        "VECTOR_EXP_OP", "VECTOR_NORM_OP", "VECTOR_GLOBAL_NORM_OP", "VECTOR_MEAN_OP",
        "VECTOR_INNER_PRODUCT_OP", "VECTOR_COSINE_OP", "VECTOR_HEAVYSIDE_OP",
    ),
    "all": tuple(
        op.name
        for op in OPS
        if op.output and "m" not in op.inputs + op.output and not op.random
    ),
}  # fmt: skip
"""Op lists by name.

``constants``: for ``setup``, whose registers are zero. ``lion``: ten ops of vectors, among them all
that Lion is made of; small, for rediscovery. ``published``: what the published rules in
``l2o/rules/programs`` need and their like (clipping, norms, cosine), as the search that found Lion
had (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, appendix). ``all``: every
op of scalars and vectors that draws no random numbers."""
