/* proc_vfork: children that borrow the parent's memory and stack until they
 * exec or exit; what they write there the parent sees.
 *
 * output: told 5, statuses 9 10\n
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int told;

int main(void)
{
	int a, b;
	pid_t pid = vfork();
	if (!pid) {
		told = 5;
		_exit(9);
	}
	waitpid(pid, &a, 0);
	pid = vfork();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", "exit 10", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &b, 0);
	printf("told %d, statuses %d %d\n", told, WEXITSTATUS(a), WEXITSTATUS(b));
	return told != 5 || WEXITSTATUS(a) != 9 || WEXITSTATUS(b) != 10;
}
