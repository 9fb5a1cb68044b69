// cxx_async: std::async, futures, promises, condition variables and atomics
// that wait; jthreads that are asked to stop.
//
// output: async 4950, promise 42, waited 7, stopped 3\n
#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <numeric>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main()
{
	std::vector<std::future<int>> parts;
	for (int i = 0; i < 10; i++)
		parts.push_back(std::async(std::launch::async, [i] {
			std::vector<int> v(10);
			std::iota(v.begin(), v.end(), i * 10);
			return std::accumulate(v.begin(), v.end(), 0);
		}));
	int sum = 0;
	for (auto &f : parts)
		sum += f.get();

	std::promise<int> promise;
	std::thread setter([&] { std::this_thread::sleep_for(5ms); promise.set_value(42); });
	auto future = promise.get_future();
	while (future.wait_for(1ms) != std::future_status::ready)
		;
	int promised = future.get();
	setter.join();

	std::atomic<int> a{0};
	std::thread waker([&] { std::this_thread::sleep_for(2ms); a = 7; a.notify_all(); });
	a.wait(0);
	waker.join();

	std::atomic<int> stopped{0};
	{
		std::vector<std::jthread> ts;
		for (int i = 0; i < 3; i++)
			ts.emplace_back([&](std::stop_token st) {
				while (!st.stop_requested())
					std::this_thread::yield();
				stopped++;
			});
		std::this_thread::sleep_for(3ms);
	}
	std::cout << "async " << sum << ", promise " << promised << ", waited " << a << ", stopped " << stopped << "\n";
	return sum != 4950 || promised != 42 || a != 7 || stopped != 3;
}
