/* Shared by the programs named watch_*: a value goes wrong at the line that is
 * marked culprit, at a moment that the seed decides, and the program runs on. */
#ifndef WATCH_H
#define WATCH_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t rnd_state;

static inline void seed(int argc, char **argv)
{
	rnd_state = ((argc > 1 ? strtoull(argv[1], NULL, 0) : 1) + 1) * 0x9e3779b97f4a7c15u;
}

static inline uint32_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state * 2685821657736338717u) >> 32;
}

/* A moment between one and two thirds of n. */
static inline long moment(long n) { return n / 3 + rnd() % (n / 3); }
#endif
