"""The macro space of NAS-Bench-Macro.

Su, Huang, Li, You, Wang, Qian & Zhang, "Prioritized architecture sampling with Monto-Carlo
tree search" (CVPR 2021). Eight layers in stages of 2, 3 and 3, each with one of three blocks;
the first layer of a stage halves the image and doubles the channels.
"""

from __future__ import annotations

from typing import Final

from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision

NAS_BENCH_MACRO_BLOCKS: Final = ("identity", "mb3_k3", "mb6_k5")
"""What a layer can be; ``mb3_k3`` is a MobileNetV2 block of expansion 3 and kernel size 3."""

_LAYERS: Final = 8
# Two layers of the same stage behind its first: an identity can stand before or after.
_PAIRS: Final = (3, 6)


class NasBenchMacroSpace(ChoiceSpace):
    """The 6,561 networks of NAS-Bench-Macro: one of three blocks in each of eight layers.

    The text form is the benchmark's: a digit per layer.

    >>> space = NasBenchMacroSpace()
    >>> space.size
    6561
    >>> space.from_text("22212220")
    (2, 2, 2, 1, 2, 2, 2, 0)

    An identity makes its stage one layer shorter, wherever it stands behind the first layer:

    >>> space.key((0, 0, 1, 2, 0, 1, 1, 1)) == space.key((0, 0, 1, 0, 2, 1, 1, 1))
    True
    """

    def __init__(self) -> None:
        super().__init__([Decision(f"layer {i}", NAS_BENCH_MACRO_BLOCKS) for i in range(_LAYERS)])

    def key(self, genome: Architecture) -> str:
        """The text form with identities moved to the end of their stage.

        There are 3,969 different ones; the benchmark trained each of them once.
        """
        layers = list(genome)
        for i in _PAIRS:
            if layers[i] == 0:
                layers[i : i + 2] = layers[i + 1], 0
        return self.to_text(tuple(layers))

    def to_text(self, genome: Architecture) -> str:
        """A digit per layer; :meth:`from_text` reads it."""
        return "".join(map(str, genome))

    def from_text(self, text: str) -> Architecture:
        """The network of a text of eight digits.

        Raises:
            ValueError: If the text is none.
        """
        if not isinstance(text, str) or len(text) != _LAYERS or not set(text) <= set("012"):
            raise ValueError(f"architecture: expected {_LAYERS} digits in 0..2, received {text!r}")
        return tuple(map(int, text))
