/* watch_stl: a vector of strings, which gdb shows by the library's own printers.
 * One of them loses its first letter.
 *
 * usage: watch_stl [SEED]
 * args: 1
 * exit: 1
 * watch: names
 */
#include "watch.h"
#include <string>
#include <vector>

std::vector<std::string> names;

static void look(std::size_t i, bool spoil)
{
	if (spoil)
		names[i][0] = '?'; /* MARK culprit */
}

int main(int argc, char **argv)
{
	const long n = 50000;
	seed(argc, argv);
	long bad = moment(n);
	for (const char *s : {"anna", "berta", "caesar", "dora", "emil"})
		names.push_back(s);
	for (long i = 0; i < n; i++)
		look(rnd() % names.size(), i == bad);
	for (auto &s : names)
		if (s[0] == '?')
			_Exit(1);
	_Exit(0);
}
