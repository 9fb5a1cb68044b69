/* sys_sockets: unix, UDP, TCP and netlink sockets in one process, with
 * descriptors and credentials passed along, many messages in one call, socket
 * options and interface requests. Uses loopback only.
 *
 * output: sockets ok\n
 */
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static char buf[4096];

static void unix_pairs(void)
{
	int s[2], on = 1;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	FAILS(EAFNOSUPPORT, socketpair(99, SOCK_STREAM, 0, (int[2]){}));
	CHECK(OK(send(s[0], "hello", 5, 0)) == 5);
	CHECK(OK(recv(s[1], buf, sizeof buf, MSG_PEEK)) == 5);
	CHECK(OK(recv(s[1], buf, 3, 0)) == 3);
	CHECK(OK(read(s[1], buf, sizeof buf)) == 2);
	FAILS(EAGAIN, recv(s[1], buf, sizeof buf, MSG_DONTWAIT));

	/* Descriptors and credentials. */
	OK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	int fds[3] = {s[0], 1, OK(open("/dev/null", O_RDONLY))};
	union { char c[CMSG_SPACE(sizeof fds)]; struct cmsghdr h; } ctl = {};
	struct iovec iov[2] = {{"abc", 3}, {"defg", 4}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = &ctl, .msg_controllen = sizeof ctl};
	ctl.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&ctl.h), fds, sizeof fds);
	CHECK(OK(sendmsg(s[0], &m, 0)) == 7);
	CHECK(OK(sendmsg(s[0], &m, 0)) == 7);

	char a[2], b[100], big[256];
	struct iovec riov[2] = {{a, sizeof a}, {b, sizeof b}};
	struct sockaddr_un from;
	struct msghdr r = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = riov, .msg_iovlen = 2,
		.msg_control = big, .msg_controllen = sizeof big};
	CHECK(OK(recvmsg(s[1], &r, MSG_CMSG_CLOEXEC)) == 7);
	CHECK(!memcmp(a, "ab", 2) && !memcmp(b, "cdefg", 5));
	int rights = 0, creds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&r); c; c = CMSG_NXTHDR(&r, c)) {
		rights += c->cmsg_type == SCM_RIGHTS;
		creds += c->cmsg_type == SCM_CREDENTIALS;
	}
	CHECK(rights == 1 && creds == 1);
	r.msg_controllen = 20; /* too short: truncated */
	CHECK(OK(recvmsg(s[1], &r, 0)) == 7 && r.msg_flags & MSG_CTRUNC);

	struct ucred uc;
	socklen_t len = sizeof uc;
	OK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &uc, &len));
	CHECK(uc.pid == getpid());
	len = 2;
	OK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, buf, &len));
	CHECK(len == 2);
	OK(shutdown(s[0], SHUT_WR));
	CHECK(OK(recv(s[1], buf, sizeof buf, 0)) == 0);
	OK(close(s[0]));
	OK(close(s[1]));

	/* Named, abstract and unnamed addresses, in buffers that are too short. */
	int l = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	struct sockaddr_un me = {.sun_family = AF_UNIX};
	socklen_t alen = offsetof(struct sockaddr_un, sun_path) + 1 +
		snprintf(me.sun_path + 1, 100, "sys_sockets-%d", getpid());
	OK(bind(l, (void *)&me, alen));
	OK(listen(l, 5));
	int c = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	OK(connect(c, (void *)&me, alen));
	len = sizeof from;
	int d = OK(accept(l, (void *)&from, &len));
	len = 6;
	OK(getpeername(c, (void *)&from, &len));
	CHECK(len == alen);
	len = sizeof from;
	OK(getsockname(l, (void *)&from, &len));
	CHECK(len == alen);
	OK(close(c));
	OK(close(d));
	OK(close(l));
}

