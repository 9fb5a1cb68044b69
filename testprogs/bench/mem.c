/* mem: checkpoint target: mem MB [fill 0=sparse zero,1=incompressible,2=half] ; touches all pages then a loop printing nothing
 * flags: -O2
 * args: 10
 * needs: kill
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <time.h>
int main(int argc, char **argv) { size_t n = (size_t)atol(argv[1]) << 20; int mode = argc > 2 ? atoi(argv[2]) : 2; uint64_t *p = malloc(n), x = 88172645463325252ull;
  for (size_t i = 0; i < n/8; i++) { x ^= x<<13; x ^= x>>7; x ^= x<<17; p[i] = mode==1 ? x : mode==2 ? ((i>>9)&1 ? x : i) : 1; }
  printf("ready\n"); fflush(stdout);
  volatile uint64_t s = 0; for (long k = 0;; k++) { s += p[(k*512) % (n/8)]; p[(k*512)%(n/8)] ^= 1; struct timespec t={0,1000000}; nanosleep(&t,0);} }
