// cxx_exceptions: exceptions through many frames, destructors on the way,
// rethrown, carried from one thread to another, and one that nobody catches in
// a thread of its own.
//
// output: caught 20, destroyed 210, carried: from afar\n
#include <exception>
#include <future>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

static int destroyed;

struct Guard {
	~Guard() { destroyed++; }
};

static int descend(int n, int bottom)
{
	Guard g;
	if (n == bottom)
		throw std::runtime_error("at " + std::to_string(n)); // MARK throw
	try {
		return descend(n + 1, bottom) + 1;
	} catch (std::logic_error &) {
		return -1;
	} catch (...) {
		throw; // MARK rethrow
	}
}

int main()
{
	int caught = 0;
	for (int i = 0; i < 20; i++) {
		try {
			descend(0, i);
		} catch (std::exception &e) {
			caught += e.what() == "at " + std::to_string(i); // MARK catch
		}
	}
	std::exception_ptr p;
	std::thread([&] {
		try {
			throw std::out_of_range("from afar");
		} catch (...) {
			p = std::current_exception();
		}
	}).join();
	std::string carried;
	try {
		std::rethrow_exception(p);
	} catch (std::out_of_range &e) {
		carried = e.what();
	}
	std::cout << "caught " << caught << ", destroyed " << destroyed << ", carried: " << carried << "\n";
	return caught != 20 || destroyed != 210;
}
