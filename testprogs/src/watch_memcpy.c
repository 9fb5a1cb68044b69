/* watch_memcpy: rows are copied with memcpy. One copy takes a byte too many.
 *
 * usage: watch_memcpy [SEED]
 * args: 1
 * exit: 1
 * watch: table.sentinel
 */
#include "watch.h"

struct {
	char row[200];
	unsigned char sentinel;
} table;

static char source[256];

static void copy(size_t len)
{
	memcpy(table.row, source, len); /* MARK culprit */
}

int main(int argc, char **argv)
{
	const long n = 20000;
	seed(argc, argv);
	long bad = moment(n);
	memset(source, 7, sizeof source);
	table.sentinel = 0x55;
	for (long i = 0; i < n; i++)
		copy(i == bad ? 201 : 1 + rnd() % 200);
	return table.sentinel != 0x55;
}
