/* Elementary functions on vectors of doubles, without FMA, so that every instruction set
   gives the same bits. Largest error 2.3 ulp (cos; log 0.9, arctan 1.0).

   Methods and coefficients: log, sin, cos, arcsin and arccos as in Sun's fdlibm (1993),
   arctan as in Moshier's Cephes, exp by a Taylor polynomial on |r| <= ln 2 / 2. */
#ifndef AMZ_VECTOR_MATH_H
#define AMZ_VECTOR_MATH_H

#include <math.h>

#include "stream.h"
#include "vector.h"

/* 1.5 * 2^52: adding it rounds to an integer that can be read from the low bits, which
   costs two additions where converting to int64 has no instruction before AVX-512. */
#define ROUNDING 0x1.8p52

INLINE vdouble power_of_two(vlong exponent)
{
    return as_double((exponent + 1023) << 52);
}

/* exp of each of `count` vectors, a constant. Several at a time, the polynomials' chains of
   dependent operations overlap. */
enum { MANY = VECTOR_BYTES == 64 ? 4 : 2 };
#define EACH_OF_MANY _Pragma("GCC unroll 4") for (int i = 0; i < count; i++)

INLINE void vexp_of_many(const int count, vdouble x[])
{
    static const double coefficients[] = {
        1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
        1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5,
    };
    vdouble p[MANY], r[MANY];
    vlong n[MANY];
    EACH_OF_MANY {
        vdouble clamped = vsmaller(splat(710.0), vlarger(splat(-746.0), x[i]));
        vdouble shifted = clamped * 0x1.71547652b82fep+0 + ROUNDING;
        vdouble k = shifted - ROUNDING;
        n[i] = as_long(shifted) - as_long(splat(ROUNDING));
        r[i] = (clamped - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
        p[i] = splat(1.0 / 6227020800.0);
    }
    _Pragma("GCC unroll 11") for (int c = 0; c < 11; c++)
        EACH_OF_MANY p[i] = p[i] * r[i] + coefficients[c];
    EACH_OF_MANY {
        p[i] = p[i] * (r[i] * r[i]) + r[i] + 1.0;
        vlong half = n[i] >> 1;  /* in two steps: 2^n alone may be subnormal or overflow */
        vdouble y = p[i] * power_of_two(half) * power_of_two(n[i] - half);
        x[i] = choose(x[i] == x[i], y, x[i]);
    }
}

INLINE vdouble vexp(vdouble x)
{
    vexp_of_many(1, &x);
    return x;
}

INLINE vdouble vlog(vdouble x)
{
    vlong tiny = x < splat(0x1p-1022);
    vdouble scaled = choose(tiny, x * 0x1p54, x);
    /* Exponent so that the mantissa lies in [sqrt(1/2), sqrt(2)). */
    vulong bits = (vulong)scaled + (0x3FF0000000000000 - 0x3FE6A09E667F3BCD);
    vlong exponent = (vlong)(bits >> 52) - 1023;
    exponent -= tiny & 54;
    vdouble m = (vdouble)((bits & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD);
    vdouble k = as_double(exponent + as_long(splat(ROUNDING))) - ROUNDING;
    vdouble f = m - 1.0;
    vdouble s = f / (f + 2.0);
    vdouble z = s * s, w = z * z;
    vdouble even = w * (0.3999999999940941908 + w * (0.2222219843214978396
                   + w * 0.1531383769920937332));
    vdouble odd = z * (0.6666666666666735130 + w * (0.2857142874366239149
                  + w * (0.1818357216161805012 + w * 0.1479819860511658591)));
    vdouble half_square = 0.5 * f * f;
    vdouble y = k * 6.93147180369123816490e-01
                - ((half_square - (s * (half_square + even + odd)
                                   + k * 1.90821492927058770002e-10)) - f);
    y = choose(x == splat(INFINITY), x, y);
    y = choose(x < splat(0.0), splat(NAN), y);
    y = choose(x == splat(0.0), splat(-INFINITY), y);
    return choose(x == x, y, x);
}

INLINE vdouble sin_polynomial(vdouble r)
{
    vdouble z = r * r;
    vdouble p = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04
                + z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08
                + z * 1.58969099521155010221e-10)));
    return r + z * r * (-1.66666666666666324348e-01 + z * p);
}

