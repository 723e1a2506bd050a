// expects: the words of another message
// The harness must refuse this file: it fails for another reason.
static_assert(sizeof(int) == 1, "an int is larger than one byte");
