/* The harness of update rules in double precision. */
#define REAL_BITS 64
#include "update_rule_impl.h"
