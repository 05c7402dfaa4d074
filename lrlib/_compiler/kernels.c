// Kernels over the floating type T: convolution, pooling, reductions of a row; the matrix product is in product.c.
typedef T FN(vec) VECTOR;
APART void FN(mm)(T *restrict c, i64 ldc, const T *a, i64 a0, i64 a1, const T *b, i64 b0, i64 b1, i32 M, i32 N, i32 K,
                  i32 accumulate);

// Sizes of a two-dimensional window that moves over an image.
#ifndef WINDOW
#define WINDOW
typedef struct {
  i32 height, width, kernel_h, kernel_w, out_h, out_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
} Window;
#endif
#define EACH_TAP(channels) \
  for (i32 c = 0; c < (channels); c++) \
    for (i32 u = 0; u < w.kernel_h; u++) \
      for (i32 v = 0; v < w.kernel_w; v++)

// columns[tap * tap_stride + pixel * pixel_stride] = the input under that tap (channel, row, column of the kernel)
INLINE void FN(unfold)(T *restrict columns, i64 tap_stride, i64 pixel_stride, const T *x, i32 channels, Window w) {
  i32 tap = 0;
  EACH_TAP(channels) {
    T *to = columns + tap++ * tap_stride;
    for (i32 i = 0; i < w.out_h; i++) {
      i32 y = i * w.stride_h + u * w.dilation_h - w.pad_h;
      const T *row = x + ((i64)c * w.height + y) * w.width;
      for (i32 j = 0; j < w.out_w; j++) {
        i32 z = j * w.stride_w + v * w.dilation_w - w.pad_w;
        *to = y >= 0 && y < w.height && z >= 0 && z < w.width ? row[z] : 0;
        to += pixel_stride;
      }
    }
  }
}

// The adjoint of unfold with pixels adjacent: adds every column back to where it came from.
INLINE void FN(fold)(T *restrict x, const T *columns, i32 channels, Window w) {
  EACH_TAP(channels) {
    for (i32 i = 0; i < w.out_h; i++, columns += w.out_w) {
      i32 y = i * w.stride_h + u * w.dilation_h - w.pad_h;
      if (y < 0 || y >= w.height) continue;
      T *row = x + ((i64)c * w.height + y) * w.width;
      for (i32 j = 0; j < w.out_w; j++) {
        i32 z = j * w.stride_w + v * w.dilation_w - w.pad_w;
        if (z >= 0 && z < w.width) row[z] += columns[j];
      }
    }
  }
}

// The three convolutions: x (batch, groups * in, image), weight (groups * out, in, kernel), y (batch, groups * out, image).
#define EACH_IMAGE \
  i64 pixels = (i64)w.out_h * w.out_w, taps = (i64)in * w.kernel_h * w.kernel_w, image = (i64)w.height * w.width; \
  for (i32 n = 0; n < batch; n++) \
    for (i32 g = 0; g < groups; g++)
#define X (x + ((i64)n * groups + g) * in * image)
#define Y (y + ((i64)n * groups + g) * out * pixels)
#define W (weight + (i64)g * out * taps)

INLINE void FN(convolve)(T *restrict y, const T *x, const T *weight, T *restrict columns, i32 batch, i32 groups, i32 in,
                         i32 out, Window w) {
  EACH_IMAGE {
    FN(unfold)(columns, pixels, 1, X, in, w);
    FN(mm)(Y, pixels, W, taps, 1, columns, pixels, 1, out, (i32)pixels, (i32)taps, 0);
  }
}
INLINE void FN(convolve_input)(T *restrict x, const T *y, const T *weight, T *restrict columns, i32 batch, i32 groups,
                               i32 in, i32 out, Window w) {
  EACH_IMAGE {
    FN(mm)(columns, pixels, W, 1, taps, Y, pixels, 1, (i32)taps, (i32)pixels, out, 0);
    for (i64 i = 0; i < in * image; i++) X[i] = 0;
    FN(fold)(X, columns, in, w);
  }
}
INLINE void FN(convolve_weight)(T *restrict weight, const T *y, const T *x, T *restrict columns, i32 batch, i32 groups,
                                i32 in, i32 out, Window w) {
  EACH_IMAGE {
    FN(unfold)(columns, 1, taps, X, in, w);
    FN(mm)(W, taps, Y, pixels, 1, columns, taps, 1, out, (i32)taps, (i32)pixels, n > 0);
  }
}
#undef X
#undef Y
#undef W

