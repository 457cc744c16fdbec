"""Compiled kernels: the lockstep interpreter, the program evolution loop, the population.

Nothing here validates its input; the wrappers in :mod:`automl_zero` do. C leaf functions
hold the SIMD loops, one binary per instruction set, and Cython binds them.
"""
