/* io_stdin: adds up the numbers on its standard input, a line at a time.
 *
 * stdin: 1\n20\n300\n
 * output: sum 1\nsum 21\nsum 321\n3 lines\n
 */
#include <stdio.h>
#include <stdlib.h>

int lines;
long sum;

static void add(const char *line)
{
	sum += atol(line); /* MARK add */
	lines++;
	printf("sum %ld\n", sum);
}

int main(void)
{
	char line[100];
	while (fgets(line, sizeof line, stdin))
		add(line);
	printf("%d lines\n", lines);
	return 0;
}
