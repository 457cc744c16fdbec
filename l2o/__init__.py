"""Learning to optimise: search for update rules, learned optimisers, unrolled solvers.

This room holds nothing yet. It will evolve update rules (component functions ``setup`` and
``update``) with the evolutionary core of :mod:`automl_zero.evolution`; it may import
``automl_zero``, never ``nas``.
"""
