/* watch_inline: a ring whose functions are inlined at -O2. Once it takes an element
 * although it is full.
 *
 * usage: watch_inline [SEED]
 * flags: -O2
 * args: 1
 * exit: 1
 * watch: ring.count <= 64
 */
#include "watch.h"

struct {
	volatile int count, first;
	int at[128];
} ring;

static inline void push(int v)
{
	ring.at[(ring.first + ring.count) & 127] = v;
	ring.count++; /* MARK culprit */
}

static inline int pop(void)
{
	int v = ring.at[ring.first];
	ring.first = (ring.first + 1) & 127;
	ring.count--;
	return v;
}

int main(int argc, char **argv)
{
	const long n = 300000;
	volatile int sum = 0;
	seed(argc, argv);
	long bad = moment(n);
	int spoilt = 0;
	for (long i = 0; i < n; i++) {
		if (spoilt) {
			sum += ring.at[i & 127];
		} else if (ring.count == 64 && i >= bad) {
			push(i);
			spoilt = 1;
		} else if (ring.count == 64 || ring.count > 0 && rnd() % 3 == 0) {
			sum += pop();
		} else {
			push(i);
		}
	}
	return ring.count > 64;
}
