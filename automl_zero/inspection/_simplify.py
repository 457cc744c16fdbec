"""The shortest form of a program that the rules here find."""

from __future__ import annotations

from automl_zero.inspection._coalescing import without_copies, without_overwritten_elements
from automl_zero.inspection._rewriting import rewritten
from automl_zero.inspection._webs import packed_registers, split_registers
from automl_zero.liveness import (
    SUPERVISED,
    Harness,
    canonical_program,
    live_instructions,
    live_program,
)
from automl_zero.ops import REGISTER_KINDS
from automl_zero.program import MemorySizes, Program


def simplify(program: Program, harness: Harness = SUPERVISED, *, exact: bool = True) -> Program:
    """The program in fewer instructions, its fitness the same.

    From the canonical form (live code, registers numbered as they appear) on, until nothing
    changes:

    - an instruction whose register holds the result already is dropped;
    - one whose result is always the same number becomes that constant;
    - one whose result is in another register (common subexpressions, ``maximum(x, x)``,
      ``x * 1``, ``x - 0``, ``abs(norm(x))``, ``transpose(transpose(x))``, ...) becomes a copy,
      and users of copies read the original;
    - what lost its users is dropped, and copies that a computation can replace.

    What registers hold is followed through the loop over the examples: a register counts as
    constant, or equal to another, only if it is so in every round.

    Args:
        program: A program with the harness's component functions.
        harness: What drives it. :data:`~automl_zero.liveness.SUPERVISED` is right for both
            objectives. With :data:`~automl_zero.liveness.REGRESSION`, which has no sigmoid
            between predict and learn, learn may use the prediction in place of a copy of it:
            right for ``rms_error`` tasks only.
        exact: True keeps every bit: on every task and feature size, in float64 and float32,
            NaN, infinities and signed zeros included, errors and fitness are those of
            ``program``, by the compiled and by the reference interpreter. Elementary
            functions are computed only where they have to be exact, like ``cos(0)``, because
            interpreters round them apart. False also uses the algebra of real numbers, which
            is right as long as nothing overflows or is undefined: ``x - x`` is 0, ``x + 0``
            is ``x``, ``0 * x`` is 0, ``x / x`` is 1, ``1 / (1 / x)`` is ``x``, elementary
            functions of constants are constants.

    Returns:
        A program that is never longer than the canonical form and needs no more registers;
        simplifying it again changes nothing. Random ops keep their draws: one is dropped
        only if no live one follows it in its function, whose numbers that would change.

    Raises:
        ValueError: If the program's component functions are not the harness's.

    >>> program = Program.parse('''
    ... def Setup():
    ...   s2 = 0.5
    ...   s3 = s2 - s2
    ...   s4 = heaviside(s3, 1.0)
    ... def Predict():
    ...   v2 = s4 * v1
    ...   s1 = dot(v2, v0)
    ... def Learn():
    ...   s3 = s0 - s1
    ...   s3 = s3 * s2
    ...   v2 = s3 * v0
    ...   v2 = maximum(v2, v2)
    ...   v1 = v1 + v2
    ... ''')
    >>> print(simplify(program))
    def Setup():
      s2 = 0.5
    def Predict():
      s1 = dot(v0, v1)
    def Learn():
      s3 = s0 - s1
      s3 = s2 * s3
      v2 = s3 * v0
      v1 = v1 + v2
    """
    current = canonical_program(program, harness)
    memory = current.required_memory()
    seen = set()
    while current not in seen:
        seen.add(current)
        # Which of two equal registers to keep, and whether it helps that values which only
        # share a register by chance do not, shows in the result.
        plain, split = (
            min((_round(start, harness, exact, choice) for choice in (False, True)), key=len)
            for start in (current, split_registers(current, harness))
        )
        if len(split) < len(plain):
            split = canonical_program(packed_registers(split, harness, memory), harness)
        fits = _fits(split.required_memory(), memory)
        current = split if fits and len(split) < len(plain) else plain
    return current


def _round(program: Program, harness: Harness, exact: bool, prefer_reserved: bool) -> Program:
    """The program after each rule was tried once."""
    new = rewritten(program, harness, exact, prefer_reserved)
    live = live_program(_keeping_draws(program, new, harness), harness)
    shorter = without_overwritten_elements(without_copies(live, harness))
    return canonical_program(shorter, harness)


def _fits(needed: MemorySizes, memory: MemorySizes) -> bool:
    return all(needed.count(kind) <= memory.count(kind) for kind in REGISTER_KINDS)


def _keeping_draws(old: Program, new: Program, harness: Harness) -> Program:
    """``new``, or as much of it as leaves every live random op its numbers.

    An op's numbers depend on how many live random ops stand before it in its function.

    Args:
        old: Live code.
        new: The same, instruction by instruction, with others of the same effect.
    """
    places = [
        (name, position)
        for name, body in new.items()
        for position, item in enumerate(body)
        if item != old[name][position]
    ]
    accepted, waiting = old, [places]
    while waiting:
        batch = waiting.pop()
        bodies = {name: list(body) for name, body in accepted.items()}
        for name, position in batch:
            bodies[name][position] = new[name][position]
        tried = Program(**bodies)
        if _keeps_draws(old, tried, harness):
            accepted = tried
        elif len(batch) > 1:
            middle = len(batch) // 2
            waiting += [batch[middle:], batch[:middle]]
    return accepted


def _keeps_draws(old: Program, new: Program, harness: Harness) -> bool:
    """Whether the live random ops of ``new`` are the first ones of ``old`` in each function."""
    flags = live_instructions(new, harness)
    for name, body in old.items():
        drawing = [position for position, item in enumerate(body) if item.op.random]
        kept = [position for position in drawing if flags[name][position]]
        # A position that is live but no longer random draws nothing.
        kept = [position for position in kept if new[name][position].op.random]
        if kept != drawing[: len(kept)]:
            return False
    return True
