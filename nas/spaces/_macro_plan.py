"""The networks of NAS-Bench-Macro as rows of blocks."""

from __future__ import annotations

from typing import Final

from nas.spaces._block_plan import Block, BlockPlan
from nas.spaces._choice_space import Architecture

_STEM: Final = 32
_LAST: Final = 1280
_LAYERS: Final = ((64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1))
"""Channels and stride of each layer: with them the benchmark's own numbers of parameters and
operations come out exactly."""

_BLOCKS: Final = {1: (3, 3), 2: (6, 5)}
"""Expansion and kernel size of the options that are no identity."""


def macro_plan(architecture: Architecture) -> BlockPlan:
    """The blocks of an architecture of :class:`nas.spaces.NasBenchMacroSpace`.

    An identity that must change the shape is a 1x1 convolution with batch norm. The stem's
    stride is 1.

    >>> print(*macro_plan((0, 0, 1, 0, 0, 2, 0, 0)).blocks)
    identity_s2_c64 mbconv_k3_s2_h192_c128_relu6 mbconv_k5_s2_h768_c256_relu6
    """
    blocks, channels = [], _STEM
    for option, (width, stride) in zip(architecture, _LAYERS, strict=True):
        if option in _BLOCKS:
            expansion, kernel = _BLOCKS[option]
            blocks.append(
                Block(
                    "mbconv",
                    channels,
                    channels * expansion,
                    width,
                    (kernel,),
                    stride,
                    activation="relu6",
                )
            )
        elif stride == 2:
            blocks.append(Block("identity", channels, channels, width, (1,), stride))
        channels = width
    return BlockPlan(_STEM, tuple(blocks), _LAST, activation="relu6")
