/* watch_late: a cache that is made in the last tenth of the run; before that there
 * is none to ask.
 *
 * usage: watch_late [SEED]
 * args: 1
 * exit: 1
 * watch: cache->entries <= 8
 */
#include "watch.h"

struct cache {
	long lookups;
	int entries;
} *cache;

static volatile long work;

int main(int argc, char **argv)
{
	const long n = 100000;
	seed(argc, argv);
	long made = n - n / 10, bad = made + moment(n / 10);
	for (long i = 0; i < n; i++) {
		work += i;
		if (i == made)
			cache = calloc(1, sizeof *cache);
		if (i < made)
			continue;
		cache->lookups++;
		if (i == bad)
			cache->entries = 9; /* MARK culprit */
		else if (cache->entries <= 8)
			cache->entries = rnd() % 9;
	}
	return cache->entries > 8;
}
