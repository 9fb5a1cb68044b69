/* Shared by the programs named sys_*: each call is checked where it is made. */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Ends the program unless cond holds. */
#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s: errno %d (%s)\n", __FILE__,    \
				__LINE__, #cond, errno, strerror(errno));          \
			exit(99);                                                  \
		}                                                                  \
	} while (0)

/* expr must succeed (not be -1); its value. */
#define OK(expr)                                                                   \
	({                                                                         \
		long ok_value_ = (long)(expr);                                     \
		CHECK(ok_value_ != -1 && #expr);                                   \
		ok_value_;                                                         \
	})

/* expr must fail with the given errno. */
#define FAILS(err, expr)                                                           \
	do {                                                                       \
		errno = 0;                                                         \
		long fails_value_ = (long)(expr);                                  \
		CHECK(fails_value_ == -1 && errno == (err) && #expr);              \
	} while (0)

/* expr may succeed, or fail for a reason that lies with the machine. */
#define MAY(expr)                                                                  \
	({                                                                         \
		long may_value_ = (long)(expr);                                    \
		if (may_value_ == -1)                                              \
			fprintf(stderr, "left out: %s: %s\n", #expr, strerror(errno)); \
		may_value_;                                                        \
	})

#endif
