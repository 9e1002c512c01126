/* nothing: what `spawn` starts. */
int main(void) {
  return 7;
}
