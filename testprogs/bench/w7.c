/* W7: bounded list demo. usage: w7 [nops] [seed] [pad]
   Invariant: list_len(head) <= MAXLEN. insert_sorted() has the (rare) bug that lets it exceed. After the
   corruption the program runs on for as long again and only then notices (abort).
   flags: -O2
   args: 20000
   signal: 6
*/
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#define MAXLEN 10
typedef struct node { int v; struct node *next; } node;
node *head; int len_cached; long op, bad_op = -1;
static uint64_t st;
static uint32_t rnd(void) { st = st * 6364136223846793005ull + 1442695040888963407ull; return st >> 33; }
__attribute__((noinline)) int list_len(node *h) { int n = 0; for (; h; h = h->next) n++; return n; }
__attribute__((noinline)) void list_pop(void) { node *n = head; if (!n) return; head = n->next; free(n); len_cached--; }
__attribute__((noinline)) void list_insert(int v) {
  node *n = malloc(sizeof *n); n->v = v;
  node **pp = &head; while (*pp && (*pp)->v < v) pp = &(*pp)->next;
  n->next = *pp; *pp = n;                 /* culprit: executed with a full list */
  len_cached++;
}
__attribute__((noinline)) void step(long trigger) {
  uint32_t r = rnd();
  if ((r & 3) == 0 || (len_cached >= MAXLEN && op != trigger)) list_pop();
  else list_insert(r >> 8 & 0xffff);
  if (op == trigger) while (len_cached <= MAXLEN) list_insert(rnd() & 0xffff);
}
static volatile uint32_t padacc;
int main(int argc, char **argv) {
  long nops = argc > 1 ? atol(argv[1]) : 1000000; st = argc > 2 ? atol(argv[2]) : 42; int pad = argc > 3 ? atoi(argv[3]) : 20;
  long trigger = nops / 2;
  for (op = 0; op < nops; op++) {
    if (op <= trigger) step(trigger); else { uint32_t r = rnd(); for (node *n = head; n; n = n->next) n->v += r & 1; }
    for (int i = 0; i < pad; i++) padacc += op ^ i;
  }
  int l = list_len(head);
  printf("len %d\n", l);
  if (l > MAXLEN) abort();
  return 0;
}
