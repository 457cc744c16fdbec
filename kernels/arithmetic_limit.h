/* What this processor can do at most: multiplications and additions of vectors that never leave
   the registers. For benchmarks. Included by update_rule_impl.h. */

enum { LIMIT_SUMS = 12 };

/* Runs `rounds` rounds; returns how many multiplications and additions of numbers that was. */
static double multiply_adds(int64_t rounds)
{
    const VREAL factor = VSPLAT(0.999);
    VREAL sums[LIMIT_SUMS];
    for (int i = 0; i < LIMIT_SUMS; i++)
        sums[i] = VSPLAT(i);
    for (int64_t round = 0; round < rounds; round++)
        _Pragma("GCC unroll 12") for (int i = 0; i < LIMIT_SUMS; i++)
            sums[i] = sums[i] * factor + factor;
    REAL total = 0;
    for (int i = 0; i < LIMIT_SUMS; i++)
        total += sums[i][0];
    clear_upper_halves();
    return total == total ? 2.0 * WIDTH * LIMIT_SUMS * (double)rounds : 0;
}
