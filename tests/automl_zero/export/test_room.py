"""The package automl_zero.export as a whole."""

from __future__ import annotations

import builtins
import importlib

import pytest

import automl_zero.export


@pytest.mark.parametrize("name", automl_zero.export.__all__)
def test_the_docstring_lists_every_name(name):
    assert f"    {name}" in automl_zero.export.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'to_fortran'"):
        _ = automl_zero.export.to_fortran


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch):
    real = builtins.__import__

    def fake(name, *arguments, **options):
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
        return real(name, *arguments, **options)

    for name in ("automl_zero.export._estimators", "sklearn"):
        monkeypatch.delitem(importlib.sys.modules, name, raising=False)
    automl_zero.export.__dict__.pop("EvolvedClassifier", None)
    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(ImportError, match=r"pip install 'automl-zero\[sklearn\]'"):
        _ = automl_zero.export.EvolvedClassifier
