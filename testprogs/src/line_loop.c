/* line_loop: a loop in one line, a single statement to a debugger, that changes a
 * variable ten times.
 *
 * output: 45\n
 */
#include <stdio.h>

int total;

int main(void)
{
	for (int i = 0; i < 10; i++) total += i; /* MARK loop */
	printf("%d\n", total);
	return 0;
}
