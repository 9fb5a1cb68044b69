/* watch_free: a session is freed while a request still points to it. Its memory
 * becomes a price, and the request counts itself there.
 *
 * usage: watch_free [SEED]
 * args: 1
 * exit: 1
 * watch: price->cents
 */
#include "watch.h"

struct session {
	long id;
	long requests;
	char *user;
};

struct price {
	long article;
	long cents;
	char *currency;
};

struct price *price;

static struct session *open_session(long id)
{
	struct session *s = malloc(sizeof *s);
	*s = (struct session){id, 0, "somebody"};
	return s;
}

static void request(struct session *s)
{
	s->requests++; /* MARK culprit */
}

int main(int argc, char **argv)
{
	const long n = 20000;
	seed(argc, argv);
	long bad = moment(n);
	struct session *stale = NULL;
	for (long i = 0; i < n; i++) {
		struct session *s = open_session(i);
		for (int k = rnd() % 4; k > 0; k--)
			request(s);
		if (i == bad / 2)
			stale = s;
		free(s);
		if (i == bad / 2) {
			price = malloc(sizeof *price);
			*price = (struct price){7, 1999, "EUR"};
			if ((void *)price != (void *)stale)
				return 99;
		}
		if (i == bad)
			request(stale);
	}
	return price->cents != 1999;
}
