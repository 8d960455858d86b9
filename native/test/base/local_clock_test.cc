#include "base/local_clock.h"

#include <cstdlib>
#include <ctime>
#include <string>

#include "test/test.h"

using namespace sluice;

namespace {

/// The tests of a binary run one after another on one thread.
class Zone {
 public:
  explicit Zone(const char* name) {
    const char* before = std::getenv("TZ");
    hadOne_ = before != nullptr;
    before_ = hadOne_ ? before : "";
    set(name);
  }
  ~Zone() {
    if (hadOne_) {
      set(before_.c_str());
    } else {
      ::unsetenv("TZ");
      ::tzset();
    }
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

 private:
  static void set(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  bool hadOne_;
  std::string before_;
};

void checkTime(const LocalTime& time, unsigned day, unsigned weekday, unsigned minute) {
  CHECK_EQ(time.day, day);
  CHECK_EQ(time.weekday, weekday);
  CHECK_EQ(time.minute, minute);
}

constexpr std::uint64_t kSecond = 1000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;

} // namespace

TEST("a local clock tells minute, weekday and day of the zone") {
  // Ahead of UTC by five hours and a half, behind by three.
  for (const auto& [zone, aheadMinutes] :
       {std::pair("UTC0", 0), std::pair("AAA-5:30", 330), std::pair("BBB3", -180)}) {
    const Zone set(zone);
    LocalClock clock;
    // Thursday, 29 February 2024: day 19782.
    const std::uint64_t at = 19'782 * kDay + 22 * kHour + 59 * kMinute + 59 * kSecond;
    const int minute = 22 * 60 + 59 + aheadMinutes;
    const unsigned over = minute >= 1440 ? 1 : 0;
    checkTime(clock.at(at), 19'782 + over, 4 + over, static_cast<unsigned>(minute) % 1440);
    checkTime(clock.at(at + kSecond), 19'782 + over, 4 + over,
              static_cast<unsigned>(minute + 1) % 1440);
  }
}

TEST("a local clock follows a change of the hour, and a clock that is set back") {
  // Two hours ahead from the last Sunday of March, 02:00, else one.
  const Zone set("CET-1CEST,M3.5.0,M10.5.0/3");
  LocalClock clock;
  // Sunday, 31 March 2024: day 19813.
  const std::uint64_t change = 19'813 * kDay + kHour;
  checkTime(clock.at(change - 1), 19'813, 0, 119);
  checkTime(clock.at(change), 19'813, 0, 180);
  checkTime(clock.at(change - kMinute), 19'813, 0, 119);
  checkTime(clock.at(0), 0, 4, 60);
}
