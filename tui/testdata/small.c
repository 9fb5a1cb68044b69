/* A file to show. */
static int twice(int n) {
	char *text = "a string";
	int y = n; // half of it
	return y + n;
}

#define LIMIT 10

int main(void) {
	int sum = 0;
	for (int i = 0; i < LIMIT; i++) sum += twice(i) * 0x10;
	return sum;
}
