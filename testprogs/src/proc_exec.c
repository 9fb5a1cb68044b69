/* proc_exec: a program that executes itself again and again, with fewer rounds
 * to go each time; the last round ends it. Each image sees its own memory anew
 * and the descriptors of the one before.
 *
 * usage: proc_exec [ROUNDS [FD]]
 * args: 4
 * exit: 6
 * output: 4 rounds to go, seen 0\n3 rounds to go, seen 1\n2 rounds to go, seen 2\n1 rounds to go, seen 3\n0 rounds to go, seen 4\n
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int fresh = 1; /* set back by each exec */

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 3, p[2], seen = 0;
	char arg1[20], arg2[20], c;
	if (argc > 2) {
		p[0] = atoi(argv[2]);
		while (read(p[0], &c, 1) == 1)
			seen++;
		close(p[0]);
	}
	printf("%d rounds to go, seen %d\n", rounds, seen);
	fflush(stdout);
	if (fresh++ != 1)
		return 1;
	if (rounds == 0)
		return 6;
	if (pipe(p))
		return 2;
	for (int i = 0; i <= seen; i++)
		if (write(p[1], "x", 1) != 1)
			return 3;
	close(p[1]);
	snprintf(arg1, sizeof arg1, "%d", rounds - 1);
	snprintf(arg2, sizeof arg2, "%d", p[0]);
	execl("/proc/self/exe", argv[0], arg1, arg2, (char *)NULL); /* MARK exec */
	return 4;
}
