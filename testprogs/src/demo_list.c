/* demo_list: a bounded sorted list that silently grows past its bound.
 *
 * usage: demo_list [SEED [OPERATIONS]]
 *
 * The program performs OPERATIONS (100,000) random insertions and removals on
 * a sorted linked list that must never hold more than MAXLEN nodes. About
 * halfway through, a retired node is linked back in while the list is full,
 * by a path that forgets to make room. From then on the list is too long, but
 * nothing fails: the program goes on, and only its report at the end shows the
 * damage. Which operation does it depends on the seed.
 *
 * args: 7
 * watch: list_len(head) <= 10
 * exit: 1
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MAXLEN 10

struct node {
	int value;
	struct node *next;
};

struct node *head;
long op; /* the operation being performed */

static struct node *retired; /* removed nodes, for reuse */
static uint64_t state;

static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state * 2685821657736338717u) >> 32;
}

int list_len(struct node *n)
{
	int len = 0;
	for (; n; n = n->next)
		len++;
	return len;
}

static struct node *node_new(int value)
{
	struct node *n = retired;
	if (n)
		retired = n->next;
	else if (!(n = malloc(sizeof *n)))
		abort();
	n->value = value;
	n->next = NULL;
	return n;
}

static void list_remove_nth(int nth)
{
	struct node **pp = &head, *n;
	while (*pp && nth-- > 0)
		pp = &(*pp)->next;
	if (!(n = *pp))
		return;
	*pp = n->next;
	n->next = retired;
	retired = n;
}

static void list_link(struct node *n)
{
	struct node **pp = &head;
	while (*pp && (*pp)->value < n->value)
		pp = &(*pp)->next;
	n->next = *pp;
	*pp = n; /* MARK culprit */
}

static void list_insert(int value)
{
	if (list_len(head) >= MAXLEN)
		list_remove_nth(rnd() % MAXLEN);
	list_link(node_new(value));
}

/* Moves a value: out of the list and, changed, back in. */
static void list_change(int nth, int by)
{
	struct node *n = head;
	while (n && nth-- > 0)
		n = n->next;
	if (!n)
		return;
	list_link(node_new(n->value + by)); /* bug: the old node stays */
}

static void step(long bad)
{
	uint32_t r = rnd();
	if (op >= bad && list_len(head) == MAXLEN) {
		list_change(r % MAXLEN, r >> 24);
		return;
	}
	switch (r & 3) {
	case 0:
		list_remove_nth(r >> 8 & 15);
		break;
	default:
		list_insert(r >> 8 & 0xffff);
	}
}

/* After the damage the list is only shuffled, never shortened. */
static void shuffle(void)
{
	uint32_t r = rnd();
	for (struct node *n = head; n; n = n->next)
		n->value += (r >>= 1) & 1;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	long ops = argc > 2 ? atol(argv[2]) : 100000;
	state = (seed + 1) * 0x9e3779b97f4a7c15u;

	/* The bug strikes at the first full list after a point near the middle. */
	long bad = ops / 2 - ops / 50 + rnd() % (ops / 25 + 1);
	for (op = 0; op < ops; op++) {
		if (list_len(head) <= MAXLEN)
			step(bad);
		else
			shuffle();
	}

	int len = list_len(head);
	printf("%ld operations, list length %d, limit %d: %s\n", ops, len, MAXLEN,
	       len > MAXLEN ? "CORRUPT" : "ok");
	return len > MAXLEN;
}
