// A function that is called with varied arguments, for conditions in stubs.
#include <stdint.h>
#include <stdio.h>

struct in { int8_t b; int16_t h; int32_t w; int64_t q; };
struct out { struct in *p; uint16_t u; struct out *next; };

uint64_t sum;
__attribute__((noinline)) void f(struct out *o, long i, unsigned char c) {
	sum = sum * 31 + i + c + (o ? o->u : 7);
}

int main(void) {
	struct in in[8];
	struct out out[8];
	for (int i = 0; i < 8; i++) {
		in[i] = (struct in){i * 37 - 120, i * 9000 - 32000, i * 600000000u, (int64_t)i * 3000000000000000000};
		out[i] = (struct out){&in[(i * 3) & 7], i * 9000, &out[(i + 1) & 7]};
	}
	for (long i = 0; i < 400; i++) {
		in[i & 7].q ^= i * 0x100000001;
		in[i & 7].b += 3;
		f(i % 17 == 16 ? 0 : &out[(i * 5) & 7], i - 200, i * 7);
	}
	printf("%llx\n", (unsigned long long)sum);
	return 0;
}
