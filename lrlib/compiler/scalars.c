// Scalar operations on T, named FN(...); NaN passes through them as it does in torch.
INLINE T FN(max)(T a, T b) { return a > b || a != a ? a : b; }
INLINE T FN(min)(T a, T b) { return a < b || a != a ? a : b; }
INLINE T FN(relu)(T x) { return x < 0 ? 0 : x; }
INLINE T FN(sign)(T x) { return (x > 0) - (x < 0); }  // 0 for NaN, as torch
#if FLOATING
INLINE T FN(abs)(T x) { return FLOATING == 4 ? (T)__builtin_fabsf((f32)x) : (T)__builtin_fabs(x); }
INLINE T FN(sqrt)(T x) { return FLOATING == 4 ? (T)__builtin_sqrtf((f32)x) : (T)__builtin_sqrt(x); }
INLINE T FN(floor)(T x) { return FLOATING == 4 ? (T)__builtin_floorf((f32)x) : (T)__builtin_floor(x); }
INLINE T FN(ceil)(T x) { return FLOATING == 4 ? (T)__builtin_ceilf((f32)x) : (T)__builtin_ceil(x); }
INLINE T FN(trunc)(T x) { return FLOATING == 4 ? (T)__builtin_truncf((f32)x) : (T)__builtin_trunc(x); }
INLINE T FN(round)(T x) { return FLOATING == 4 ? (T)__builtin_rintf((f32)x) : (T)__builtin_rint(x); }
INLINE T FN(floordiv)(T a, T b) { return FN(floor)(a / b); }
INLINE T FN(truncdiv)(T a, T b) { return FN(trunc)(a / b); }
INLINE T FN(remainder)(T a, T b) { return a - b * FN(floor)(a / b); }
INLINE T FN(fmod)(T a, T b) { return a - b * FN(trunc)(a / b); }
INLINE T FN(powi)(T x, i32 n) {  // n is a literal: unrolled
  T y = 1;
  for (i32 i = 0; i < (n < 0 ? -n : n); i++) y *= x;
  return n < 0 ? 1 / y : y;
}
#else
INLINE T FN(abs)(T x) { return x < 0 ? -x : x; }
INLINE T FN(truncdiv)(T a, T b) { return b ? a / b : 0; }
INLINE T FN(floordiv)(T a, T b) { return b ? a / b - (a % b && (a < 0) != (b < 0)) : 0; }
INLINE T FN(remainder)(T a, T b) { return b ? a - b * FN(floordiv)(a, b) : 0; }
INLINE T FN(fmod)(T a, T b) { return b ? a % b : 0; }
INLINE T FN(powi)(T x, i32 n) {
  T y = 1;
  for (i32 i = 0; i < n; i++) y *= x;
  return y;
}
#endif
#if FLOATING
INLINE b8 FN(isnan)(T x) { return x != x; }
INLINE b8 FN(isinf)(T x) { return FN(abs)(x) == (T)__builtin_inf(); }
#else
INLINE b8 FN(isnan)(T x) { return 0; }
INLINE b8 FN(isinf)(T x) { return 0; }
#endif
