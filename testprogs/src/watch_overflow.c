/* watch_overflow: names are copied into fields of fixed size. One is too long, and
 * its end lands in the neighbouring field of the same record.
 *
 * usage: watch_overflow [SEED]
 * args: 1
 * exit: 1
 * watch: users[2].limit
 */
#include "watch.h"

struct user {
	char name[16];
	long limit;
} users[4];

static long renames;

static void rename_user(struct user *u, int len)
{
	char *name = (char *)u;
	for (int i = 0; i < len; i++)
		name[i] = 'a' + (renames + i) % 26; /* MARK culprit */
	renames++;
}

int main(int argc, char **argv)
{
	const long n = 30000;
	seed(argc, argv);
	long bad = moment(n);
	for (int i = 0; i < 4; i++)
		users[i].limit = 100 * i;
	for (long i = 0; i < n; i++) {
		if (i == bad)
			rename_user(&users[2], 17);
		else
			rename_user(&users[rnd() % 4], 1 + rnd() % 16);
	}
	return users[2].limit != 200;
}
