/* insn_string: repeated string instructions of every kind, in both directions,
 * with counts of zero, one and many, and over page borders.
 *
 * output: 10 kinds, 0 wrong\n
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char a[70000], b[70000];

static void fill(void)
{
	for (int i = 0; i < (int)sizeof a; i++)
		a[i] = i * 31 >> 3, b[i] = 0;
}

int main(void)
{
	int wrong = 0;
	void *d, *s;
	unsigned long n;

	fill();
	d = b, s = a, n = 65536;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n)::"memory"); /* MARK movsb */
	wrong += n != 0 || memcmp(a, b, 65536) || b[65536];
	fill();
	d = b, s = a, n = 8000;
	__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(n)::"memory");
	wrong += memcmp(a, b, 64000) || b[64000];
	fill();
	d = b + 999, s = a + 999, n = 1000;
	__asm__ volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n)::"memory");
	wrong += memcmp(a, b, 1000) || b[1000] || d != b - 1;
	d = b, n = 65536;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(7) : "memory"); /* MARK stosb */
	wrong += b[65535] != 7 || b[65536];
	d = b, n = 0;
	__asm__ volatile("rep stosl" : "+D"(d), "+c"(n) : "a"(9) : "memory");
	wrong += b[0] != 7;
	d = b, n = 1;
	__asm__ volatile("rep stosq" : "+D"(d), "+c"(n) : "a"(-1l) : "memory");
	wrong += b[7] != 0xff || b[8] != 7;
	memset(b, 1, sizeof b);
	b[60000] = 0;
	d = b, n = sizeof b;
	__asm__ volatile("repne scasb" : "+D"(d), "+c"(n) : "a"(0) : "memory", "cc");
	wrong += d != b + 60001;
	memcpy(b, a, sizeof b);
	b[50000] ^= 1;
	d = b, s = a, n = sizeof b;
	__asm__ volatile("repe cmpsb" : "+D"(d), "+S"(s), "+c"(n)::"memory", "cc");
	wrong += d != b + 50001;
	uint32_t sum = 0;
	s = a;
	for (int i = 0; i < 100; i++) {
		uint32_t v;
		__asm__ volatile("lodsl" : "=a"(v), "+S"(s)::"memory");
		sum += v;
	}
	uint32_t want = 0;
	for (int i = 0; i < 100; i++) {
		uint32_t v;
		memcpy(&v, a + 4 * i, 4);
		want += v;
	}
	wrong += sum != want;
	d = b, s = a, n = 1000;
	__asm__ volatile("1: movsb; loop 1b" : "+D"(d), "+S"(s), "+c"(n)::"memory");
	wrong += memcmp(a, b, 1000) != 0;
	printf("10 kinds, %d wrong\n", wrong);
	return wrong;
}
