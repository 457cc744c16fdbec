"""Programs as text in which registers have the names of their roles."""

from __future__ import annotations

from collections import Counter

from automl_zero._instruction import constant_text
from automl_zero._roles import learned_names, learning_rates
from automl_zero.annotate import line_comments
from automl_zero.liveness import FEATURES, LABEL, PREDICTION, SUPERVISED, Register, live_program
from automl_zero.program import Program


def to_names(program: Program) -> str:
    """The live code as Python-like text with names instead of registers, where roles are certain.

    ``label``, ``features`` and ``prediction`` are the registers that the harness fills and
    reads, ``weights`` and ``bias`` what accumulates in Learn, ``learning_rate`` a constant that
    only ever scales updates. A register that holds several things in turn, or nothing that
    follows with certainty, keeps its name. For reading: ``Program.parse`` does not take it.

    Args:
        program: A supervised program; another one keeps all its registers.

    >>> program = Program.parse('''
    ... def Setup():
    ...   s2 = 0.1
    ... def Predict():
    ...   s1 = dot(v1, v0)
    ... def Learn():
    ...   s3 = s0 - s1
    ...   s3 = s3 * s2
    ...   v2 = s3 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> print(to_names(program))
    def setup():
      learning_rate = 0.1
    def predict(features):
      prediction = dot(weights, features)
    def learn(features, label):
      s3 = label - prediction  # error = label - prediction
      s3 = s3 * learning_rate  # error × learning rate
      v2 = s3 * features       # error × learning rate × features
      weights = weights + v2   # weights += error × learning rate × features
    """
    is_supervised = program.components == SUPERVISED.components
    if is_supervised:
        program = live_program(program)
    names = _names(program) if is_supervised else {}
    arguments = {"predict": "features", "learn": "features, label"} if is_supervised else {}
    comments = line_comments(program)
    lines: list[tuple[str, str]] = []
    for component, body in program.items():
        lines.append((f"def {component}({arguments.get(component, '')}):", ""))
        for item, comment in zip(body, comments[component], strict=True):
            words = {
                word: _name(register, names)
                for word, register in zip("ab", item.inputs, strict=False)
            }
            if item.output is not None:
                words["out"] = _name(item.output, names)
            for role, field in zip(item.op.constants, item.op.constant_fields, strict=True):
                words[role.name] = constant_text(field, getattr(item, field))
            said = comment if component == "learn" else ""
            lines.append((f"  {item.op.text.format(**words)}", said))
    width = max((len(text) for text, comment in lines if comment), default=0)
    return "\n".join(
        f"{text.ljust(width)}  # {comment}" if comment else text for text, comment in lines
    )


def _names(program: Program) -> dict[Register, str]:
    """Names of the registers that hold one thing only."""
    writes = Counter(item.output for _, body in program.items() for item in body)
    in_learn = {item.output for item in program["learn"]}
    names = {FEATURES: "features", LABEL: "label", PREDICTION: "prediction"}
    for register in (FEATURES, LABEL):
        if writes[register]:
            del names[register]
    if PREDICTION in in_learn:
        del names[PREDICTION]
    for register, name in learned_names(program).items():
        names.setdefault(register, name.replace(" ", "_"))
    rates = [register for register in learning_rates(program) if writes[register] == 1]
    for number, register in enumerate(rates, start=1):
        names[register] = "learning_rate" if len(rates) == 1 else f"learning_rate_{number}"
    return names


def _name(register: Register, names: dict[Register, str]) -> str:
    return names.get(register) or f"{register[0]}{register[1]}"
