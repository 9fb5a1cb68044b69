/* insn_rdpid: asks for the processor's number by rdpid, where there is one, by
 * rdtscp and by the system call, while threads move about.
 *
 * output: rdpid ok\n
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <x86intrin.h>

static int have_rdpid;
static long cpus;

__attribute__((target("rdpid"))) static unsigned by_rdpid(void) { return _rdpid_u32(); }

static void *ask(void *arg)
{
	for (int i = 0; i < 50; i++) {
		unsigned a, b, c, node;
		__rdtscp(&a);
		b = have_rdpid ? by_rdpid() : a;
		if (getcpu(&c, &node))
			abort();
		/* The low twelve bits are the processor, the others the node. */
		if ((a & 0xfff) >= cpus || (b & 0xfff) >= cpus || c >= cpus)
			exit(1);
		sched_yield();
	}
	return NULL;
}

int main(void)
{
	unsigned a, b, c, d;
	pthread_t t[3];
	cpus = sysconf(_SC_NPROCESSORS_CONF);
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		have_rdpid = c >> 22 & 1;
	for (int i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, ask, NULL))
			abort();
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	puts("rdpid ok");
	return 0;
}
