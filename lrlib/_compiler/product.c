// The matrix product over the floating type T. It takes the compiler longer than all else in a program, and is the same
// in each: so it is compiled by itself, once on a machine, and linked to those that call it.
#define DEPTH 256  // rows of b that one panel holds: 2 vectors x 256 rows stay in the first-level cache
typedef T FN(vec) VECTOR;
typedef T FN(four) __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T))));

// c (rows, width) = or += a (rows, depth) b (depth, 2 or 1 vectors); rows and vectors are literals, so all sums stay in registers.
INLINE void FN(block)(i32 rows, i32 vectors, T *restrict c, i64 ldc, const T *a, i64 a0, i64 a1, const T *b, i64 ldb,
                      i32 depth, i32 width, i32 accumulate) {
  FN(vec) sum[6][2];
#pragma unroll
  for (i32 i = 0; i < rows; i++)
#pragma unroll
    for (i32 v = 0; v < vectors; v++) sum[i][v] = (FN(vec)){0};
  for (i32 k = 0; k < depth; k++) {
    FN(vec) row[2];
#pragma unroll
    for (i32 v = 0; v < vectors; v++) row[v] = *(const FN(vec) *)(b + k * ldb + v * LANES);
#pragma unroll
    for (i32 i = 0; i < rows; i++) {
      T s = a[i * a0 + k * a1];
#pragma unroll
      for (i32 v = 0; v < vectors; v++) sum[i][v] += s * row[v];
    }
  }
  if (width == vectors * LANES) {
#pragma unroll
    for (i32 i = 0; i < rows; i++)
#pragma unroll
      for (i32 v = 0; v < vectors; v++) {
        FN(vec) *to = (FN(vec) *)(c + i * ldc + v * LANES);
        *to = accumulate ? *to + sum[i][v] : sum[i][v];
      }
  } else {
    T edge[2 * LANES];
#pragma unroll
    for (i32 i = 0; i < rows; i++) {
#pragma unroll
      for (i32 v = 0; v < vectors; v++) *(FN(vec) *)(edge + v * LANES) = sum[i][v];
      for (i32 j = 0; j < width; j++) c[i * ldc + j] = (accumulate ? c[i * ldc + j] : 0) + edge[j];
    }
  }
}

// panel (depth, width; rows ldp apart) = the transpose of p (width, depth; rows b1 apart), by tiles of 4 x 4
INLINE void FN(transpose)(T *restrict panel, i64 ldp, const T *p, i64 b1, i32 width, i32 depth) {
  i32 s = 0;
  for (; s + 4 <= width; s += 4) {
    const T *from = p + s * b1;
    T *to = panel + s;
    i32 r = 0;
#pragma clang loop unroll(disable)
    for (; r + 4 <= depth; r += 4, from += 4, to += 4 * ldp) {
      FN(four) a = *(const FN(four) *)from, b = *(const FN(four) *)(from + b1);
      FN(four) c = *(const FN(four) *)(from + 2 * b1), d = *(const FN(four) *)(from + 3 * b1);
      FN(four) ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      *(FN(four) *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
      *(FN(four) *)(to + ldp) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
      ab = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      *(FN(four) *)(to + 2 * ldp) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
      *(FN(four) *)(to + 3 * ldp) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    }
#pragma clang loop vectorize(disable) unroll(disable)
    for (; r < depth; r++, from++, to += ldp)
      for (i32 i = 0; i < 4; i++) to[i] = from[i * b1];
  }
#pragma clang loop vectorize(disable) unroll(disable)
  for (; s < width; s++)
#pragma clang loop vectorize(disable) unroll(disable)
    for (i32 r = 0; r < depth; r++) panel[r * ldp + s] = p[r + s * b1];
}

#define BLOCK(rows) \
  (vectors == 2 ? FN(block)(rows, 2, c + i * ldc + j, ldc, a + i * a0 + k * a1, a0, a1, p, ldp, depth, width, add) \
                : FN(block)(rows, 1, c + i * ldc + j, ldc, a + i * a0 + k * a1, a0, a1, p, ldp, depth, width, add))

// c (M, N; rows ldc apart) = or += a (M, K; strides a0, a1) b (K, N; strides b0, b1)
APART void FN(mm)(T *restrict c, i64 ldc, const T *a, i64 a0, i64 a1, const T *b, i64 b0, i64 b1, i32 M, i32 N, i32 K,
                  i32 accumulate) {
  T panel[DEPTH * 2 * LANES];
  for (i32 k = 0; k < K; k += DEPTH) {
    i32 depth = K - k < DEPTH ? K - k : DEPTH, add = accumulate || k > 0;
    for (i32 j = 0; j < N; j += 2 * LANES) {
      i32 width = N - j < 2 * LANES ? N - j : 2 * LANES, vectors = width > LANES ? 2 : 1;
      const T *p = b + k * b0 + j * b1;
      i64 ldp = b0;
      if (b1 != 1 || width != vectors * LANES) {  // a contiguous copy, filled up with zeros
        ldp = vectors * LANES;
        for (i32 r = 0; r < depth; r++)
          for (i32 s = width; s < ldp; s++) panel[r * ldp + s] = 0;
        if (b0 == 1)
          FN(transpose)(panel, ldp, p, b1, width, depth);
        else if (b1 == 1)
          for (i32 r = 0; r < depth; r++)
            for (i32 s = 0; s < width; s++) panel[r * ldp + s] = p[r * b0 + s];
        else
          for (i32 s = 0; s < width; s++)
            for (i32 r = 0; r < depth; r++) panel[r * ldp + s] = p[r * b0 + s * b1];
        p = panel;
      }
      i32 i = 0;
#ifndef __wasm__  // where 16 registers, and no fused multiply-add, leave no room for 12 sums
      for (; M - i >= 6 && M - i != 8; i += 6) BLOCK(6);
#endif
      for (; M - i >= 4; i += 4) BLOCK(4);
      for (; M - i >= 2; i += 2) BLOCK(2);
      if (M - i) BLOCK(1);
    }
  }
  if (!K && !accumulate)
    for (i32 i = 0; i < M; i++)
      for (i32 j = 0; j < N; j++) c[i * ldc + j] = 0;
}
