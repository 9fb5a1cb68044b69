// cxx_containers: maps, strings, smart pointers, virtual calls, coroutines and
// ranges: what a C++ program of today is made of. A bank whose total must stay
// the same is its invariant, and does.
//
// output: total 1000, 500 transfers, fib 10946\n
#include <coroutine>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

struct Account {
	explicit Account(int b) : balance(b) {}
	virtual ~Account() = default;
	virtual void move(int n) { balance += n; }
	int balance;
};

struct Logged : Account {
	using Account::Account;
	std::vector<std::string> log;
	void move(int n) override
	{
		log.push_back(std::to_string(n));
		Account::move(n);
	}
};

class Bank {
public:
	Bank()
	{
		for (auto name : {"ann", "bob", "cid", "dot"})
			accounts[name] = std::make_unique<Logged>(250);
	}
	int total() const
	{
		int t = 0;
		for (auto &[name, a] : accounts)
			t += a->balance;
		return t;
	}
	void transfer(const std::string &from, const std::string &to, int n)
	{
		accounts.at(from)->move(-n); // MARK out
		accounts.at(to)->move(n);    // MARK in
		count[from + to]++;
	}
	std::map<std::string, std::unique_ptr<Account>> accounts;
	std::unordered_map<std::string, int> count;
};

struct Numbers {
	struct promise_type {
		long value;
		Numbers get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
		std::suspend_always initial_suspend() { return {}; }
		std::suspend_always final_suspend() noexcept { return {}; }
		std::suspend_always yield_value(long v) { value = v; return {}; }
		void return_void() {}
		void unhandled_exception() { std::terminate(); }
	};
	std::coroutine_handle<promise_type> h;
	~Numbers() { h.destroy(); }
	long next() { h.resume(); return h.promise().value; }
};

static Numbers fibonacci()
{
	for (long a = 0, b = 1;; b += std::exchange(a, b))
		co_yield a; // MARK yield
}

int main()
{
	Bank bank;
	std::mt19937 gen(1);
	const char *names[] = {"ann", "bob", "cid", "dot"};
	for (int i = 0; i < 500; i++)
		bank.transfer(names[gen() % 4], names[gen() % 4], gen() % 100);
	int transfers = 0;
	for (auto &[pair, n] : bank.count)
		transfers += n;
	auto fib = fibonacci();
	long f = 0;
	for (int i = 0; i < 22; i++)
		f = fib.next();
	std::cout << "total " << bank.total() << ", " << transfers << " transfers, fib " << f << "\n";
	return bank.total() != 1000 || transfers != 500 || f != 10946;
}