static void udp(void)
{
	int s = OK(socket(AF_INET, SOCK_DGRAM, 0)), n;
	struct sockaddr_in me = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
	OK(bind(s, (void *)&me, sizeof me));
	socklen_t len = sizeof me;
	OK(getsockname(s, (void *)&me, &len));
	for (int i = 0; i < 3; i++)
		CHECK(OK(sendto(s, "datagram", 8, 0, (void *)&me, sizeof me)) == 8);
	OK(ioctl(s, FIONREAD, &n));
	CHECK(n == 8);
	len = sizeof from;
	CHECK(OK(recvfrom(s, buf, sizeof buf, 0, (void *)&from, &len)) == 8 && len == sizeof from);
	CHECK(OK(recvfrom(s, buf, 3, MSG_TRUNC, NULL, NULL)) == 8);
	len = 4;
	CHECK(OK(recvfrom(s, buf, 3, 0, (void *)&from, &len)) == 3 && len == sizeof from);

	struct mmsghdr out[4] = {}, in[6] = {};
	struct iovec oi[4], ii[6];
	char data[6][32];
	struct sockaddr_in names[6];
	for (int i = 0; i < 4; i++) {
		oi[i] = (struct iovec){"message", 4 + i};
		out[i].msg_hdr = (struct msghdr){.msg_iov = &oi[i], .msg_iovlen = 1, .msg_name = &me, .msg_namelen = sizeof me};
	}
	for (int i = 0; i < 6; i++) {
		ii[i] = (struct iovec){data[i], 32};
		in[i].msg_hdr = (struct msghdr){.msg_iov = &ii[i], .msg_iovlen = 1, .msg_name = &names[i], .msg_namelen = sizeof names[i]};
	}
	CHECK(OK(sendmmsg(s, out, 4, 0)) == 4 && out[3].msg_len == 7);
	struct timespec ts = {1, 0};
	CHECK(OK(recvmmsg(s, in, 6, MSG_WAITFORONE, &ts)) == 4 && in[2].msg_len == 6);
	FAILS(EAGAIN, recvmmsg(s, in, 6, MSG_DONTWAIT, NULL));
	struct timeval tv;
	MAY(ioctl(s, SIOCGSTAMP, &tv));
	int on = 1;
	OK(setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on));
	OK(setsockopt(s, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
	OK(sendto(s, "timed", 5, 0, (void *)&me, sizeof me));
	char ctl[256];
	struct msghdr r = {.msg_iov = ii, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl,
		.msg_name = &from, .msg_namelen = sizeof from};
	CHECK(OK(recvmsg(s, &r, 0)) == 5 && r.msg_controllen > CMSG_SPACE(8));

	struct ifreq ifr = {.ifr_name = "lo"};
	OK(ioctl(s, SIOCGIFINDEX, &ifr));
	OK(ioctl(s, SIOCGIFNAME, &ifr));
	OK(ioctl(s, SIOCGIFFLAGS, &ifr));
	OK(ioctl(s, SIOCGIFMTU, &ifr));
	OK(ioctl(s, SIOCGIFHWADDR, &ifr));
	MAY(ioctl(s, SIOCGIFADDR, &ifr));
	MAY(ioctl(s, SIOCGIFNETMASK, &ifr));
	MAY(ioctl(s, SIOCGIFTXQLEN, &ifr));
	struct ifconf ifc = {.ifc_len = sizeof buf, .ifc_buf = buf};
	OK(ioctl(s, SIOCGIFCONF, &ifc));
	OK(close(s));
}

static void tcp(void)
{
	int l = OK(socket(AF_INET6, SOCK_STREAM, 0)), on = 1, n;
	struct sockaddr_in6 me = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, from;
	OK(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
	if (MAY(bind(l, (void *)&me, sizeof me)) < 0)
		return;
	OK(listen(l, 5));
	socklen_t len = sizeof me;
	OK(getsockname(l, (void *)&me, &len));
	int c = OK(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS(EINPROGRESS, connect(c, (void *)&me, sizeof me));
	len = sizeof from;
	int d = OK(accept4(l, (void *)&from, &len, SOCK_CLOEXEC));
	OK(poll(&(struct pollfd){c, POLLOUT, 0}, 1, 1000));
	len = sizeof n;
	OK(getsockopt(c, SOL_SOCKET, SO_ERROR, &n, &len));
	CHECK(n == 0);
	len = sizeof from;
	OK(getpeername(d, (void *)&from, &len));
	CHECK(OK(write(c, buf, 1000)) == 1000);
	CHECK(OK(recv(d, buf, sizeof buf, 0)) > 0);
	CHECK(OK(send(d, "x", 1, MSG_OOB)) == 1);
	OK(poll(&(struct pollfd){c, POLLPRI, 0}, 1, 1000));
	OK(ioctl(c, SIOCATMARK, &n));
	OK(ioctl(c, SIOCOUTQ, &n));
	OK(recv(c, buf, 1, MSG_OOB));
	len = sizeof buf;
	OK(getsockopt(c, IPPROTO_TCP, TCP_INFO, buf, &len));
	len = sizeof buf;
	OK(getsockopt(c, IPPROTO_TCP, TCP_CONGESTION, buf, &len));
	struct linger lg;
	len = sizeof lg;
	OK(getsockopt(c, SOL_SOCKET, SO_LINGER, &lg, &len));
	len = sizeof n;
	OK(getsockopt(c, SOL_SOCKET, SO_RCVBUF, &n, &len));
	FAILS(ENOPROTOOPT, getsockopt(c, SOL_SOCKET, 9999, &n, &len));
	OK(close(c));
	OK(close(d));
	OK(close(l));
}

static void netlink(void)
{
	int s = OK(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	struct { struct nlmsghdr h; struct rtgenmsg g; } req = {
		{sizeof req, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};
	OK(send(s, &req, sizeof req, 0));
	static char reply[65536];
	struct sockaddr_nl from;
	struct iovec iov = {reply, sizeof reply};
	for (int done = 0; !done;) {
		struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
		int n = OK(recvmsg(s, &m, 0));
		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
			done |= h->nlmsg_type == NLMSG_DONE;
	}
	OK(close(s));
}

int main(void)
{
	unix_pairs();
	udp();
	tcp();
	netlink();
	puts("sockets ok");
	return 0;
}
