// Elementary functions, branch-free where a loop over them should vectorise; the same bits on every machine, but for
// fused multiply-adds. Reductions and coefficients of log and erf are those of fdlibm:
//   Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Permission to use, copy, modify, and distribute
//   this software is freely granted, provided that this notice is preserved.
// expf is that of the Cephes library (S. L. Moshier); tanhf and erff are the rational approximations of Eigen and XLA.
INLINE f64 bits_f64(i64 i) { union { i64 i; f64 f; } u = {i}; return u.f; }
INLINE i64 bits_i64(f64 f) { union { f64 f; i64 i; } u = {f}; return u.i; }
INLINE f32 bits_f32(i32 i) { union { i32 i; f32 f; } u = {i}; return u.f; }
INLINE i32 bits_i32(f32 f) { union { f32 f; i32 i; } u = {f}; return u.i; }

// x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by its Taylor series to r^13 / 13!, below one rounding error.
INLINE f64 exp_f64(f64 x) {
  f64 c = x > -746.0 ? x : 0.0;  // NaN too, so that the conversion below is defined; and no slow subnormals for a 0
  c = c < 710.0 ? c : 710.0;
  f64 n = __builtin_floor(c * 1.44269504088896338700e+00 + 0.5);
  f64 r = (c - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  f64 y = 1.0 / 6227020800.0;
  y = y * r + 1.0 / 479001600.0;
  y = y * r + 1.0 / 39916800.0;
  y = y * r + 1.0 / 3628800.0;
  y = y * r + 1.0 / 362880.0;
  y = y * r + 1.0 / 40320.0;
  y = y * r + 1.0 / 5040.0;
  y = y * r + 1.0 / 720.0;
  y = y * r + 1.0 / 120.0;
  y = y * r + 1.0 / 24.0;
  y = y * r + 1.0 / 6.0;
  y = y * r + 0.5;
  y = y * r * r + r + 1.0;
  i32 k = (i32)n, half = k >> 1;  // two factors, since 2^n alone may leave the range
  y = y * bits_f64((i64)(half + 1023) << 52) * bits_f64((i64)(k - half + 1023) << 52);
  return x > -746.0 ? y : x != x ? x : 0.0;
}

INLINE f32 exp_f32(f32 x) {
  f32 c = x > -104.0f ? x : 0.0f;
  c = c < 89.0f ? c : 89.0f;
  f32 n = __builtin_floorf(c * 1.44269504088896341f + 0.5f);
  f32 r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
  f32 y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  i32 k = (i32)n, half = k >> 1;
  y = y * bits_f32((half + 127) << 23) * bits_f32((k - half + 127) << 23);
  return x > -104.0f ? y : x != x ? x : 0.0f;
}

// exp(x) - 1: the Taylor series near 0, where the subtraction would lose digits.
INLINE f64 expm1_f64(f64 x) {
  f64 y = 1.0 / 6402373705728000.0;
  y = y * x + 1.0 / 355687428096000.0;
  y = y * x + 1.0 / 20922789888000.0;
  y = y * x + 1.0 / 1307674368000.0;
  y = y * x + 1.0 / 87178291200.0;
  y = y * x + 1.0 / 6227020800.0;
  y = y * x + 1.0 / 479001600.0;
  y = y * x + 1.0 / 39916800.0;
  y = y * x + 1.0 / 3628800.0;
  y = y * x + 1.0 / 362880.0;
  y = y * x + 1.0 / 40320.0;
  y = y * x + 1.0 / 5040.0;
  y = y * x + 1.0 / 720.0;
  y = y * x + 1.0 / 120.0;
  y = y * x + 1.0 / 24.0;
  y = y * x + 1.0 / 6.0;
  y = y * x + 0.5;
  y = y * x * x + x;
  return x > -0.7 && x < 0.7 ? y : exp_f64(x) - 1.0;
}

INLINE f32 expm1_f32(f32 x) {
  f32 y = 1.0f / 362880.0f;
  y = y * x + 1.0f / 40320.0f;
  y = y * x + 1.0f / 5040.0f;
  y = y * x + 1.0f / 720.0f;
  y = y * x + 1.0f / 120.0f;
  y = y * x + 1.0f / 24.0f;
  y = y * x + 1.0f / 6.0f;
  y = y * x + 0.5f;
  y = y * x * x + x;
  return x > -0.7f && x < 0.7f ? y : exp_f32(x) - 1.0f;
}

// x = 2^k (1 + f), s = f / (2 + f): log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2)))
INLINE f64 log_f64(f64 x) {
  i32 tiny = x < 2.2250738585072014e-308;
  i64 b = bits_i64(tiny ? x * 18014398509481984.0 : x) + (0x3ff0000000000000LL - 0x3fe6a09e667f3bcdLL);
  f64 k = (f64)((i32)((unsigned long long)b >> 52) - 1023 - (tiny ? 54 : 0));
  f64 f = bits_f64((b & 0x000fffffffffffffLL) + 0x3fe6a09e667f3bcdLL) - 1.0;
  f64 s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
  f64 R = 1.479819860511658591e-01;
  R = R * z + 1.531383769920937332e-01;
  R = R * z + 1.818357216161805012e-01;
  R = R * z + 2.222219843214978396e-01;
  R = R * z + 2.857142874366239149e-01;
  R = R * z + 3.999999999940941908e-01;
  R = R * z + 6.666666666666735130e-01;
  f64 y = k * 6.93147180369123816490e-01 - ((h - (s * (h + R * z) + k * 1.90821492927058770002e-10)) - f);
  y = x == 0.0 ? -__builtin_inf() : x < 0.0 ? __builtin_nan("") : y;
  return x < __builtin_inf() ? y : x;  // +inf and NaN
}

INLINE f32 log_f32(f32 x) {
  i32 tiny = x < 1.17549435e-38f;
  i32 b = (i32)((unsigned)bits_i32(tiny ? x * 33554432.0f : x) + (0x3f800000u - 0x3f3504f3u));
  f32 k = (f32)((i32)((unsigned)b >> 23) - 127 - (tiny ? 25 : 0));
  f32 f = bits_f32((b & 0x007fffff) + 0x3f3504f3) - 1.0f;
  f32 s = f / (2.0f + f), z = s * s, h = 0.5f * f * f;
  f32 R = 0.24279078841f;
  R = R * z + 0.28498786688f;
  R = R * z + 0.40000972152f;
  R = R * z + 0.66666662693f;
  f32 y = k * 6.9313812256e-01f - ((h - (s * (h + R * z) + k * 9.0580006145e-06f)) - f);
  y = x == 0.0f ? -__builtin_inff() : x < 0.0f ? __builtin_nanf("") : y;
  return x < __builtin_inff() ? y : x;
}

INLINE f64 log1p_f64(f64 x) {
  f64 u = 1.0 + x;
  return u == 1.0 || !(u < __builtin_inf()) ? x : log_f64(u) * (x / (u - 1.0));
}
INLINE f32 log1p_f32(f32 x) { return (f32)log1p_f64((f64)x); }

// tanh |x| = -t / (t + 2) with t = exp(-2 |x|) - 1
INLINE f64 tanh_f64(f64 x) {
  f64 t = expm1_f64(-2.0 * __builtin_fabs(x));
  return __builtin_copysign(-t / (t + 2.0), x);
}
#define P4(x, a, b, c, d, e) ((((a * x + b) * x + c) * x + d) * x + e)
INLINE f32 tanh_f32(f32 x) {
  f32 c = x > 7.90531110763549805f ? 7.90531110763549805f : x < -7.90531110763549805f ? -7.90531110763549805f : x;
  f32 z = c * c;
  f32 p = P4(z, -2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f,
             1.48572235717979e-05f);
  f32 q = ((1.19825839466702e-06f * z + 1.18534705686654e-04f) * z + 2.26843463243900e-03f) * z + 4.89352518554385e-03f;
  f32 y = c * ((p * z + 6.37261928875436e-04f) * z + 4.89352455891786e-03f) / q;
  f32 a = __builtin_fabsf(x);
  return a < 4e-4f ? x : a > 9.0f ? __builtin_copysignf(1.0f, x) : y;
}
INLINE f64 sigmoid_f64(f64 x) { return 1.0 / (1.0 + exp_f64(-x)); }
INLINE f32 sigmoid_f32(f32 x) { return 1.0f / (1.0f + exp_f32(-x)); }

KERNEL f64 erf_f64(f64 x) {
  f64 a = __builtin_fabs(x), s, R, S;
  if (x != x) return x;
  if (a < 0.84375) {
    s = x * x;
    R = P4(s, -2.37630166566501626084e-05, -5.77027029648944159157e-03, -2.84817495755985104766e-02,
           -3.25042107247001499370e-01, 1.28379167095512558561e-01);
    S = P4(s, -3.96022827877536812320e-06, 1.32494738004321644526e-04, 5.08130628187576562776e-03,
           6.50222499887672944485e-02, 3.97917223959155352819e-01) * s + 1.0;
    return x + x * (R / S);
  }
  if (a >= 6.0) return __builtin_copysign(1.0, x);
  if (a < 1.25) {
    s = a - 1.0;
    R = (P4(s, -2.16637559486879084300e-03, 3.54783043256182359371e-02, -1.10894694282396677476e-01,
            3.18346619901161753674e-01, -3.72207876035701323847e-01) * s + 4.14856118683748331666e-01) * s
        - 2.36211856075265944077e-03;
    S = (P4(s, 1.19844998467991074170e-02, 1.36370839120290507362e-02, 1.26171219808761642112e-01,
            7.18286544141962662868e-02, 5.40397917702171048937e-01) * s + 1.06420880400844228286e-01) * s + 1.0;
    return __builtin_copysign(8.45062911510467529297e-01 + R / S, x);
  }
  s = 1.0 / (a * a);
  if (a < 1.0 / 0.35) {
    R = ((P4(s, -9.81432934416914548592e+00, -8.12874355063065934246e+01, -1.84605092906711035994e+02,
             -1.62396669462573470355e+02, -6.23753324503260060396e+01) * s - 1.05586262253232909814e+01) * s
         - 6.93858572707181764372e-01) * s - 9.86494403484714822705e-03;
    S = (((P4(s, -6.04244152148580987438e-02, 6.57024977031928170135e+00, 1.08635005541779435134e+02,
              4.29008140027567833386e+02, 6.45387271733267880336e+02) * s + 4.34565877475229228821e+02) * s
          + 1.37657754143519042600e+02) * s + 1.96512716674392571292e+01) * s + 1.0;
  } else {
    R = (P4(s, -4.83519191608651397019e+02, -1.02509513161107724954e+03, -6.37566443368389627722e+02,
            -1.60636384855821916062e+02, -1.77579549177547519889e+01) * s - 7.99283237680523006574e-01) * s
        - 9.86494292470009928597e-03;
    S = ((P4(s, -2.24409524465858183362e+01, 4.74528541206955367215e+02, 2.55305040643316442583e+03,
             3.19985821950859553908e+03, 1.53672958608443695994e+03) * s + 3.25792512996573918826e+02) * s
         + 3.03380607434824582924e+01) * s + 1.0;
  }
  return __builtin_copysign(1.0 - exp_f64(-a * a - 0.5625 + R / S) / a, x);
}
INLINE f32 erf_f32(f32 x) {
  f32 c = x > 4.0f ? 4.0f : x < -4.0f ? -4.0f : x, z = c * c;
  f32 p = P4(z, -2.72614225801306e-10f, 2.77068142495902e-08f, -2.10102402082508e-06f, -5.69250639462346e-05f,
             -7.34990630326855e-04f);
  f32 q = P4(z, -1.45660718464996e-05f, -2.13374055278905e-04f, -1.68282697438203e-03f, -7.37332916720468e-03f,
             -1.42647390514189e-02f);
  return c * ((p * z - 2.95459980854025e-03f) * z - 1.60960333262415e-02f) / q;
}

KERNEL f64 pow_f64(f64 x, f64 y) {
  if (y == 0.0 || x == 1.0) return 1.0;
  f64 whole = __builtin_floor(y), a = __builtin_fabs(x);
  i32 odd = whole == y && __builtin_floor(y * 0.5) * 2.0 != y;
  if (x != x || y != y || (x < 0.0 && whole != y && a < __builtin_inf() && __builtin_fabs(y) < __builtin_inf()))
    return __builtin_nan("");
  f64 l = a == 1.0 ? 0.0 : y * log_f64(a);  // also for y infinite
  return odd ? __builtin_copysign(exp_f64(l), x) : exp_f64(l);
}
INLINE f32 pow_f32(f32 x, f32 y) { return (f32)pow_f64(x, y); }
