// Runs every registered test, or those whose name contains the first argument, and once more on an
// io_uring those that turn loops; prints a closing line that counts them and exits 1 if any failed.
#include <array>
#include <cstring>
#include <thread>

#include "net/loop.h"
#include "test/test.h"

using sluice::test::Case;
using sluice::test::LoopUnderTest;

namespace {

bool turnsLoops(const Case& test) {
  constexpr std::array<const char*, 3> kFolders{"net/", "relay/", "worker/"};
  for (const char* folder : kFolders) {
    if (std::strstr(test.file, folder) != nullptr) {
      return true;
    }
  }
  return false;
}

bool passes(const Case& test, const char* loop) {
  const int before = sluice::test::failures();
  // On a thread of its own: the kernel ends a ring later, and interrupts the thread that had it.
  std::thread(test.run).join();
  const bool isGood = sluice::test::failures() == before;
  if (!isGood) {
    std::fprintf(stderr, "not ok - %s%s\n", test.name, loop);
  }
  return isGood;
}

} // namespace

int main(int argc, char** argv) {
  const char* filter = argc > 1 ? argv[1] : "";
  int passed = 0;
  int failed = 0;
  for (const LoopUnderTest loop : {LoopUnderTest::Epoll, LoopUnderTest::IoUring}) {
    const bool isRing = loop == LoopUnderTest::IoUring;
    if (isRing) {
      sluice::net::Loop probe;
      probe.useRing();
      if (!probe.ringProblem().empty()) {
        std::printf("native: SKIPPED on io_uring: %s\n", probe.ringProblem().c_str());
        break;
      }
    }
    sluice::test::loopUnderTest() = loop;
    for (const Case& test : sluice::test::cases()) {
      if (std::strstr(test.name, filter) != nullptr && (!isRing || turnsLoops(test))) {
        ++(passes(test, isRing ? " (on io_uring)" : "") ? passed : failed);
      }
    }
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