INLINE vdouble cos_polynomial(vdouble r)
{
    vdouble z = r * r;
    vdouble p = z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03
                + z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07
                + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    vdouble half = 0.5 * z;
    vdouble w = 1.0 - half;
    return w + (((1.0 - w) - half) + z * p);
}

/* sin and cos of r + quadrant * pi/2. */
INLINE void sin_cos_of(vdouble r, vlong quadrant, vdouble *sine, vdouble *cosine)
{
    vdouble s = sin_polynomial(r), c = cos_polynomial(r);
    vlong swap = -(quadrant & 1);
    vlong sine_sign = (quadrant & 2) << 62;
    vlong cosine_sign = ((quadrant + 1) & 2) << 62;
    *sine = as_double(as_long(choose(swap, c, s)) ^ sine_sign);
    *cosine = as_double(as_long(choose(swap, s, c)) ^ cosine_sign);
}

/* Beyond this the three-part reduction loses bits; the C library takes over. */
#define LARGE_ANGLE 0x1p19

INLINE void vsincos(vdouble x, vdouble *sine, vdouble *cosine)
{
    vdouble shifted = x * 0x1.45f306dc9c883p-1 + ROUNDING;
    vdouble k = shifted - ROUNDING;
    vdouble r = ((x - k * 1.57079632673412561417e+00) - k * 6.07710050630396597660e-11)
                - k * 2.02226624879595063154e-21;
    sin_cos_of(r, as_long(shifted), sine, cosine);
}

/* Lanes outside the fast range, one by one. Rare, so kept out of line. */
static NOINLINE __attribute__((unused)) vdouble each_lane(double (*function)(double), vdouble x,
                                                          vlong where, vdouble otherwise)
{
    double last = NAN, result = NAN;
    for (int i = 0; i < DOUBLES; i++) {
        if (!where[i])
            continue;
        if (!(x[i] == last)) {  /* equal in all lanes if it depends on no data */
            last = x[i];
            result = function(last);
        }
        otherwise[i] = result;
    }
    return otherwise;
}

INLINE vlong large_angle(vdouble x)
{
    return ~(vlong)(vabs(x) <= splat(LARGE_ANGLE));  /* NaN counts as large */
}

INLINE vdouble vsin(vdouble x)
{
    vdouble s, c;
    vsincos(x, &s, &c);
    s = choose(x == splat(0.0), x, s);
    vlong large = large_angle(x);
    return any(large) ? each_lane(sin, x, large, s) : s;
}

INLINE vdouble vcos(vdouble x)
{
    vdouble s, c;
    vsincos(x, &s, &c);
    vlong large = large_angle(x);
    return any(large) ? each_lane(cos, x, large, c) : c;
}

/* (arcsin(x) - x) / x with z = x^2, |x| <= 1/2. */
INLINE vdouble arcsin_ratio(vdouble z)
{
    vdouble p = z * (1.66666666666666657415e-01 + z * (-3.25565818622400915405e-01
                + z * (2.01212532134862925881e-01 + z * (-4.00555345006794114027e-02
                + z * (7.91534994289814532176e-04 + z * 3.47933107596021167570e-05)))));
    vdouble q = 1.0 + z * (-2.40339491173441421878e+00 + z * (2.02094576023350569471e+00
                + z * (-6.88283971605453293030e-01 + z * 7.70381505559019352791e-02)));
    return p / q;
}

#define HALF_PI_HIGH 1.57079632679489655800e+00
#define HALF_PI_LOW 6.12323399573676603587e-17

