/* san_address: has an environment that says nothing of sanitizers. With `leak` it has
 * an object more than it frees, with `beyond` it writes one byte behind one.
 *
 * flags: -fsanitize=address
 * usage: san_address [leak|beyond]
 * output: options: none\n
 */
#include <stdio.h>
#include <stdlib.h>

static void *volatile lost;

int main(int argc, char **argv)
{
	const char *o = getenv("LSAN_OPTIONS");
	char *p = malloc(16);
	if (argc > 1 && *argv[1] == 'l')
		lost = malloc(64);
	lost = NULL;
	printf("options: %s\n", o ? o : "none");
	fflush(stdout);
	p[argc > 1 && *argv[1] == 'b' ? 16 : 0] = 1;
	free(p);
	return 0;
}
