/* insn_vsyscall: asks for the time by calling into the vsyscall page, as very
 * old static programs do, where the kernel still has one.
 *
 * output: vsyscall ok\n
 */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

int main(void)
{
	char line[256];
	int there = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f))
		there |= strstr(line, "[vsyscall]") != NULL;
	if (there) {
		struct timeval tv;
		long (*gettime)(struct timeval *, void *) = (void *)0xffffffffff600000;
		time_t (*seconds)(time_t *) = (void *)0xffffffffff600400;
		time_t t = 0, u = 0;
		if (gettime(&tv, NULL) || (t = seconds(&u)) != u)
			return 1;
		if (t < tv.tv_sec || t > tv.tv_sec + 1000)
			return 2;
	} else {
		fputs("left out: no vsyscall page\n", stderr);
	}
	puts("vsyscall ok");
	return 0;
}
