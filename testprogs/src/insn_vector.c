/* insn_vector: arithmetic in SSE2, AVX2 and AVX-512 registers, as far as the
 * processor has them, kept in registers across system calls and signals, with
 * masked and scattered stores.
 *
 * output: 0 wrong\n
 */
#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int signals;
static float noise[16];

/* Uses the same registers as the code that it interrupts. */
static void on_signal(int sig)
{
	for (int i = 0; i < 16; i++)
		noise[i] = noise[i] * 1.5f + i;
	signals++;
}

static int sse2(void)
{
	__m128i v = _mm_set1_epi32(3);
	for (int i = 0; i < 100; i++) {
		v = _mm_add_epi32(v, _mm_set1_epi32(i));
		if (i % 10 == 0)
			raise(SIGUSR1);
	}
	int out[4];
	_mm_storeu_si128((__m128i *)out, v);
	return out[0] != 3 + 4950 || out[3] != out[0];
}

__attribute__((target("avx2"))) static int avx2(void)
{
	__m256i v = _mm256_set1_epi32(3);
	int out[8] = {0};
	for (int i = 0; i < 100; i++) {
		v = _mm256_add_epi32(v, _mm256_set1_epi32(i));
		if (i % 10 == 0)
			getppid();
	}
	_mm256_maskstore_epi32(out, _mm256_setr_epi32(-1, 0, -1, 0, -1, 0, -1, 0), v);
	return out[0] != 4953 || out[1] || out[6] != 4953;
}

__attribute__((target("avx512f"))) static int avx512(void)
{
	__m512i v = _mm512_set1_epi32(3);
	int out[64] = {0};
	for (int i = 0; i < 100; i++) {
		v = _mm512_add_epi32(v, _mm512_set1_epi32(i));
		if (i % 10 == 0)
			raise(SIGUSR1);
	}
	__m512i at = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
	_mm512_mask_i32scatter_epi32(out, 0x7fff, at, v, 4); /* MARK scatter */
	return out[0] != 4953 || out[1] || out[56] != 4953 || out[60];
}

int main(void)
{
	int wrong = 0;
	signal(SIGUSR1, on_signal);
	wrong += sse2();
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2"))
		wrong += avx2();
	if (__builtin_cpu_supports("avx512f"))
		wrong += avx512();
	printf("%d wrong\n", wrong);
	return wrong;
}
