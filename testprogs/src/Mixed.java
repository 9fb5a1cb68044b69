// Mixed: a pool of threads, a map under garbage collection and code hot enough to
// be compiled at run time. The conformance list runs it.
import java.util.*;
import java.util.concurrent.*;

public class Mixed {
	static long mix(int n, int k) {
		long s = 0;
		for (int i = 0; i < n; i++)
			s = (s * 31 + i + k) % 1000003;
		return s;
	}

	public static void main(String[] args) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Future<Long>> results = new ArrayList<>();
		for (int k = 0; k < 8; k++) {
			int me = k;
			results.add(pool.submit(() -> mix(500000, me)));
		}
		long total = 0;
		for (Future<Long> r : results)
			total += r.get();
		pool.shutdown();
		Map<String, Integer> counts = new HashMap<>();
		for (int i = 0; i < 100000; i++)
			counts.merge("k" + i % 1000, 1, Integer::sum);
		System.out.println(total + " " + counts.size());
	}
}
