/* io_raw: a full-screen program in miniature: raw mode, keys read one by one,
 * escape sequences drawn, the window's size asked and its change noticed, and
 * the terminal put back at the end. Ends at the key q.
 *
 * needs: pty
 * stdin: abc\033[Aq
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static volatile sig_atomic_t resized = 1;
static int keys, arrows;

static void on_resize(int sig) { resized = 1; }
static void restore(void) { tcsetattr(0, TCSANOW, &saved); }

static void draw(void)
{
	struct winsize w;
	char buf[200];
	if (resized && ioctl(1, TIOCGWINSZ, &w) == 0)
		resized = 0;
	int n = snprintf(buf, sizeof buf, "\033[2J\033[H%d keys, %d arrows, %dx%d", keys, arrows, w.ws_col, w.ws_row);
	if (write(1, buf, n) != n)
		abort();
}

int main(void)
{
	if (tcgetattr(0, &saved))
		return 2;
	atexit(restore);
	signal(SIGWINCH, on_resize);
	struct termios t = saved;
	cfmakeraw(&t);
	tcsetattr(0, TCSANOW, &t);
	char c, state = 0;
	for (;;) {
		draw();
		if (read(0, &c, 1) != 1)
			continue;
		if (c == 'q')
			break;
		keys++; /* MARK key */
		arrows += state == 2 && c >= 'A' && c <= 'D';
		state = c == '\033' ? 1 : state == 1 && c == '[' ? 2 : 0;
	}
	return !(keys == 6 && arrows == 1);
}
