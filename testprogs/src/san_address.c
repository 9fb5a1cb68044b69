/* san_address: has an object more than it frees, and an environment that says nothing
 * of sanitizers; with an argument it writes one byte behind an object.
 *
 * flags: -fsanitize=address
 * usage: san_address [beyond]
 * output: options: none\n
 */
#include <stdio.h>
#include <stdlib.h>

static void *volatile lost;

int main(int argc, char **argv)
{
	const char *o = getenv("LSAN_OPTIONS");
	char *p = malloc(16);
	lost = malloc(64);
	lost = NULL;
	printf("options: %s\n", o ? o : "none");
	fflush(stdout);
	p[argc > 1 ? 16 : 0] = 1;
	free(p);
	return 0;
}
