#include "net/gathering.h"

#include "test/test.h"

using namespace sluice;
using net::Gathering;

namespace {

constexpr std::uint64_t kMuch = Gathering::kBytes / Gathering::kTurns;

/// So many turns, each with an event of a pump; the last says for how long to gather.
std::uint32_t turns(Gathering& gathering, std::uint32_t count, std::uint64_t nowMs = 100,
                    std::uint64_t bytes = kMuch) {
  std::uint32_t microseconds = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Gathering::Done before = gathering.done();
    gathering.notePump();
    gathering.noteMoved(bytes);
    gathering.endEvent(before);
    microseconds = gathering.endTurn(nowMs);
  }
  return microseconds;
}

/// One that is gathering.
Gathering inBulk() {
  Gathering gathering;
  // The first turn comes after a long time.
  CHECK_EQ(turns(gathering, 1 + Gathering::kTurns), Gathering::kMicroseconds);
  return gathering;
}

} // namespace

TEST("nothing is gathered for until bulk has lasted") {
  Gathering gathering;
  CHECK_EQ(turns(gathering, Gathering::kTurns), 0U);
  CHECK_EQ(turns(gathering, 1), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 1), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 99), Gathering::kMicroseconds);
}

TEST("turns that move little on the whole end the gathering, single ones do not") {
  Gathering gathering = inBulk();
  CHECK_EQ(turns(gathering, 1, 100, 0), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, Gathering::kTurns - 2, 100, 2 * kMuch), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 1, 100, 0), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, Gathering::kTurns, 100, kMuch - 1), 0U);
}

TEST("an event that is none of a pump ends the gathering for a while") {
  Gathering gathering = inBulk();
  gathering.endEvent(gathering.done());
  CHECK_EQ(turns(gathering, 1), 0U);
  const std::uint64_t quiet = 100 + Gathering::kQuietMs;
  for (std::uint64_t nowMs = 100; nowMs < quiet; ++nowMs) {
    CHECK_EQ(turns(gathering, Gathering::kTurns, nowMs), 0U);
  }
  CHECK_EQ(turns(gathering, Gathering::kTurns - 1, quiet), 0U);
  CHECK_EQ(turns(gathering, 1, quiet), Gathering::kMicroseconds);
}

TEST("a message that is pumped ends the gathering as well") {
  Gathering gathering = inBulk();
  CHECK_EQ(turns(gathering, 1, 100, Gathering::kMessageBytes), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 1, 100, Gathering::kMessageBytes - 1), 0U);
  CHECK_EQ(turns(gathering, 2 * Gathering::kTurns), 0U);
}

TEST("bursts that lie apart are no bulk that lasts") {
  Gathering gathering;
  for (std::uint64_t nowMs = 100; nowMs < 200; nowMs += 10) {
    CHECK_EQ(turns(gathering, Gathering::kTurns, nowMs), 0U);
  }
  CHECK_EQ(turns(gathering, 1, 190 + Gathering::kApartMs), Gathering::kMicroseconds);
}
