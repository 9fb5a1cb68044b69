/* A library with a thread-local variable, the first of its block. */
static __thread int in_lib[4] = { 7 };
int *lib_address(void) { return in_lib; }
int *late_address(void) { return in_lib; }
