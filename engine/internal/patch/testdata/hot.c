// Fifty million calls of a small function, for timing stubs.
int total;
__attribute__((noinline)) void hot(int n) { total = total + n * 3; asm volatile(""); }
int main(void) {
	for (int i = 0; i < 50000000; i++) hot(i);
	return 0;
}
