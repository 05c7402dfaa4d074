// What every C text begins with: names of types, and what is said of functions.
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
#define APART __attribute__((visibility("hidden")))  // compiled once for all programs, see product.c

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES ((i32)(VECTOR_BYTES / sizeof(T)))
#define VECTOR __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T))))
