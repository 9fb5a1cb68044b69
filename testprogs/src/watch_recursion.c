/* watch_recursion: a search tree, filled by a recursive function and checked by
 * another. Once a key goes to the wrong side.
 *
 * usage: watch_recursion [SEED]
 * args: 1
 * exit: 1
 * watch: in_order(root, 0, 1 << 30)
 */
#include "watch.h"

struct node {
	int key;
	struct node *left, *right;
} *root;

static long inserts, bad;

int in_order(struct node *n, int lo, int hi)
{
	if (!n)
		return 1;
	return n->key >= lo && n->key <= hi && in_order(n->left, lo, n->key) && in_order(n->right, n->key, hi);
}

static void insert(struct node **at, struct node *n, int wrong)
{
	if (!*at) {
		*at = n; /* MARK culprit */
		return;
	}
	int left = n->key < (*at)->key;
	if (wrong && (left ? !(*at)->right : !(*at)->left)) {
		left = !left;
		bad = -1;
	}
	insert(left ? &(*at)->left : &(*at)->right, n, wrong);
}

int main(int argc, char **argv)
{
	const long n = 60;
	seed(argc, argv);
	bad = moment(n);
	for (inserts = 0; inserts < n; inserts++) {
		struct node *x = calloc(1, sizeof *x);
		x->key = rnd() % 1000000;
		insert(&root, x, bad >= 0 && inserts >= bad);
	}
	for (volatile int i = 0; i < 300000; i++)
		;
	return !in_order(root, 0, 1 << 30);
}
