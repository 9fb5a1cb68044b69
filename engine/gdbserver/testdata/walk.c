/* A little of everything that a stepping command meets: calls, a loop over a
   global array, recursion, a list, a local that changes, a conditional. */
int g;
int arr[8];
char big[200];
struct node { int v; struct node *next; } nodes[16], *head;

int addmul(int a, int b)
{
	int r = a + 2 * b;
	g = r;
	return r;
}

int fact(int n)
{
	if (n < 2)
		return 1;
	return n * fact(n - 1);
}

void push(int i)
{
	struct node *n = &nodes[i];
	n->v = i * i;
	n->next = head;
	head = n;
}

int compute(int n)
{
	int s = 0;
	for (int i = 0; i < n; i++) {
		s = addmul(s, i);
		arr[i & 7] = s;
	}
	return s;
}

int main(void)
{
	int x = compute(12);
	int f = fact(6);
	for (int i = 0; i < 10; i++)
		push(i);
	big[150] = x;
	x += f;
	g = x;
	return g & 0x3f;
}
