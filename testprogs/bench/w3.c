/* W3: two threads, mutex+condvar ping-pong. usage: w3 [rounds]
 * flags: -O2
 * args: 2000
 * output: 4000\n
 */
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static long rounds = 200000, cnt; static int turn;
static void *f(void *a) { int me = (int)(long)a;
  for (long i = 0; i < rounds; i++) { pthread_mutex_lock(&m); while (turn != me) pthread_cond_wait(&c, &m); turn = !me; cnt++; pthread_cond_signal(&c); pthread_mutex_unlock(&m); }
  return 0; }
int main(int argc, char **argv) { if (argc > 1) rounds = atol(argv[1]); pthread_t t[2];
  for (long i = 0; i < 2; i++) pthread_create(&t[i], 0, f, (void *)i);
  for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
  printf("%ld\n", cnt); return 0; }