INLINE vdouble varcsin(vdouble x)
{
    vdouble a = vabs(x);
    vlong small = a < splat(0.5);
    vdouble z = choose(small, a * a, (1.0 - a) * 0.5);
    vdouble s = choose(small, a, vsqrt(z));
    vdouble y = s + s * arcsin_ratio(z);
    y = choose(small, y, HALF_PI_HIGH - (2.0 * y - HALF_PI_LOW));
    y = as_double(as_long(y) | (as_long(x) & INT64_MIN));
    return choose(a <= splat(1.0), y, splat(NAN));
}

INLINE vdouble varccos(vdouble x)
{
    vdouble a = vabs(x);
    vlong small = a < splat(0.5);
    vdouble z = choose(small, a * a, (1.0 - a) * 0.5);
    vdouble s = choose(small, x, vsqrt(z));
    vdouble y = s + s * arcsin_ratio(z);
    vdouble middle = HALF_PI_HIGH - (y - HALF_PI_LOW);
    vdouble edge = 2.0 * y;
    edge = choose(x < splat(0.0), 2.0 * (HALF_PI_HIGH - (y - HALF_PI_LOW)), edge);
    y = choose(small, middle, edge);
    return choose(a <= splat(1.0), y, splat(NAN));
}

INLINE vdouble varctan(vdouble x)
{
    vdouble a = vabs(x);
    vlong large = a > splat(2.41421356237309504880);
    vlong middle = ~large & (a > splat(0.66));
    vdouble t = choose(large, -1.0 / a, choose(middle, (a - 1.0) / (a + 1.0), a));
    vdouble base = choose(large, splat(HALF_PI_HIGH), choose(middle, splat(HALF_PI_HIGH / 2),
                                                             splat(0.0)));
    vdouble rest = choose(large, splat(HALF_PI_LOW), choose(middle, splat(HALF_PI_LOW / 2),
                                                            splat(0.0)));
    vdouble z = t * t;
    vdouble p = -6.485021904942025371773e1 + z * (-1.228866684490136173410e2
                + z * (-7.500855792314704667340e1 + z * (-1.615753718733365076637e1
                + z * -8.750608600031904122785e-1)));
    vdouble q = 1.945506571482613964425e2 + z * (4.853903996359136964868e2
                + z * (4.328810604912902668951e2 + z * (1.650270098316988542046e2
                + z * (2.485846490142306297962e1 + z))));
    vdouble y = base + (t + (t * (z * p / q) + rest));
    y = as_double(as_long(y) | (as_long(x) & INT64_MIN));
    return choose(x == x, y, x);
}

INLINE vdouble vsigmoid(vdouble x)
{
    return 1.0 / (1.0 + vexp(-x));
}

INLINE vulong vmix64(vulong z)
{
    z = (z ^ (z >> 30)) * MIX_1;
    z = (z ^ (z >> 27)) * MIX_2;
    return z ^ (z >> 31);
}

/* Uniform in the open interval (0, 1) from 52 random bits. */
INLINE vdouble uniform_from_bits(vulong z)
{
    vdouble u = (vdouble)((z >> 12) | 0x3FF0000000000000ull);
    return (u - 1.0) + 0x1p-53;
}

/* Two standard normal numbers from two uniform ones (Box & Muller 1958). */
INLINE void normal_pair(vdouble u1, vdouble u2, vdouble *first, vdouble *second)
{
    vdouble radius = vsqrt(-2.0 * vlog(u1));
    vdouble turns = u2 * 4.0;  /* quarter turns: reducing the angle is exact */
    vdouble shifted = turns + ROUNDING;
    vdouble r = (turns - (shifted - ROUNDING)) * HALF_PI_HIGH;
    vdouble s, c;
    sin_cos_of(r, as_long(shifted), &s, &c);
    *first = radius * c;
    *second = radius * s;
}

#endif
