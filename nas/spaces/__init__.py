"""Search spaces: what architectures there are.

Index:
    ChoiceSpace      architectures as sequences of choices; all spaces derive from it
    Decision         one thing to choose
    Architecture     the choices: a tuple of option numbers
"""

from __future__ import annotations

from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision

__all__ = ["Architecture", "ChoiceSpace", "Decision"]
