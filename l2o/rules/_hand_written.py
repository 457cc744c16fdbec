"""Published and found update rules as program texts: they stand in ``l2o/rules/programs``."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Final

from automl_zero._config_values import choice
from automl_zero.program import Program
from l2o.rules._harness import parse_rule

HAND_WRITTEN_RULES: Final = (
    "sgd",
    "momentum",
    "nesterov",
    "rmsprop",
    "adagrad",
    "adam",
    "adamw",
    "lion",
    "powersign",
    "addsign",
    "signum",
)
"""Names of the rules that :func:`hand_written_rule` knows."""


FOUND_RULES: Final = ("cosine_momentum",)
"""Names of the rules that :func:`found_rule` knows."""


def hand_written_rule(name: str) -> Program:
    """A published update rule as a program.

    Constants are the defaults of the publications and of PyTorch. SGD, its momentum variants,
    RMSprop, Adagrad and Adam read the weight decay as L2 regularisation; AdamW, Lion and
    Signum decay the weights themselves; PowerSign and AddSign have no weight decay.

    Args:
        name: One of :data:`HAND_WRITTEN_RULES`.

    Raises:
        ValueError: If there is no rule of that name; names the nearest one.

    >>> print(hand_written_rule("sgd"))
    def Setup():
    def Update():
      v2 = s3 * v1
      v2 = v0 + v2
    """
    return _read(choice("name", name, HAND_WRITTEN_RULES))


def found_rule(name: str) -> Program:
    """A rule that a search of this project found; its file says how.

    Args:
        name: ``"cosine_momentum"``: momentum of gradients that count by how much they agree
            with it, found from an empty rule; ``scripts/measure_discovered_rules.py`` sets it
            beside tuned AdamW and Lion.

    Raises:
        ValueError: If there is none of that name.

    >>> print(found_rule("cosine_momentum")["update"][-1])
    v2 = v0 + v5
    """
    return _read(f"found/{choice('name', name, FOUND_RULES)}")


@functools.cache
def _read(name: str) -> Program:
    text = resources.files("l2o.rules").joinpath("programs", f"{name}.txt").read_text("utf-8")
    return parse_rule(text)
