// The time of day where the proxy is, from the wall clock that a loop has already: the time zone is
// looked up once a minute, so that whoever asks makes no system call. One a worker.
#pragma once

#include <cstdint>
#include <ctime>

namespace sluice {

/// By the clock on the wall.
struct LocalTime {
  /// Of the day, 0 to 1439.
  std::uint16_t minute = 0;
  /// 0 = Sunday.
  std::uint8_t weekday = 0;
  /// Since 1 January 1970.
  std::uint32_t day = 0;
};

class LocalClock {
 public:
  /// `wallMs`: milliseconds since 1970, as Loop::wallMs() has them.
  [[nodiscard]] LocalTime at(std::uint64_t wallMs) noexcept {
    const std::uint64_t minute = wallMs / kMinuteMs;
    if (minute != minute_) {
      minute_ = minute;
      time_ = lookUp(minute);
    }
    return time_;
  }

 private:
  static constexpr std::uint64_t kMinuteMs = 60'000;
  static constexpr std::int64_t kMinutesOfDay = 1440;

  /// `minute`: since 1970.
  static LocalTime lookUp(std::uint64_t minute) noexcept {
    const auto seconds = static_cast<std::time_t>(60 * minute);
    std::tm local{};
    // Zones differ from UTC by whole minutes.
    const std::int64_t ahead =
        ::localtime_r(&seconds, &local) == nullptr ? 0 : local.tm_gmtoff / 60;
    const std::int64_t minutes = static_cast<std::int64_t>(minute) + ahead;
    const std::int64_t at = minutes < 0 ? 0 : minutes;
    // 1970 began on a Thursday.
    return {.minute = static_cast<std::uint16_t>(at % kMinutesOfDay),
            .weekday = static_cast<std::uint8_t>((at / kMinutesOfDay + 4) % 7),
            .day = static_cast<std::uint32_t>(at / kMinutesOfDay)};
  }

  std::uint64_t minute_ = ~std::uint64_t{0};
  LocalTime time_;
};

} // namespace sluice
