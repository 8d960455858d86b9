// What one piece of work counts for its user, and what the user's limits say to it. The user's
// state is shared by all workers (plan/state.h); a meter belongs to one flow.
#pragma once

#include <cstdint>

#include "base/local_clock.h"
#include "plan/plan.h"

namespace sluice::relay {

class UserMeter {
 public:
  UserMeter() = default;
  UserMeter(const UserMeter&) = delete;
  UserMeter& operator=(const UserMeter&) = delete;
  ~UserMeter() { end(); }

  /// Begins to count for `user`, unless a limit is in the way: says which. `day`: of today, counted
  /// from 1970 by local time.
  [[nodiscard]] Errc begin(const plan::User& user, std::uint64_t day) noexcept;
  void end() noexcept;

  [[nodiscard]] const plan::User* user() const noexcept { return user_; }
  /// Bytes may not be spliced: they have to be counted before they are sent on.
  [[nodiscard]] bool isPaced() const noexcept {
    return user_ != nullptr && user_->bytesPerSecond != 0;
  }
  void countIn(std::uint64_t bytes) noexcept;
  void countOut(std::uint64_t bytes) noexcept;
  /// By the clock of the worker, at `wallMs`: with a new day comes a new quota.
  [[nodiscard]] bool hasQuotaLeft(LocalClock& clock, std::uint64_t wallMs) const noexcept;
  /// How long to wait until what was counted is within the bandwidth; 0 = go on. All flows of the
  /// user, on whichever worker, pay into one account.
  [[nodiscard]] std::uint32_t pauseMs(std::uint64_t nowNs) const noexcept;

 private:
  void count(std::uint64_t bytes) noexcept;

  const plan::User* user_ = nullptr;
};

} // namespace sluice::relay
