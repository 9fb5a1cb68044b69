// cxx_openmp: parallel loops, a reduction, tasks and a critical section of OpenMP,
// whose threads spin while they wait for each other.
//
// flags: -fopenmp
// output: sum 1999999000000, tasks 55, critical 400\n

#include <cstdio>
#include <omp.h>

static long fib(int n)
{
	if (n < 2)
		return n;
	long a, b;
#pragma omp task shared(a)
	a = fib(n - 1);
	b = fib(n - 2);
#pragma omp taskwait
	return a + b;
}

int main()
{
	long sum = 0, tasks = 0, critical = 0;
	omp_set_num_threads(4);
#pragma omp parallel for reduction(+ : sum) schedule(dynamic, 1000)
	for (long i = 0; i < 2000000; i++)
		sum += i;
#pragma omp parallel
#pragma omp single
	tasks = fib(10);
#pragma omp parallel
	for (int i = 0; i < 100; i++)
#pragma omp critical
		critical++;
	std::printf("sum %ld, tasks %ld, critical %ld\n", sum, tasks, critical);
}
