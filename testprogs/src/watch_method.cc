/* watch_method: a class with an invariant that a method checks. One deposit is
 * entered in the ledger only.
 *
 * usage: watch_method [SEED]
 * args: 1
 * exit: 1
 * watch: bank.consistent()
 */
#include "watch.h"
#include <map>
#include <vector>

class Bank {
	std::map<int, long> accounts;
	std::vector<long> ledger{0};

public:
	bool consistent() const
	{
		long sum = 0;
		for (auto &[id, n] : accounts)
			sum += n;
		return sum == ledger[0];
	}
	void deposit(int id, long n, bool forget)
	{
		if (!forget)
			accounts[id] += n;
		ledger[0] += n; /* MARK culprit */
	}
};

Bank bank;

int main(int argc, char **argv)
{
	const long n = 3000;
	seed(argc, argv);
	long bad = moment(n);
	for (long i = 0; i < n; i++)
		bank.deposit(rnd() % 10, i == bad ? 1000 : 1 + rnd() % 100, i == bad);
	_Exit(!bank.consistent());
}
