"""Search for network cells: spaces, strategies, objectives, benchmarks.

It searches network cells with the evolutionary core of
:mod:`automl_zero.evolution`; it may import ``automl_zero``, never ``l2o``.
"""
