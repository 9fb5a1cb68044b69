/* watch_never: a limit that nobody changes, with much work around it.
 *
 * usage: watch_never [SEED]
 * args: 1
 * watch: within(limit)
 */
#include "watch.h"

int limit = 10;
static int used[16];

int within(int n)
{
	return n == 10;
}

int main(int argc, char **argv)
{
	seed(argc, argv);
	for (long i = 0; i < 100000; i++)
		used[rnd() % 16] += within(rnd() % 20);
	return limit != 10;
}
