// cxx_crash: workers read and replace names in a table that is never to have a hole.
// One of them leaves a hole; the others go on until one of them falls into it.
//
// usage: cxx_crash [SEED]
// args: 7
// signal: 11
// watch: whole()
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

std::mutex lock;
std::string *names[65]; // the last is never replaced

bool whole()
{
	for (std::string *n : names)
		if (!n)
			return false;
	return true;
}

static void replace(int at, const std::string &name)
{
	std::lock_guard<std::mutex> held(lock);
	std::string *old = names[at];
	names[at] = new std::string(name);
	delete old;
}

static size_t lengths()
{
	std::lock_guard<std::mutex> held(lock);
	size_t sum = 0;
	for (std::string *n : names)
		sum += n->size(); // MARK crash
	return sum;
}

static void retire(int at)
{
	std::lock_guard<std::mutex> held(lock);
	delete names[at];
	names[at] = nullptr; // MARK culprit
}

static void work(int worker, int rounds, int bad)
{
	for (int round = 0; round < rounds; round++) {
		replace((worker * 16 + round) % 64, std::to_string(worker) + "/" + std::to_string(round));
		if (worker == 2 && round == bad)
			retire(64);
		if (round % 16 == worker)
			lengths();
	}
}

int main(int argc, char **argv)
{
	int seed = argc > 1 ? atoi(argv[1]) : 1;
	for (int i = 0; i < 65; i++)
		names[i] = new std::string("none");
	std::vector<std::thread> workers;
	for (int i = 0; i < 4; i++)
		workers.emplace_back(work, i, 400, 200 + seed);
	for (auto &w : workers)
		w.join();
	return 0;
}
