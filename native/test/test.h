// A test is a function that registers itself; CHECK reports and goes on, so one run shows all that
// is wrong.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

struct Case {
  const char* name;
  const char* file;
  void (*run)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

inline bool add(const char* name, const char* file, void (*run)()) {
  cases().push_back({name, file, run});
  return true;
}

/// What the tests that turn a loop turn: main() runs them on both.
enum class LoopUnderTest : std::uint8_t { Epoll, IoUring };

inline LoopUnderTest& loopUnderTest() {
  static LoopUnderTest loop = LoopUnderTest::Epoll;
  return loop;
}

inline void fail(const char* file, int line, std::string_view text) {
  ++failures();
  std::fprintf(stderr, "%s:%d: failed: %.*s\n", file, line, static_cast<int>(text.size()),
               text.data());
}

} // namespace sluice::test

#define SLUICE_JOIN2(a, b) a##b
#define SLUICE_JOIN(a, b) SLUICE_JOIN2(a, b)
/// TEST("a sentence about behaviour") { ... }
#define TEST(sentence)                                                                             \
  static void SLUICE_JOIN(testCase, __LINE__)();                                                   \
  [[maybe_unused]] static const bool SLUICE_JOIN(isAdded, __LINE__) =                              \
      ::sluice::test::add(sentence, __FILE__, &SLUICE_JOIN(testCase, __LINE__));                   \
  static void SLUICE_JOIN(testCase, __LINE__)()

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      ::sluice::test::fail(__FILE__, __LINE__, #condition);                                        \
    }                                                                                              \
  } while (false)

#define CHECK_EQ(actual, expected)                                                                 \
  do {                                                                                             \
    if (!((actual) == (expected))) {                                                               \
      ::sluice::test::fail(__FILE__, __LINE__, #actual " == " #expected);                          \
    }                                                                                              \
  } while (false)
