/* io_scanf: asks questions and reads the answers with scanf, as programs for
 * beginners do.
 *
 * needs: pty
 * stdin: Ada\n36 1.5\n
 * exit: 3
 */
#include <stdio.h>
#include <string.h>

int main(void)
{
	char name[20];
	int age;
	double x;
	printf("Name? ");
	fflush(stdout);
	if (scanf("%19s", name) != 1)
		return 1;
	printf("Age and factor, %s? ", name);
	fflush(stdout);
	if (scanf("%d %lf", &age, &x) != 2) /* MARK read */
		return 1;
	printf("%s: %g\n", name, age * x);
	return age * x == 54 && !strcmp(name, "Ada") ? 3 : 2;
}
