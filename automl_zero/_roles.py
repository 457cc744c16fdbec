"""What the lines of a supervised program mean, as far as that is certain.

Public through :func:`automl_zero.annotate.annotate`. The method is symbolic execution:
component functions are straight lines, so after each instruction every register holds a
known product of known things ("learning rate × error × features"), or something unknown.
Only what follows from the program text alone is named; everything else stays unnamed.

The program must be live code: a dead write would hide what a register holds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from automl_zero.liveness import FEATURES, LABEL, PREDICTION, Register
from automl_zero.ops import Op
from automl_zero.program import Instruction, Program

Place = tuple[str, int]
"""Component function and position of an instruction."""


class Token(NamedTuple):
    """One named thing: the error, a learned register, a constant."""

    kind: str
    register: Register = ("", 0)
    place: Place = ("", 0)
    constant: float = 0.0


Product = tuple[Token, ...]
"""A product of named things."""
Value = Product | None
"""What a register holds; None if unknown."""

LABEL_VALUE: Final = (Token("label"),)
PREDICTION_VALUE: Final = (Token("prediction"),)
FEATURES_VALUE: Final = (Token("features"),)
HIDDEN: Final = (Token("hidden"),)
ACTIVE: Final = (Token("active"),)
SCORE: Final = (Token("score"),)
ZERO: Final = (Token("0"),)

_TEXTS: Final = {
    "hidden": "hidden layer",
    "active": "hidden layer",
    "slope": "(hidden layer > 0)",
    "excess": "negative error",
    "score": "weighted sum",
}
_LONGEST_PRODUCT: Final = 5

_PRODUCTS: Final = frozenset(
    ("SCALAR_PRODUCT_OP", "SCALAR_VECTOR_PRODUCT_OP", "SCALAR_MATRIX_PRODUCT_OP",
     "VECTOR_PRODUCT_OP", "MATRIX_PRODUCT_OP", "VECTOR_OUTER_PRODUCT_OP")
)  # fmt: skip
_SUMS: Final = frozenset(("SCALAR_SUM_OP", "VECTOR_SUM_OP", "MATRIX_SUM_OP"))
_DIFFERENCES: Final = frozenset(("SCALAR_DIFF_OP", "VECTOR_DIFF_OP", "MATRIX_DIFF_OP"))
_MAXIMA: Final = frozenset(("SCALAR_MAX_OP", "VECTOR_MAX_OP", "MATRIX_MAX_OP"))


def comments(program: Program) -> dict[Place, str]:
    """Comments of the lines of a supervised program whose role is certain.

    Args:
        program: Live code with the component functions ``setup``, ``predict``, ``learn``.
    """
    return _Roles(program).comments()


def learned_names(program: Program) -> dict[Register, str]:
    """Names of the registers that accumulate in ``learn``; the program as for :func:`comments`."""
    return _Roles(program).learned_names


def learning_rates(program: Program) -> list[Register]:
    """Registers of the constants that only ever scale what is learned, by first use."""
    roles = _Roles(program)
    roles.comments()
    places = sorted(token.place for token in roles.rates)
    registers = (program[name][position].output for name, position in places)
    return list(dict.fromkeys(register for register in registers if register is not None))


class _Roles:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.learned = _learned_registers(program)
        self.learned_names = self._name_learned()
        self.rates: frozenset[Token] = frozenset()

    def comments(self) -> dict[Place, str]:
        # The first walk finds the constants that scale updates, the second one names them.
        self._walk()
        self.rates = self._learning_rates()
        return self._walk()

    # Walking ---------------------------------------------------------------------

    def _walk(self) -> dict[Place, str]:
        found: dict[Place, str] = {}
        self.updates: list[Value] = []
        written = {r for name in ("predict", "learn") for r in _outputs(self.program, name)}

        after_setup: dict[Register, Value] = {}
        self._walk_component("setup", after_setup, found, unknown=ZERO)

        start: dict[Register, Value] = {}
        for kind in "svm":
            for number in range(20):
                register = (kind, number)
                if register in self.learned:
                    start[register] = (Token("learned", register),)
                elif register not in written:
                    start[register] = after_setup.get(register, ZERO)
        start[FEATURES], start[LABEL] = FEATURES_VALUE, ZERO
        start[PREDICTION] = None
        after_predict = dict(start)
        self._walk_component("predict", after_predict, found)

        in_learn = after_predict | {
            FEATURES: FEATURES_VALUE,
            LABEL: LABEL_VALUE,
            PREDICTION: PREDICTION_VALUE,
        }
        self._walk_component("learn", in_learn, found)
        return found

    def _walk_component(
        self,
        name: str,
        registers: dict[Register, Value],
        found: dict[Place, str],
        unknown: Value = None,
    ) -> None:
        body = self.program[name]
        last_prediction = max(
            (i for i, item in enumerate(body) if name == "predict" and item.output == PREDICTION),
            default=-1,
        )
        for position, item in enumerate(body):
            place = (name, position)
            inputs = [registers.get(register, unknown) for register in item.inputs]
            value, comment = self._meaning(place, item, inputs)
            if item.output is None:
                continue
            if item.output in self.learned and name != "predict":
                comment = self._learned_line(name, item, inputs)
                # In setup it holds its start, which is not what predict will find there.
                value = (Token("learned", item.output),) if name == "learn" else value
            if position == last_prediction:
                comment = f"prediction = {comment}" if comment else "prediction"
            registers[item.output] = value
            if comment:
                found[place] = comment

    def _meaning(self, place: Place, item: Instruction, inputs: list[Value]) -> tuple[Value, str]:
        """Value of an instruction, and the comment that says it."""
        op = item.op
        if op.name == "SCALAR_CONST_SET_OP":
            token = Token("constant", place=place, constant=item.act)
            return (token,), "learning rate" if token in self.rates else ""
        if op.random and place[0] == "setup":
            return (Token("random", item.output or ("", 0)),), ""
        if any(value is None for value in inputs) or not inputs:
            return None, ""
        known = [value for value in inputs if value is not None]
        if op.name in _PRODUCTS:
            return self._product(known)
        if len(known) == 2:
            return self._pair(op, known[0], known[1])
        if op.name == "VECTOR_HEAVYSIDE_OP" and known[0] == HIDDEN:
            return (Token("slope"),), "1 where the hidden layer is positive"
        return None, ""

    def _product(self, values: list[Product]) -> tuple[Value, str]:
        tokens = values[0] + values[1]
        if ZERO in values or len(tokens) > _LONGEST_PRODUCT:
            return None, ""
        informative = any(token.kind != "constant" or token in self.rates for token in tokens)
        return tokens, self._text(tokens) if informative else ""

    def _pair(self, op: Op, a: Product, b: Product) -> tuple[Value, str]:
        """Value and comment of an op with two known inputs that is no product."""
        if op.name == "SCALAR_DIFF_OP":
            if (a, b) == (LABEL_VALUE, PREDICTION_VALUE):
                return (Token("error"),), "error = label - prediction"
            if (a, b) == (PREDICTION_VALUE, LABEL_VALUE):
                return (Token("excess"),), "negative error = prediction - label"
        if op.name == "VECTOR_INNER_PRODUCT_OP":
            for one, other in ((a, b), (b, a)):
                if self._is_learned(one) and other in (FEATURES_VALUE, HIDDEN, ACTIVE):
                    return SCORE, f"{self._text(one)} · {self._text(other)}"
        if op.name == "MATRIX_VECTOR_PRODUCT_OP" and b == FEATURES_VALUE:
            if self._is_learned(a):
                return HIDDEN, f"hidden layer = {self._text(a)} · features"
            if len(a) == 1 and a[0].kind == "random":
                return HIDDEN, "hidden layer = random projection of the features"
        if op.name in _SUMS:
            for one, other in ((a, b), (b, a)):
                if one in (HIDDEN, SCORE) and self._is_learned(other):
                    return one, f"{self._text(one)} + {self._text(other)}"
        if op.name in _MAXIMA:
            for one, other in ((a, b), (b, a)):
                if other == ZERO and one in (HIDDEN, SCORE):
                    return (ACTIVE if one == HIDDEN else None), f"ReLU of the {self._text(one)}"
        return None, ""

    def _learned_line(self, name: str, item: Instruction, inputs: list[Value]) -> str:
        """Comment of a line that writes a learned register outside ``predict``."""
        own = self.learned_names[item.output] if item.output else ""
        if name == "setup":
            return f"{own}: random start" if item.op.random else f"{own}: start"
        if not _is_accumulation(item):
            return ""
        change = inputs[1] if item.inputs[0] == item.output else inputs[0]
        self.updates.append(change)
        sign = "-=" if item.op.name in _DIFFERENCES else "+="
        return f"{own} {sign} {self._text(change)}" if change is not None else f"{own} updated"

    # Names -----------------------------------------------------------------------

    def _text(self, tokens: Product) -> str:
        return " × ".join(map(self._token_text, tokens))

    def _token_text(self, token: Token) -> str:
        if token.kind == "learned":
            return self.learned_names[token.register]
        if token.kind == "random":
            return f"random {token.register[0]}{token.register[1]}"
        if token.kind == "constant":
            return "learning rate" if token in self.rates else f"{token.constant:.6g}"
        return _TEXTS.get(token.kind, token.kind)

    def _is_learned(self, value: Product) -> bool:
        return len(value) == 1 and value[0].kind == "learned"

    def _name_learned(self) -> dict[Register, str]:
        """Names of the learned registers by how ``predict`` uses them, made unique."""
        kinds = {register: self._use(register) for register in self.learned}
        names = {}
        for register, name in kinds.items():
            same = [other for other, text in kinds.items() if text == name]
            names[register] = name if len(same) == 1 else f"{name} {register[0]}{register[1]}"
        return names

    def _use(self, register: Register) -> str:
        uses = [item for item in self.program["predict"] if register in item.inputs]
        ops = {item.op.name for item in uses}
        with_itself = any(item.inputs == (register, register) for item in uses)
        if ops == {"MATRIX_VECTOR_PRODUCT_OP"}:
            return "weight matrix"
        if ops <= _SUMS and not with_itself and register[0] != "m":
            return "bias"
        if ops == {"VECTOR_INNER_PRODUCT_OP"} and not with_itself:
            return "weights"
        return {"s": "learned scalar", "v": "learned vector", "m": "learned matrix"}[register[0]]

    def _learning_rates(self) -> frozenset[Token]:
        """Constants that only ever scale what is added to a learned register.

        One that ``predict`` reads, or that is used other than as a factor, is none.
        """
        found = set()
        for update in self.updates:
            tokens = update or ()
            if any(token.kind in ("error", "excess") for token in tokens):
                found |= {token for token in tokens if token.kind == "constant"}
        return frozenset(token for token in found if self._only_scales(token))

    def _only_scales(self, token: Token) -> bool:
        name, position = token.place
        register = self.program[name][position].output
        if name == "predict" or any(register in i.inputs for i in self.program["predict"]):
            return False
        uses = [item for item in self.program["learn"] if register in item.inputs]
        return all(item.op.name in _PRODUCTS for item in uses)


def _outputs(program: Program, name: str) -> set[Register]:
    return {item.output for item in program[name] if item.output is not None}


def _is_accumulation(item: Instruction) -> bool:
    """True for ``r = r + x``, ``r = x + r`` and ``r = r - x`` with another register x."""
    if item.op.name in _SUMS:
        return item.output in item.inputs and item.inputs[0] != item.inputs[1]
    if item.op.name in _DIFFERENCES:
        return item.output == item.inputs[0] != item.inputs[1]
    return False


def _learned_registers(program: Program) -> list[Register]:
    """Registers that gather what depends on the label and that ``predict`` reads.

    ``predict`` never writes them, and ``learn`` only changes them by adding or
    subtracting, at least once something that depends on the label.
    """
    depends = _label_dependence(program)
    predict_writes = _outputs(program, "predict")
    predict_reads = {register for item in program["predict"] for register in item.inputs}
    learned = []
    for register in sorted(_outputs(program, "learn")):
        writes = [
            (position, item)
            for position, item in enumerate(program["learn"])
            if item.output == register
        ]
        if (
            register in predict_reads - predict_writes - {LABEL, PREDICTION, FEATURES}
            and all(_is_accumulation(item) for _, item in writes)
            and any(depends[position] for position, _ in writes)
        ):
            learned.append(register)
    return learned


def _label_dependence(program: Program) -> list[bool]:
    """For each line of ``learn``: does an input other than its own output depend on the label?"""
    carried: set[Register] = set()
    while True:
        current = carried - {LABEL, FEATURES}
        for item in program["predict"]:
            _propagate(item, current)
        current = (current | {LABEL}) - {FEATURES}
        flags = []
        for item in program["learn"]:
            flags.append(any(r in current for r in item.inputs if r != item.output))
            _propagate(item, current)
        if current <= carried:
            return flags
        carried |= current


def _propagate(item: Instruction, dependent: set[Register]) -> None:
    if item.output is None:
        return
    if any(register in dependent for register in item.inputs):
        dependent.add(item.output)
    elif not item.op.keeps_output:
        dependent.discard(item.output)
