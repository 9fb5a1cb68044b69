/* sys_tty: a pseudo-terminal of the program's own: settings, sizes, job
 * control, canonical and raw input, and every request a shell or an editor
 * makes of a terminal.
 *
 * output: tty ok\n
 */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static char buf[256];

static void terminal(int m, int s)
{
	struct termios t;
	struct winsize w = {24, 80, 0, 0};
	int n;
	char tio2[64];
	OK(ioctl(s, TCGETS, tio2));
	OK(tcgetattr(s, &t));
	OK(ioctl(s, TCGETA, tio2));
	OK(ioctl(s, 0x802c542a, tio2)); /* TCGETS2 */
	OK(ioctl(s, TIOCSWINSZ, &w));
	OK(ioctl(s, TIOCGWINSZ, &w));
	CHECK(w.ws_col == 80);
	OK(ioctl(s, TIOCGPGRP, &n));
	CHECK(n == getpid());
	OK(ioctl(s, TIOCSPGRP, &n));
	OK(ioctl(s, TIOCGSID, &n));
	OK(ioctl(s, TIOCOUTQ, &n));
	OK(ioctl(s, TIOCGETD, &n));
	OK(ioctl(m, TIOCGPTN, &n));
	OK(ioctl(m, 0x80045438, &n)); /* TIOCGPKT */
	OK(ioctl(m, 0x80045439, &n)); /* TIOCGPTLCK */
	OK(ioctl(s, TIOCEXCL));
	OK(ioctl(s, 0x80045440, &n)); /* TIOCGEXCL */
	OK(ioctl(s, TIOCNXCL));
	MAY(ioctl(s, TIOCMGET, &n));
	MAY(ioctl(s, TIOCGSOFTCAR, &n));
	MAY(ioctl(s, 0x80045432, &n)); /* TIOCGDEV */
	MAY(ioctl(s, 0x545d, buf));    /* TIOCGICOUNT */
	MAY(ioctl(s, TIOCGSERIAL, buf));

	CHECK(OK(write(m, "line one\nrest", 13)) == 13);
	CHECK(OK(poll(&(struct pollfd){s, POLLIN, 0}, 1, 5000)) == 1);
	OK(ioctl(s, FIONREAD, &n));
	CHECK(n == 9);
	CHECK(OK(read(s, buf, sizeof buf)) == 9);
	t.c_lflag &= ~(ICANON | ECHO);
	OK(ioctl(s, TCSETS, &t));
	for (n = 0; n < 4;)
		n += OK(read(s, buf, sizeof buf));
	t.c_lflag |= ICANON | ECHO;
	OK(tcsetattr(s, TCSADRAIN, &t));
	OK(tcsetattr(s, TCSAFLUSH, &t));
	CHECK(OK(write(s, "out\n", 4)) == 4);
	CHECK(OK(poll(&(struct pollfd){m, POLLIN, 0}, 1, 5000)) == 1);
	CHECK(OK(read(m, buf, sizeof buf)) > 0);
	OK(tcflush(s, TCIOFLUSH));
	OK(tcflow(s, TCOOFF));
	OK(tcflow(s, TCOON));
	OK(tcdrain(s));
	OK(tcsendbreak(s, 0));
	FAILS(ENOTTY, ioctl(s, 0x8912, buf)); /* SIOCGIFCONF */
}

int main(void)
{
	int m = OK(posix_openpt(O_RDWR | O_NOCTTY)), st;
	OK(grantpt(m));
	OK(unlockpt(m));
	char name[64];
	OK(ptsname_r(m, name, sizeof name));
	int peer = MAY(ioctl(m, 0x5441, O_RDWR | O_NOCTTY)); /* TIOCGPTPEER */
	if (peer >= 0)
		OK(close(peer));

	/* Only the leader of a session without a terminal may take one. */
	OK(fflush(stdout));
	pid_t pid = getsid(0) == getpid() && open("/dev/tty", O_RDWR) < 0 ? 0 : OK(fork());
	if (pid) {
		OK(waitpid(pid, &st, 0));
		return WEXITSTATUS(st);
	}
	if (getsid(0) != getpid())
		OK(setsid());
	int s = OK(open(name, O_RDWR));
	terminal(m, s);
	signal(SIGHUP, SIG_IGN);
	OK(ioctl(s, TIOCNOTTY));
	OK(close(s));
	while (read(m, buf, sizeof buf) > 0) /* what was still to be read */
		;
	CHECK(errno == EIO);
	puts("tty ok");
	return 0;
}
