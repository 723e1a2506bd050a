// expects: an int is larger than one byte
static_assert(sizeof(int) == 1, "an int is larger than one byte");
