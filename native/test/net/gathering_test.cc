#include "net/gathering.h"

#include "test/test.h"

using namespace sluice;
using net::Gathering;

namespace {

constexpr std::uint64_t kMuch = Gathering::kBytes / Gathering::kTurns;

/// So many turns, the last of which says for how long to gather.
std::uint32_t turns(Gathering& gathering, std::uint32_t count, std::uint64_t nowMs = 1,
                    std::uint64_t bytes = kMuch) {
  std::uint32_t microseconds = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    gathering.notePump();
    gathering.noteMoved(bytes);
    microseconds = gathering.endTurn(nowMs);
  }
  return microseconds;
}

} // namespace

TEST("nothing is gathered for until bulk has lasted") {
  Gathering gathering;
  CHECK_EQ(turns(gathering, Gathering::kTurns - 1), 0U);
  CHECK_EQ(turns(gathering, 1), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 1), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 99), Gathering::kMicroseconds);
}

TEST("turns that move little on the whole end the gathering, single ones do not") {
  Gathering gathering;
  CHECK_EQ(turns(gathering, Gathering::kTurns), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 1, 1, 0), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, Gathering::kTurns - 2, 1, 2 * kMuch), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, 1, 1, 0), Gathering::kMicroseconds);
  CHECK_EQ(turns(gathering, Gathering::kTurns, 1, kMuch - 1), 0U);
}

TEST("anything but a pump's event ends the gathering, and bulk must last again") {
  Gathering gathering;
  CHECK_EQ(turns(gathering, Gathering::kTurns), Gathering::kMicroseconds);
  gathering.noteOther();
  CHECK_EQ(turns(gathering, 1), 0U);
  CHECK_EQ(turns(gathering, Gathering::kTurns - 1), 0U);
  CHECK_EQ(turns(gathering, 1), Gathering::kMicroseconds);
}

TEST("bursts that lie apart are no bulk that lasts") {
  Gathering gathering;
  for (std::uint64_t burst = 1; burst < 10; ++burst) {
    CHECK_EQ(turns(gathering, Gathering::kTurns, 10 * burst), 0U);
  }
  CHECK_EQ(turns(gathering, 1, 90 + Gathering::kApartMs), Gathering::kMicroseconds);
}
