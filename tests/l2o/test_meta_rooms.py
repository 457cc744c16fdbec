"""Meta-learning and hypergradients as packages: quick to import, and clear without PyTorch."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "package", ["l2o.maml", "l2o.hypergrad", "l2o.learned", "l2o.unrolled"]
)
def test_every_public_name_loads_and_stands_in_the_index(package):
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name).__doc__
        assert name in module.__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing


def test_importing_the_packages_imports_no_torch():
    rooms = "l2o.maml, l2o.hypergrad, l2o.learned, l2o.unrolled, l2o.cli"
    printed = run(f"import sys, {rooms}; print('torch' in sys.modules)")
    assert printed == "False\n"


def test_without_torch_reversible_sgd_works_and_the_rest_says_what_is_missing():
    code = (
        "import sys; sys.modules['torch'] = None; import numpy, l2o.maml, l2o.hypergrad\n"
        "sgd = l2o.hypergrad.ReversibleSGD([numpy.ones(2)])\n"
        "sgd.step([numpy.ones(2)], [0.1], [0.9]); print(sgd.steps)\n"
        "for room, name in ((l2o.maml, 'MAML'), (l2o.hypergrad, 'reversible_sgd')):\n"
        "    try: getattr(room, name)\n"
        "    except ImportError as error: print(error)\n"
    )
    assert run(code) == (
        "1\n"
        "MAML needs torch: pip install 'automl-zero[torch]'\n"
        "reversible_sgd needs torch: pip install 'automl-zero[torch]'\n"
    )
