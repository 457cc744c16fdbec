# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Python binding of the compiled kernels. Validates nothing: its callers do."""

from libc.limits cimport INT_MAX
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, intptr_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import os

include "_declarations.pxi"
include "_custom_ops.pxi"
include "_evaluation.pxi"
include "_update_rules.pxi"
include "_population.pxi"
include "_program_evolution.pxi"
