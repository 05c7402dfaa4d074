// What every compiled program begins with: names of types, index checks, copying.
typedef float f32;
typedef double f64;
typedef long long i64;
typedef int i32;
typedef unsigned char b8;
typedef __SIZE_TYPE__ size;

#if defined(_WIN32)
#define EXPORT(name) __declspec(dllexport)
#elif defined(__wasm__)
#define EXPORT(name) __attribute__((export_name(#name)))
#else
#define EXPORT(name) __attribute__((visibility("default")))
#endif
#define INLINE static inline __attribute__((always_inline, unused))
#define KERNEL static __attribute__((noinline, unused))

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

// The compiler turns loops into calls of these two, and there is no C library to take them from.
#define NO_LIBC __attribute__((no_builtin("memcpy", "memset"), visibility("hidden")))
NO_LIBC void *memcpy(void *restrict to, const void *restrict from, size n) {
  char *d = to;
  const char *s = from;
  while (n--) *d++ = *s++;
  return to;
}
NO_LIBC void *memset(void *to, int value, size n) {
  char *d = to;
  while (n--) *d++ = (char)value;
  return to;
}

// An index into a dimension of n elements; negative ones count from the end, bad ones raise the flag and read element 0.
INLINE i64 at(i64 i, i64 n, i32 *bad) {
  i = i < 0 ? i + n : i;
  if ((unsigned long long)i < (unsigned long long)n) return i;
  *bad = 1;
  return 0;
}
