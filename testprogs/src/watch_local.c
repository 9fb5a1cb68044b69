/* watch_local: a local variable of a function that is still active when the program
 * aborts. A function to which its address was given changes it.
 *
 * usage: watch_local [SEED]
 * args: 1
 * signal: 6
 * watch: budget
 * frame: spend
 */
#include "watch.h"

static long calls, bad;

static void work(long *left)
{
	volatile long scratch[16];
	for (int i = 0; i < 16; i++)
		scratch[i] = rnd();
	if (calls++ == bad)
		*left = -1; /* MARK culprit */
	if (calls == 2 * bad)
		abort();
}

static void spend(void)
{
	long budget = 500;
	for (;;)
		work(&budget);
}

int main(int argc, char **argv)
{
	seed(argc, argv);
	bad = moment(30000);
	spend();
}
