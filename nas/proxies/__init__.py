"""Zero-cost proxies: how good a network may become, told without training it.

Index:
    proxy_scores            all of the following for one network
    count_parameters        the one to beat: trainable parameters
    synflow                 synaptic flow (Tanaka et al. 2020)
    naswot                  how differently images switch the ReLUs (Mellor et al. 2021)
    jacobian_covariance     its first version, from the Jacobian
    grad_norm               size of the gradients of one batch (Abdelfattah et al. 2021)
    combined_score          mean rank over several of them (needs no torch)

``scripts/measure_proxies.py`` tells how well each predicts real accuracies. They need the extra
``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nas.proxies._combined import combined_score

if TYPE_CHECKING:
    from nas.objectives._costs import count_parameters
    from nas.proxies._proxies import (
        grad_norm,
        jacobian_covariance,
        naswot,
        proxy_scores,
        synflow,
    )

_HOME = {
    "count_parameters": "nas.objectives._costs",
    "grad_norm": "nas.proxies._proxies",
    "jacobian_covariance": "nas.proxies._proxies",
    "naswot": "nas.proxies._proxies",
    "proxy_scores": "nas.proxies._proxies",
    "synflow": "nas.proxies._proxies",
}

__all__ = [
    "combined_score",
    "count_parameters",
    "grad_norm",
    "jacobian_covariance",
    "naswot",
    "proxy_scores",
    "synflow",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nas.proxies' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "torch":
            raise
        advice = "pip install 'automl-zero[torch]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
