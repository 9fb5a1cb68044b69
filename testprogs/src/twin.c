/* twin: the smallest program in which a debugger has something to do, the same as
 * go/twin line by line: a loop, a call, a global that grows, a value that repeats.
 *
 * output: 1327\n
 * exit: 3
 */
#include <stdio.h>

int total, calls;

int part(int n)
{ // MARK part
	int d = n % 3; // MARK rest
	total += d; // MARK add
	return d; // MARK give
} // MARK closes

int work(int n)
{ // MARK work
	int sum = 0; // MARK zero
	for (int i = 0; i < n; i++) { // MARK loop
		sum += part(i); // MARK call
		calls++; // MARK count
	}
	return sum; // MARK out
}

int main(void)
{
	int x = work(7); // MARK first
	int y = work(9); // MARK second
	total = x * 100 + y * 75 + 2 * calls + 20; // MARK last
	printf("%d\n", total); // MARK print
	return 3; // MARK end
}
