// Scalar operations on T, named FN(...); NaN passes through them as it does in torch.
INLINE T FN(max)(T a, T b) { return a > b || a != a ? a : b; }
INLINE T FN(min)(T a, T b) { return a < b || a != a ? a : b; }
INLINE T FN(relu)(T x) { return x < 0 ? 0 : x; }
INLINE T FN(sign)(T x) { return (x > 0) - (x < 0); }  // 0 for NaN, as torch
#if FLOATING
INLINE T FN(abs)(T x) { return FLOATING == 4 ? (T)__builtin_fabsf((f32)x) : (T)__builtin_fabs(x); }
INLINE T FN(sqrt)(T x) { return FLOATING == 4 ? (T)__builtin_sqrtf((f32)x) : (T)__builtin_sqrt(x); }
INLINE T FN(powi)(T x, i32 n) {  // n is a literal: unrolled
  T y = 1;
  for (i32 i = 0; i < (n < 0 ? -n : n); i++) y *= x;
  return n < 0 ? 1 / y : y;
}
#else
INLINE T FN(abs)(T x) { return x < 0 ? -x : x; }
INLINE T FN(powi)(T x, i32 n) {
  T y = 1;
  for (i32 i = 0; i < n; i++) y *= x;
  return y;
}
#endif
