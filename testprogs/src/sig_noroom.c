/* sig_noroom: the stack overflows in a program whose handler of SIGSEGV has no
 * stack of its own: there is no room for its frame, and the program is killed.
 *
 * signal: 11
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static void on_fault(int sig)
{
	_Exit(1);
}

static int deeper(int n)
{
	volatile char frame[4096];
	frame[0] = n; /* MARK fault */
	return deeper(n + 1) + frame[0];
}

int main(void)
{
	struct rlimit rl = {1 << 20, 1 << 20};
	setrlimit(RLIMIT_STACK, &rl);
	signal(SIGSEGV, on_fault);
	return deeper(0);
}
