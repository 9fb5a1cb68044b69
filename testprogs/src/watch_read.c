/* watch_read: packets are read into a buffer. One is longer than the buffer, and
 * the kernel writes over what comes behind.
 *
 * usage: watch_read [SEED]
 * args: 1
 * exit: 1
 * watch: station.checked
 */
#include "watch.h"
#include <unistd.h>

struct {
	char packet[64];
	int checked;
} station;

static int wire[2];

static void receive(int len)
{
	char out[128];
	memset(out, 'x', sizeof out);
	if (write(wire[1], out, len) != len)
		abort();
	if (read(wire[0], station.packet, len) != len) /* MARK culprit */
		abort();
}

int main(int argc, char **argv)
{
	const int n = 400;
	seed(argc, argv);
	int bad = moment(n);
	station.checked = 42;
	if (pipe(wire))
		return 99;
	for (int i = 0; i < n; i++)
		receive(i == bad ? 65 + rnd() % 4 : 1 + rnd() % 64);
	return station.checked != 42;
}
