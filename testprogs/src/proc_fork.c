/* proc_fork: a tree of forked children that compute, share pipes with their
 * parent, and change copies of its memory.
 *
 * output: parent 1000, children 15, grandchild 7\n
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int number = 1000;

int main(void)
{
	int p[2], sum = 0, grand = 0;
	if (pipe(p))
		abort();
	for (int i = 1; i <= 5; i++) {
		pid_t pid = fork(); /* MARK fork */
		if (pid < 0)
			abort();
		if (pid)
			continue;
		number += i;
		int st = 7 << 8;
		if (i == 3 && !fork())
			_exit(7);
		if (i == 3)
			wait(&st);
		int msg[2] = {number - 1000, i == 3 ? WEXITSTATUS(st) : 0};
		if (write(p[1], msg, sizeof msg) != sizeof msg)
			abort();
		_exit(0);
	}
	close(p[1]);
	for (int msg[2]; read(p[0], msg, sizeof msg) == sizeof msg;) {
		sum += msg[0];
		grand += msg[1];
	}
	while (wait(NULL) > 0)
		;
	printf("parent %d, children %d, grandchild %d\n", number, sum, grand);
	return number != 1000 || sum != 15 || grand != 7;
}
