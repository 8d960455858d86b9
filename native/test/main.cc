// Runs every registered test, or those whose name contains the first argument, and once more on an
// io_uring those that turn loops; prints a closing line that counts them and exits 1 if any failed.
#include <cstring>
#include <string>
#include <thread>

#include "net/loop.h"
#include "test/test.h"

using sluice::test::Case;
using sluice::test::LoopUnderTest;

namespace {

bool isIn(const Case& test, const char* folder) {
  return std::strstr(test.file, folder) != nullptr;
}

/// Tests of workers leave that to the workers.
bool turnsLoopsItself(const Case& test) {
  return isIn(test, "net/") || isIn(test, "tls/") || isIn(test, "relay/");
}

/// On a thread of its own: the kernel ends a ring later, and interrupts the thread that had it.
template<typename Run>
void runApart(Run run) {
  std::thread(run).join();
}

bool passes(const Case& test, const char* loop) {
  const int before = sluice::test::failures();
  if (turnsLoopsItself(test)) {
    runApart(test.run);
  } else {
    test.run();
  }
  const bool isGood = sluice::test::failures() == before;
  if (!isGood) {
    std::fprintf(stderr, "not ok - %s%s\n", test.name, loop);
  }
  return isGood;
}

/// Why there is no ring here, or empty.
std::string ringProblem() {
  std::string problem;
  runApart([&problem] {
    sluice::net::Loop probe;
    probe.useRing();
    problem = probe.ringProblem();
    probe.finish();
  });
  return problem;
}

} // namespace

int main(int argc, char** argv) {
  const char* filter = argc > 1 ? argv[1] : "";
  int passed = 0;
  int failed = 0;
  for (const LoopUnderTest loop : {LoopUnderTest::Epoll, LoopUnderTest::IoUring}) {
    const bool isRing = loop == LoopUnderTest::IoUring;
    if (const std::string problem = isRing ? ringProblem() : ""; !problem.empty()) {
      std::printf("native: SKIPPED on io_uring: %s\n", problem.c_str());
      break;
    }
    sluice::test::loopUnderTest() = loop;
    for (const Case& test : sluice::test::cases()) {
      if (std::strstr(test.name, filter) != nullptr &&
          (!isRing || turnsLoopsItself(test) || isIn(test, "worker/"))) {
        ++(passes(test, isRing ? " (on io_uring)" : "") ? passed : failed);
      }
    }
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
