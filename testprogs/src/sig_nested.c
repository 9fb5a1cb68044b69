/* sig_nested: handlers that are interrupted by further signals, three deep and
 * through a mask that holds one back until the handler returns.
 *
 * output: abcCBAxyYX\n
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char trail[32];
static void note(char c) { trail[strlen(trail)] = c; }

static void handler(int sig)
{
	switch (sig) {
	case SIGUSR1: note('a'); raise(SIGUSR2); note('A'); break;
	case SIGUSR2: note('b'); raise(SIGHUP); note('B'); break;
	case SIGHUP: note('c'); note('C'); break;
	}
}

/* SIGTERM is in the mask: it comes after the handler for SIGINT. */
static void on_int(int sig) { note('x'); raise(SIGTERM); note('y'); }
static void on_term(int sig) { note('Y'); note('X'); }

int main(void)
{
	struct sigaction sa = {.sa_handler = handler};
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	raise(SIGUSR1);
	sa.sa_handler = on_int;
	sigaddset(&sa.sa_mask, SIGTERM);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGTERM, on_term);
	raise(SIGINT);
	puts(trail);
	return strcmp(trail, "abcCBAxyYX") != 0;
}
