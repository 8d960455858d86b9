#include "relay/user_meter.h"

#include <limits>
#include <memory>

#include "test/test.h"

using namespace sluice;
using relay::UserMeter;

namespace {

constexpr std::uint64_t kDayMs = 24 * 60 * 60 * 1000;
constexpr std::uint64_t kNoonMs = 20'000 * kDayMs + kDayMs / 2;

plan::User userOf(std::uint64_t bytesPerSecond, std::uint32_t connections,
                  std::uint64_t bytesPerDay) {
  plan::User user;
  user.name = "ann";
  user.bytesPerSecond = bytesPerSecond;
  user.connections = connections;
  user.bytesPerDay = bytesPerDay;
  user.state = std::make_shared<plan::UserState>();
  return user;
}

} // namespace

TEST("a quota is used up until the day turns, for what is in flight as well") {
  const plan::User user = userOf(0, 0, 1000);
  LocalClock clock;
  UserMeter meter;
  CHECK(meter.begin(user, clock.at(kNoonMs).day) == Errc::None);
  meter.countOut(999);
  CHECK(meter.hasQuotaLeft(clock, kNoonMs));
  meter.countIn(1);
  CHECK(!meter.hasQuotaLeft(clock, kNoonMs));
  UserMeter second;
  CHECK(second.begin(user, clock.at(kNoonMs).day) == Errc::UserQuota);
  CHECK(user.state->active.load() == 1);
  CHECK(meter.hasQuotaLeft(clock, kNoonMs + kDayMs));
  CHECK(user.state->bytesToday.load() == 0);
  CHECK(second.begin(user, clock.at(kNoonMs + kDayMs).day) == Errc::None);
}

TEST("a worker that is late at midnight gives no quota back, a clock that is set back does") {
  const plan::User user = userOf(0, 0, 1000);
  UserMeter meter;
  CHECK(meter.begin(user, 20'001) == Errc::None);
  meter.countIn(1000);
  UserMeter late;
  CHECK(late.begin(user, 20'000) == Errc::UserQuota);
  CHECK(late.begin(user, 20'001) == Errc::UserQuota);
  CHECK(user.state->bytesToday.load() == 1000);
  CHECK(late.begin(user, 19'990) == Errc::None);
}

TEST("what is counted for a user is let go of once, however often it ends") {
  const plan::User user = userOf(0, 2, 0);
  {
    UserMeter one;
    UserMeter two;
    UserMeter three;
    CHECK(one.begin(user, 1) == Errc::None);
    CHECK(two.begin(user, 1) == Errc::None);
    CHECK(three.begin(user, 1) == Errc::UserLimit);
    CHECK(user.state->active.load() == 2);
    // The same meter for another request.
    CHECK(two.begin(user, 1) == Errc::None);
    CHECK(user.state->active.load() == 2);
    one.end();
    one.end();
    CHECK(user.state->active.load() == 1);
    CHECK(three.begin(user, 1) == Errc::None);
  }
  CHECK(user.state->active.load() == 0);
}

TEST("bandwidths from one byte a second to the largest make pauses that do not overflow") {
  for (const std::uint64_t rate :
       {std::uint64_t{1}, std::uint64_t{1'000'000}, std::uint64_t{9'007'199'254'740'991},
        std::numeric_limits<std::uint64_t>::max()}) {
    const plan::User user = userOf(rate, 0, 0);
    UserMeter meter;
    CHECK(meter.begin(user, 1) == Errc::None);
    constexpr std::uint64_t kNowNs = 1'000'000'000'000;
    CHECK(meter.pauseMs(kNowNs) == 0);
    for (int i = 0; i < 1000; ++i) {
      meter.countOut(256 * 1024);
    }
    const std::uint32_t pause = meter.pauseMs(kNowNs);
    // 262 million bytes.
    CHECK(rate == 1 ? pause == 60'000 : rate <= 1000000 ? pause == 60'000 : pause == 0);
  }
}
