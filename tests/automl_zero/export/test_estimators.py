"""Programs as scikit-learn estimators."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from automl_zero.evolution import hand_built_program  # noqa: E402
from automl_zero.export import EvolvedClassifier, EvolvedRegressor, compile_numpy  # noqa: E402
from automl_zero.program import Program  # noqa: E402

LINEAR = hand_built_program("linear")

CARRYING = """
def Setup():
def Predict():
  s2 = s2 + s1
  s3 = dot(v0, v1)
  s1 = s2 + s3
def Learn():
  s4 = s0 - s1
  v2 = s4 * v0
  v1 = v1 + v2
"""


@parametrize_with_checks(
    [
        EvolvedClassifier(),
        EvolvedRegressor(),
        EvolvedClassifier(LINEAR, standardize=False, shuffle=False),
        EvolvedRegressor(str(hand_built_program("neural_net")), epochs=30),
    ]
)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


def test_programs_classify_two_and_more_classes():
    x, y = load_breast_cancer(return_X_y=True)
    assert cross_val_score(EvolvedClassifier(random_state=1), x, y, cv=4).mean() > 0.95
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = EvolvedClassifier("neural_net", epochs=40, random_state=1).fit(x, names)
    assert model.score(x, names) > 0.9
    assert model.decision_function(x).shape == model.predict_proba(x).shape == (150, 3)
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)


def test_two_classes_are_the_models_own_predictions():
    x, y = load_breast_cancer(return_X_y=True)
    plain = EvolvedClassifier(LINEAR, epochs=1, shuffle=False).fit(x, y)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    model = compile_numpy(LINEAR, objective="accuracy").fit(scaled, y)
    np.testing.assert_allclose(plain.decision_function(x), model.predict(scaled), rtol=1e-12)
    assert np.array_equal(plain.predict(x), (model.predict(scaled) > 0).astype(int))


def test_an_intercept_is_a_feature_that_is_one():
    x = np.random.default_rng(0).normal(size=(500, 2))
    y = x @ [1.0, 2.0] + 5.0
    settings = {"standardize": False, "random_state": 0}
    assert EvolvedRegressor(intercept=True, **settings).fit(x, y).score(x, y) > 0.9999
    assert EvolvedRegressor(intercept=False, **settings).fit(x, y).score(x, y) < 0


def test_both_backends_agree_and_auto_takes_the_one_that_pays():
    x, y = load_diabetes(return_X_y=True)
    predictions = {}
    for backend in ("numpy", "numba"):
        model = EvolvedRegressor("neural_net", epochs=2, backend=backend, random_state=2)
        predictions[backend] = model.fit(x, y).predict(x)
    np.testing.assert_allclose(predictions["numba"], predictions["numpy"], rtol=1e-9)
    assert EvolvedRegressor(epochs=2).fit(x, y).models_[0].backend == "numpy"
    assert EvolvedRegressor(epochs=1000).fit(x, y).models_[0].backend == "numba"


def test_a_row_is_predicted_whatever_the_other_rows_are():
    x, y = load_breast_cancer(return_X_y=True)
    model = EvolvedClassifier(CARRYING, epochs=1, random_state=0).fit(x[:100], y[:100])
    whole = model.decision_function(x[:20])
    assert np.array_equal(whole[::-1], model.decision_function(x[:20][::-1]))


def test_partial_fit_goes_on_and_pickles_keep_the_state():
    x, y = load_breast_cancer(return_X_y=True)
    model = EvolvedClassifier(epochs=1, random_state=3)
    model.partial_fit(x[:1], y[:1], classes=[0, 1]).partial_fit(x[1:200], y[1:200])
    copy = pickle.loads(pickle.dumps(model))
    for some in (model, copy):
        some.partial_fit(x[200:], y[200:])
    assert np.array_equal(model.decision_function(x), copy.decision_function(x))


@pytest.mark.parametrize("program", [LINEAR, str(LINEAR), "linear"])
def test_programs_clone_and_can_be_searched_over(program):
    x, y = load_iris(return_X_y=True)
    assert clone(EvolvedClassifier(program)).program == program
    grid = GridSearchCV(EvolvedClassifier(random_state=0), {"program": [program], "epochs": [1]})
    assert isinstance(grid.fit(x, y).best_estimator_.program_, Program)


def test_a_training_that_diverges_is_told():
    x, y = load_diabetes(return_X_y=True)
    wild = str(LINEAR).replace("s2 = 0.01", "s2 = 100.0")
    with pytest.warns(ConvergenceWarning, match="diverged"):
        EvolvedRegressor(wild).fit(x, y)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model = EvolvedClassifier("def Setup():\ndef Predict():\n  s1 = s2 / s2\ndef Learn():")
        model.fit(x, y > 100)
    assert set(model.predict(x)) == {False}
    assert np.isfinite(model.predict_proba(x)).all()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"program": "liner"}, "program: expected one of linear, neural_net, received 'liner'"),
        ({"program": 3}, "program: expected a Program"),
        ({"epochs": 0}, "epochs: expected an integer >= 1"),
        ({"shuffle": 1}, "shuffle: expected true or false"),
        ({"standardize": "no"}, "standardize: expected true or false"),
        ({"intercept": None}, "intercept: expected true or false"),
        ({"backend": "cuda"}, "backend: expected one of auto, numba, numpy"),
    ],
)
def test_wrong_arguments_are_errors_in_fit(arguments, expected):
    with pytest.raises(ValueError, match=expected):
        EvolvedClassifier(**arguments).fit([[0.0], [1.0]], [0, 1])


def test_wrong_labels_are_errors():
    with pytest.raises(ValueError, match="y: expected at least two classes, received one class"):
        EvolvedClassifier().fit([[0.0], [1.0]], [1, 1])
    model = EvolvedClassifier().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="y: expected the classes"):
        model.partial_fit([[0.0]], [2])
    with pytest.raises(ValueError, match="classes: expected"):
        model.partial_fit([[0.0]], [1], classes=[0, 1, 2])
