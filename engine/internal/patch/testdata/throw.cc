// Exceptions through several frames and through patched calls, virtual calls,
// std containers, std::function, iostreams.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Base {
	virtual ~Base() {}
	virtual int f(int n) = 0;
};
struct A : Base {
	int f(int n) override {
		if (n % 7 == 3) throw std::runtime_error("seven " + std::to_string(n));
		return n * 3;
	}
};
struct B : Base {
	std::vector<int> v;
	int f(int n) override { v.push_back(n); return v.at(n % (v.size() + (n % 11 == 5))); }
};
struct Guard {
	int &r;
	Guard(int &x) : r(x) { r++; }
	~Guard() { r += 100; }
};
static int deep(Base &b, int n, int d, int &r) {
	Guard g(r);
	return d ? deep(b, n, d - 1, r) + 1 : b.f(n);
}
int main() {
	std::unique_ptr<Base> o[2] = {std::make_unique<A>(), std::make_unique<B>()};
	std::map<std::string, int> m;
	int r = 0;
	std::ostringstream log;
	std::function<int(int)> fn = [&](int i) { return deep(*o[i & 1], i, i % 5, r); };
	for (int i = 0; i < 120; i++) {
		try {
			m["k" + std::to_string(i % 13)] += fn(i);
		} catch (const std::out_of_range &e) {
			log << i << " range;";
		} catch (const std::exception &e) {
			log << i << " " << e.what() << ";";
		}
	}
	for (auto &p : m) log << p.first << "=" << p.second << " ";
	std::cout << log.str() << r << std::endl;
}
