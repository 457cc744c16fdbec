/* The interpreter in single precision. */
#define REAL_BITS 32
#include "lockstep_impl.h"