// As torch: the first of equals wins, and a NaN beats everything.
INLINE void FN(max_pool)(T *restrict y, i64 *restrict where, const T *x, i32 planes, Window w) {
  for (i32 n = 0; n < planes; n++, x += w.height * w.width)
    for (i32 i = 0; i < w.out_h; i++)
      for (i32 j = 0; j < w.out_w; j++) {
        i32 r0 = i * w.stride_h - w.pad_h, s0 = j * w.stride_w - w.pad_w;
        i32 r1 = r0 + (w.kernel_h - 1) * w.dilation_h + 1, s1 = s0 + (w.kernel_w - 1) * w.dilation_w + 1;
        if (w.pad_h) {
          while (r0 < 0) r0 += w.dilation_h;
        }
        if (w.pad_w) {
          while (s0 < 0) s0 += w.dilation_w;
        }
        r1 = r1 < w.height ? r1 : w.height, s1 = s1 < w.width ? s1 : w.width;
        i32 found = r0 * w.width + s0;
        T best = -__builtin_inf();
        for (i32 r = r0; r < r1; r += w.dilation_h)
          for (i32 s = s0; s < s1; s += w.dilation_w) {
            T value = x[r * w.width + s];
            i32 take = (value > best) | (value != value);
            best = take ? value : best;
            found = take ? r * w.width + s : found;
          }
        *y++ = best;
        *where++ = found;
      }
}
INLINE void FN(max_pool_input)(T *restrict x, const T *y, const i64 *where, i32 planes, i32 image, i32 pixels) {
  for (i64 i = 0; i < (i64)planes * image; i++) x[i] = 0;
  for (i32 n = 0; n < planes; n++, x += image)
    for (i32 i = 0; i < pixels; i++) x[*where++] += *y++;
}

// Mean over a window, and its adjoint; the divisor counts padding when `padded` says so.
#define EACH_MEAN \
  for (i32 n = 0; n < planes; n++, x += w.height * w.width) \
    for (i32 i = 0; i < w.out_h; i++) \
      for (i32 j = 0; j < w.out_w; j++, y++) { \
        i32 r0 = i * w.stride_h - w.pad_h, s0 = j * w.stride_w - w.pad_w, r1 = r0 + w.kernel_h, s1 = s0 + w.kernel_w; \
        r1 = r1 < w.height + w.pad_h ? r1 : w.height + w.pad_h, s1 = s1 < w.width + w.pad_w ? s1 : w.width + w.pad_w; \
        i32 count = (r1 - r0) * (s1 - s0); \
        r0 = r0 < 0 ? 0 : r0, s0 = s0 < 0 ? 0 : s0, r1 = r1 < w.height ? r1 : w.height, s1 = s1 < w.width ? s1 : w.width; \
        count = padded ? count : (r1 - r0) * (s1 - s0);
INLINE void FN(mean_pool)(T *restrict y, const T *x, i32 planes, i32 padded, Window w) {
  EACH_MEAN
    T sum = 0;
    for (i32 r = r0; r < r1; r++)
      for (i32 s = s0; s < s1; s++) sum += x[r * w.width + s];
    *y = sum / count;
  }
}
INLINE void FN(mean_pool_input)(T *restrict x, const T *y, i32 planes, i32 padded, Window w) {
  for (i64 i = 0; i < (i64)planes * w.height * w.width; i++) x[i] = 0;
  EACH_MEAN
    for (i32 r = r0; r < r1; r++)
      for (i32 s = s0; s < s1; s++) x[r * w.width + s] += *y / count;
  }
}

// Largest of n adjacent numbers, NaN if one is: one candidate a lane, then the best of the lanes.
KERNEL T FN(row_max)(const T *x, i32 n) {
  T best[LANES];
  for (i32 l = 0; l < LANES; l++) best[l] = x[l < n ? l : 0];
  i32 i = 0;
  FN(vec) lanes = *(FN(vec) *)best;
  for (; i + LANES <= n; i += LANES) {
    FN(vec) next = *(const FN(vec) *)(x + i);
    __typeof__(next != next) take = (next > lanes) | (next != next);
    lanes = (FN(vec))((take & (__typeof__(take))next) | (~take & (__typeof__(take))lanes));
  }
  *(FN(vec) *)best = lanes;
  T result = best[0];
  for (i32 l = 1; l < LANES; l++) result = FN(max)(best[l], result);
  for (; i < n; i++) result = FN(max)(x[i], result);
  return result;
}
