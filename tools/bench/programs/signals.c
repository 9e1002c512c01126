/* signals N: N thousand signals to oneself, each handled. */
#include "bench.h"
#include <signal.h>
#include <unistd.h>

static volatile uint64_t handled;

static void handle(int number) {
  handled = handled * 3 + (uint64_t)number;
}

int main(int argc, char **argv) {
  uint64_t times = bench_argument(argc, argv, 1) * 1000;
  struct sigaction action = {.sa_handler = handle};
  bench_check(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
  pid_t self = getpid();
  for (uint64_t i = 0; i < times; i++) bench_check(kill(self, SIGUSR1) == 0, "kill");
  return bench_finish(handled);
}
