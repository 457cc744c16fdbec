"""The search space of update rules."""

from __future__ import annotations

from collections.abc import Mapping

from automl_zero.config import ComponentConfig, MutationConfig
from automl_zero.evolution import HarnessSpace
from automl_zero.program import MemorySizes, Program
from l2o.rules._harness import UPDATE_RULE, check_rule
from l2o.rules._op_sets import RULE_OP_SETS


class UpdateRuleSpace(HarnessSpace):
    """Update rules: a :class:`~automl_zero.evolution.SearchSpace`.

    Random instructions read any register and write any but the inputs (step, schedule, loss,
    weight decay, gradient, parameter).

    Args:
        memory: Registers; no matrices. The defaults leave six scalars and six vectors beside
            the inputs.
        setup: Ops and sizes of the function that runs once for each tensor; the default sets
            constants.
        update: Those of the function that runs at every step; the default is the op set
            ``published`` of :data:`~l2o.rules.RULE_OP_SETS`.
        mutation: Types and rates; the default alters, inserts and removes equally often.

    Raises:
        ValueError: If an argument has the wrong type, an op works on matrices, or there are
            too few registers.

    >>> from automl_zero.evolution import evolution_stream
    >>> space = UpdateRuleSpace()
    >>> rule = space.from_data("def Setup():\\ndef Update():\\n  v2 = sign(v0)")
    >>> stream = evolution_stream(1)
    >>> child = space.mutate(rule, stream)
    >>> space.sizes(rule)
    (1, 1)
    """

    def __init__(
        self,
        memory: MemorySizes | None = None,
        *,
        setup: ComponentConfig | None = None,
        update: ComponentConfig | None = None,
        mutation: MutationConfig | None = None,
    ) -> None:
        memory = MemorySizes(10, 8, 0) if memory is None else memory
        if getattr(memory, "matrices", 0):
            raise ValueError(f"memory.matrices: expected 0, received {memory.matrices}")
        components: Mapping[str, ComponentConfig] = {
            "setup": setup or ComponentConfig(ops=RULE_OP_SETS["constants"], max_size=8),
            "update": update or ComponentConfig(ops=RULE_OP_SETS["published"], max_size=24),
        }
        super().__init__(UPDATE_RULE, memory, components, mutation=mutation)

    def check(self, program: Program) -> None:
        """Make sure that a program is an update rule that can live in this space.

        Raises:
            ValueError: If it is none, or uses a register there is not.
        """
        check_rule(program)
        program.check(self.memory)
