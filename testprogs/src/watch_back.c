/* watch_back: a mode is changed for a short while and changed back. Whoever looks
 * only now and then sees no change at all.
 *
 * usage: watch_back [SEED]
 * args: 1
 * watch: mode
 */
#include "watch.h"

int mode = 1;
static volatile long work;

static void compute(long n)
{
	while (n-- > 0)
		work += n;
}

static void special(void)
{
	mode = 2;
	compute(3);
	mode = 1; /* MARK culprit */
}

int main(int argc, char **argv)
{
	const long n = 600000;
	seed(argc, argv);
	long at = moment(n);
	compute(at);
	special();
	compute(n - at);
	return mode != 1;
}
