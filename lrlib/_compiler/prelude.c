// What every compiled program has: copying, index checks.
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
