/* The harness of update rules in single precision. */
#define REAL_BITS 32
#include "update_rule_impl.h"
