// expects: a message that no compiler gives
// The harness must refuse this file: it compiles.
int answer() { return 42; }
