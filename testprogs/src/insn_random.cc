// insn_random: std::random_device, and rdrand and rdseed where the processor
// has them, in the widths that there are.
//
// output: random ok\n
#include <cstdint>
#include <cstdio>
#include <immintrin.h>
#include <random>
#include <set>

__attribute__((target("rdrnd"))) static int rand_all(uint64_t *sum)
{
	unsigned short a;
	unsigned b;
	unsigned long long c;
	int ok = 0;
	for (int i = 0; i < 100 && !ok; i++)
		ok = _rdrand16_step(&a) && _rdrand32_step(&b) && _rdrand64_step(&c);
	*sum += a + b + c;
	return ok;
}

__attribute__((target("rdseed"))) static int seed_all(uint64_t *sum)
{
	unsigned short a;
	unsigned b;
	unsigned long long c;
	int ok = 0;
	for (int i = 0; i < 1000 && !ok; i++)
		ok = _rdseed16_step(&a) && _rdseed32_step(&b) && _rdseed64_step(&c);
	*sum += a + b + c;
	return ok;
}

int main()
{
	uint64_t sum = 0;
	std::random_device dev, fast("rdrand");
	std::set<unsigned> seen;
	for (int i = 0; i < 50; i++) {
		seen.insert(dev());
		seen.insert(fast());
	}
	if (seen.size() < 90)
		return 1;
	__builtin_cpu_init();
	if (__builtin_cpu_supports("rdrnd") && !rand_all(&sum))
		return 2;
	if (__builtin_cpu_supports("rdseed") && !seed_all(&sum))
		std::fputs("rdseed: nothing in 1000 tries\n", stderr);
	std::mt19937_64 gen(dev());
	for (int i = 0; i < 1000; i++)
		sum += gen();
	std::fprintf(stderr, "%llu\n", (unsigned long long)sum);
	std::puts("random ok");
}
