/* The interpreter in double precision. */
#define REAL_BITS 64
#include "lockstep_impl.h"
