/* sig_crash: ends by a bad access some calls deep, with data on the way that
 * says who is to blame.
 *
 * signal: 11
 */
#include <stdio.h>
#include <stdlib.h>

struct account {
	const char *owner;
	int balance;
};

static struct account accounts[3] = {{"ann", 10}, {"bob", 20}, {"cid", 30}};
struct account *chosen = &accounts[1];

static void close_account(struct account *a)
{
	if (a->balance == 0)
		chosen = NULL; /* MARK culprit */
}

static void spend(struct account *a, int n)
{
	a->balance -= n;
	close_account(a);
}

static int report(void)
{
	return printf("%s has %d\n", chosen->owner, chosen->balance); /* MARK crash */
}

int main(void)
{
	for (int i = 0; i < 10; i++) {
		report();
		spend(chosen, 5);
	}
	return 0;
}
