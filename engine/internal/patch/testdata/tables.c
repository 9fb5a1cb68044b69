// Cases that fall through, and labels of a computed goto in straight code: only
// tables lead to them.
#include <stdio.h>

__attribute__((noinline)) int falls(int n, int a, int b) {
	switch (n) {
	case 0: a += b; /* fall through */
	case 1: b ^= a; /* fall through */
	case 2: a -= 3; /* fall through */
	case 3: b += a; /* fall through */
	case 4: a ^= 7; /* fall through */
	case 5: a += a; /* fall through */
	case 6: b -= a; /* fall through */
	case 7: a ^= b; /* fall through */
	case 8: b++;
	}
	return a * 31 + b;
}

__attribute__((noinline)) int computed(int n, int a, int b) {
	static void *const to[] = {&&l0, &&l1, &&l2, &&l3, &&l4, &&l5, &&l6, &&l7};
	goto *to[n & 7];
l0: a += b;
l1: b ^= a;
l2: a ^= 9;
l3: b += 2;
l4: a += a;
l5: b -= a;
l6: a ^= b;
l7: return a - b * 3;
}

int main(void) {
	int s = 0;
	for (int i = 0; i < 400; i++) s = s * 5 + falls(i % 10, i, s) + computed(i, s, i);
	printf("%d\n", s);
	return 0;
}
