// A little of everything that compilers emit: switch tables, recursion,
// floating point, strings, sorting through a function pointer, 64-bit division,
// structures by value, a hash table, printf. Prints a checksum of all of it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed;
static uint32_t rnd(void) {
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 33;
}

static int cmp(const void *a, const void *b) {
	int x = *(const int *)a, y = *(const int *)b;
	return x < y ? -1 : x > y;
}

static uint64_t interp(const unsigned char *p, int n) {
	uint64_t a = 1, b = 2;
	for (int i = 0; i < n; i++) {
		switch (p[i] % 13) {
		case 0: a += b; break;
		case 1: a ^= b << 3; break;
		case 2: b -= a; break;
		case 3: a *= 31; break;
		case 4: b = (b << 7) | (b >> 57); break;
		case 5: if (b) a %= b | 1; a += 77; break;
		case 6: { uint64_t t = a; a = b; b = t; } break;
		case 7: a += p[i] * b; break;
		case 8: b ^= a >> 11; break;
		case 9: a = ~a; break;
		case 10: b += 0x123456789abcdefull; break;
		case 11: if (a & 1) b++; else b--; break;
		default: a += i; break;
		}
	}
	return a ^ b;
}

static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static double series(int n) {
	double s = 0, t = 1;
	for (int i = 1; i < n; i++) {
		t *= 0.97;
		s += t / i - (i & 1 ? 0.5 : 0.25);
	}
	return s;
}

struct node { struct node *next; char key[24]; int val; };
static struct node *tab[64];
static void put(const char *k, int v) {
	unsigned h = 5381;
	for (const char *p = k; *p; p++) h = h * 33 + *p;
	for (struct node *n = tab[h % 64]; n; n = n->next)
		if (!strcmp(n->key, k)) { n->val += v; return; }
	struct node *n = malloc(sizeof *n);
	strcpy(n->key, k);
	n->val = v;
	n->next = tab[h % 64];
	tab[h % 64] = n;
}

static int ack(int m, int n) {
	return m == 0 ? n + 1 : n == 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1));
}

int main(int argc, char **argv) {
	int n = argc > 1 ? atoi(argv[1]) : 300;
	unsigned char prog[512];
	int v[256];
	uint64_t sum = 0;
	seed = 42;
	for (int i = 0; i < 512; i++) prog[i] = rnd();
	for (int r = 0; r < n / 100 + 1; r++) {
		sum += interp(prog, 512);
		for (int i = 0; i < 256; i++) v[i] = rnd() % 1000;
		qsort(v, 256, sizeof v[0], cmp);
		for (int i = 0; i < 256; i++) sum = sum * 3 + v[i];
		char buf[64];
		for (int i = 0; i < 20; i++) {
			snprintf(buf, 24, "k%u", rnd() % 40);
			put(buf, i);
		}
		memmove(prog + 3, prog, 400);
		memset(prog, r, 3);
		sum ^= strtoull("12345678901", 0, 10);
	}
	sum += fib(n / 50 + 5) + ack(2, n / 100 + 1);
	for (int i = 0; i < 64; i++)
		for (struct node *p = tab[i]; p; p = p->next) sum = sum * 7 + p->val;
	printf("%llx %.9f\n", (unsigned long long)sum, series(n));
	return 0;
}
