/* W1: pure compute. usage: w1 [n]  (default gives ~1 s native at -O2).
 * flags: -O2
 * args: 1000000
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
static uint64_t state = 88172645463325252ull;
uint64_t counter;                 /* watched in the reverse tests */
__attribute__((noinline)) uint64_t next_rand(void) {
  uint64_t x = state; x ^= x << 13; x ^= x >> 7; x ^= x << 17; state = x; return x;
}
__attribute__((noinline)) int classify(uint64_t v) {   /* the often called function */
  if (v & 1) { if (v & 2) return 1; return 2; }
  if ((v >> 4) % 3 == 0) return 3;
  return 4;
}
__attribute__((noinline)) uint64_t fib(unsigned n) { return n < 2 ? n : fib(n-1) + fib(n-2); }
__attribute__((noinline)) void bump(uint64_t v) { counter += v & 0xff; }
int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 45000000; uint64_t acc = 0; 
  for (long i = 0; i < n; i++) {
    int c = classify(next_rand());
    switch (c) { case 1: acc += fib(8); break; case 2: acc ^= i; break; case 3: acc += fib(5); break; default: acc = (acc << 1) | (acc >> 63); }
    if ((i % 1000) == 0) bump(acc);
  }
  printf("%lu %lu\n", (unsigned long)acc, (unsigned long)counter);
  return 0;
}
