// Runs every registered test, or those whose name contains the first argument; prints a closing
// line that counts them and exits 1 if any failed.
#include <cstring>

#include "test/test.h"

int main(int argc, char** argv) {
  const char* filter = argc > 1 ? argv[1] : "";
  int passed = 0;
  int failed = 0;
  for (const auto& test : sluice::test::cases()) {
    if (std::strstr(test.name, filter) == nullptr) {
      continue;
    }
    const int before = sluice::test::failures();
    test.run();
    if (sluice::test::failures() == before) {
      ++passed;
    } else {
      ++failed;
      std::fprintf(stderr, "not ok - %s\n", test.name);
    }
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
