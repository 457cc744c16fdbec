"""Strategies: how to choose the architectures to evaluate.

Index:
    Strategy     protocol: ask and tell
    Trial        an architecture to evaluate
"""

from __future__ import annotations

from nas.strategies._strategy import Strategy, Trial

__all__ = ["Strategy", "Trial"]
