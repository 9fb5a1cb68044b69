/* Prints where its thread-local variables are: in the program, in a library
   loaded at start, in libraries loaded later, one of which took the module id of
   one that was unloaded, after a thread had touched that. Then waits to be
   looked at. Each line: thread pointer, link map, offset in the module's block
   as the debugger knows it, address or "none". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__thread int __attribute__((aligned(64))) mine[20] = { 1 };
int *lib_address(void);

static struct link_map *map_of(void *handle)
{
	struct link_map *m;
	if (dlinfo(handle, RTLD_DI_LINKMAP, &m))
		abort();
	return m;
}

static struct link_map *exe, *lib, *late, *reused;
static int *(*late_address)(void), *(*reused_address)(void);
static pthread_barrier_t step[4];

static unsigned long tp(void)
{
	unsigned long v;
	__asm__("mov %%fs:0, %0" : "=r"(v));
	return v;
}

static void say(struct link_map *m, void *addr)
{
	char where[32] = "none";
	if (addr)
		sprintf(where, "%lx", (unsigned long)addr);
	printf("%lx %lx %s\n", tp(), (unsigned long)m, where);
	fflush(stdout);
}

static void *other(void *arg)
{
	late_address(); /* this thread's block of the module that goes */
	pthread_barrier_wait(&step[0]);
	pthread_barrier_wait(&step[1]);
	say(exe, mine);
	/* No thread-local variable of a library is touched here: that would tell
	   the thread of the module unloaded. */
	say(reused, 0); /* not touched: its id is that of the module unloaded */
	pthread_barrier_wait(&step[2]);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t t;
	for (int i = 0; i < 4; i++)
		pthread_barrier_init(&step[i], 0, 2);
	void *h = dlopen(argv[1], RTLD_NOW);
	if (!h)
		return puts(dlerror()), 1;
	late_address = (int *(*)(void))dlsym(h, "late_address");
	exe = map_of(dlopen(0, RTLD_NOW));
	lib = map_of(dlopen(argv[3], RTLD_NOW));
	late_address();
	pthread_create(&t, 0, other, 0);
	pthread_barrier_wait(&step[0]);
	dlclose(h);
	h = dlopen(argv[2], RTLD_NOW);
	if (!h)
		return puts(dlerror()), 1;
	reused = map_of(h);
	reused_address = (int *(*)(void))dlsym(h, "late_address");
	say(exe, mine);
	say(lib, lib_address());
	say(reused, reused_address());
	pthread_barrier_wait(&step[1]);
	pthread_barrier_wait(&step[2]);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
