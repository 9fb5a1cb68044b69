/* watch_often: a level that changes ten thousand times, and once more.
 *
 * usage: watch_often [SEED]
 * args: 1
 * watch: level
 */
#include "watch.h"

long level;

static void settle(void)
{
	level = -5; /* MARK culprit */
}

int main(int argc, char **argv)
{
	const long n = 10000;
	volatile long work = 0;
	seed(argc, argv);
	for (long i = 0; i < n; i++) {
		level = i;
		for (int k = 0; k < 20; k++)
			work += k;
	}
	settle();
	for (long k = moment(600000); k > 0; k--)
		work += k;
	return level != -5;
}
