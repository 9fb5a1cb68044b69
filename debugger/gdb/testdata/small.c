/* A program without a C library, so that gdb's own `record full` can follow it:
   a total that grows in a loop, a function with a local of its own, recursion. */
int total, limit = 4;
struct pair { int a, b; } pair;

int twice(int x) {
  int y = x;
  y += x;
  return y;
}

int depth(int n) {
  int mine = n;
  if (n > 0)
    mine += depth(n - 1);
  return mine;
}

int hide(int total) { return total + 1; }

int main(void) {
  for (int i = 0; i < limit; i++) {
    total += twice(i);
    pair.b = i;
  }
  total += hide(5);
  int d = depth(2);
  return total + d;
}

void _start(void) {
  int status = main();
  __asm__ volatile("syscall" : : "a"(60), "D"(status));
  for (volatile int forever = 1; forever;)
    ;
}

void spin(void) {
  for (volatile int forever = 1; forever;)
    ;
}
