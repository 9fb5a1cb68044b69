/* W2: syscall heavy copy. usage: w2 SRC DST [bytes]; 4 KiB read/write pairs.
 * flags: -O2
 * args: /dev/zero /dev/null 1000000
 * output: 1003520\n
 */
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv) {
  static char b[4096]; long max = argc > 3 ? atol(argv[3]) : 1L<<60, tot = 0; ssize_t r;
  int s = open(argv[1], O_RDONLY), d = open(argv[2], O_CREAT|O_TRUNC|O_WRONLY, 0600);
  if (s < 0 || d < 0) { perror("open"); return 1; }
  while (tot < max && (r = read(s, b, sizeof b)) > 0) { if (write(d, b, r) != r) return 2; tot += r; }
  printf("%ld\n", tot); return 0;
}
