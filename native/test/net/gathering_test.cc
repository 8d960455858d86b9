#include "net/gathering.h"

#include "test/test.h"

using namespace sluice;
using net::Gathering;

namespace {

constexpr std::uint64_t kMuch = Gathering::kBytesAnEvent;

std::uint32_t turn(Gathering& gathering, std::uint64_t nowMs, int events, std::uint64_t bytes) {
  for (int i = 0; i < events; ++i) {
    gathering.addEvent();
  }
  gathering.addBytes(bytes);
  return gathering.endTurn(nowMs);
}

/// So many turns of bulk, the last of which says for how long to gather.
std::uint32_t bulk(Gathering& gathering, std::uint64_t nowMs, std::uint32_t turns) {
  std::uint32_t microseconds = 0;
  for (std::uint32_t i = 0; i < turns; ++i) {
    microseconds = turn(gathering, nowMs, 2, 2 * kMuch);
  }
  return microseconds;
}

} // namespace

TEST("nothing is gathered for until bulk has lasted") {
  Gathering gathering;
  CHECK_EQ(bulk(gathering, 1, Gathering::kTurns - 1), 0U);
  CHECK_EQ(bulk(gathering, 1, 1), Gathering::kMicroseconds);
  CHECK_EQ(bulk(gathering, 1, 100), Gathering::kMicroseconds);
}

TEST("events that bring little end the gathering, and bulk must last again") {
  Gathering gathering;
  CHECK_EQ(bulk(gathering, 1, Gathering::kTurns), Gathering::kMicroseconds);
  // A small message beside two that bring as much as ever.
  CHECK_EQ(turn(gathering, 1, 3, 2 * kMuch + 100), 0U);
  CHECK_EQ(bulk(gathering, 1, Gathering::kTurns - 1), 0U);
  CHECK_EQ(bulk(gathering, 1, 1), Gathering::kMicroseconds);
  CHECK_EQ(turn(gathering, 1, 1, 0), 0U);
  CHECK_EQ(bulk(gathering, 1, 1), 0U);
}

TEST("bursts that lie apart are no bulk that lasts") {
  Gathering gathering;
  for (std::uint64_t burst = 1; burst < 10; ++burst) {
    CHECK_EQ(bulk(gathering, 10 * burst, Gathering::kTurns), 0U);
  }
  CHECK_EQ(bulk(gathering, 90 + Gathering::kApartMs, 1), Gathering::kMicroseconds);
}

TEST("turns without an event count by what they move") {
  Gathering gathering;
  for (std::uint32_t i = 0; i < Gathering::kTurns; ++i) {
    CHECK_EQ(turn(gathering, 1, 0, kMuch) != 0, i + 1 == Gathering::kTurns);
  }
  CHECK_EQ(turn(gathering, 1, 0, 0), 0U);
}
