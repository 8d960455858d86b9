#include "relay/user_meter.h"

#include <algorithm>
#include <utility>

namespace sluice::relay {

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
/// So far ahead of its bandwidth a user may be: enough that few pauses are needed.
constexpr std::uint64_t kBurstNs = 100'000'000;
/// Pauses shorter than a timer's tick are not worth one.
constexpr std::uint64_t kLeastPauseNs = 4'000'000;

/// Begins to count anew when `day` is another. A worker whose turn began before midnight does not
/// take the day back; a clock that is set back does.
void turnDay(plan::UserState& state, std::uint64_t day) noexcept {
  std::uint64_t known = state.day.load(std::memory_order_relaxed);
  if ((day > known || day + 1 < known) &&
      state.day.compare_exchange_strong(known, day, std::memory_order_relaxed)) {
    state.bytesToday.store(0, std::memory_order_relaxed);
  }
}

} // namespace

// Relaxed throughout: each number is a count of its own, and a limit may be passed by what several
// workers do in the same instant.

Errc UserMeter::begin(const plan::User& user, std::uint64_t day) noexcept {
  end();
  plan::UserState& state = *user.state;
  turnDay(state, day);
  if (user.bytesPerDay != 0 &&
      state.bytesToday.load(std::memory_order_relaxed) >= user.bytesPerDay) {
    return Errc::UserQuota;
  }
  const std::uint32_t others = state.active.fetch_add(1, std::memory_order_relaxed);
  if (user.connections != 0 && others >= user.connections) {
    state.active.fetch_sub(1, std::memory_order_relaxed);
    return Errc::UserLimit;
  }
  state.requests.fetch_add(1, std::memory_order_relaxed);
  user_ = &user;
  return Errc::None;
}

void UserMeter::end() noexcept {
  if (const plan::User* user = std::exchange(user_, nullptr)) {
    user->state->active.fetch_sub(1, std::memory_order_relaxed);
  }
}

void UserMeter::countIn(std::uint64_t bytes) noexcept {
  if (user_ != nullptr) {
    user_->state->bytesIn.fetch_add(bytes, std::memory_order_relaxed);
    count(bytes);
  }
}

void UserMeter::countOut(std::uint64_t bytes) noexcept {
  if (user_ != nullptr) {
    user_->state->bytesOut.fetch_add(bytes, std::memory_order_relaxed);
    count(bytes);
  }
}

void UserMeter::count(std::uint64_t bytes) noexcept {
  plan::UserState& state = *user_->state;
  state.bytesToday.fetch_add(bytes, std::memory_order_relaxed);
  if (user_->bytesPerSecond != 0) {
    // Bytes come in pieces of a buffer at most: no overflow.
    state.paidUntilNs.fetch_add(bytes * kSecondNs / user_->bytesPerSecond,
                                std::memory_order_relaxed);
  }
}

bool UserMeter::hasQuotaLeft(LocalClock& clock, std::uint64_t wallMs) const noexcept {
  if (user_ == nullptr || user_->bytesPerDay == 0) {
    return true;
  }
  const auto isLeft = [this] {
    return user_->state->bytesToday.load(std::memory_order_relaxed) < user_->bytesPerDay;
  };
  if (isLeft()) {
    return true;
  }
  // What began yesterday goes on with today's quota.
  turnDay(*user_->state, clock.at(wallMs).day);
  return isLeft();
}

std::uint32_t UserMeter::pauseMs(std::uint64_t nowNs) const noexcept {
  if (!isPaced()) {
    return 0;
  }
  std::atomic<std::uint64_t>& account = user_->state->paidUntilNs;
  std::uint64_t paid = account.load(std::memory_order_relaxed);
  // What was not used earlier is not saved up.
  while (paid < nowNs && !account.compare_exchange_weak(paid, nowNs, std::memory_order_relaxed)) {
  }
  if (paid < nowNs + kBurstNs + kLeastPauseNs) {
    return 0;
  }
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>((paid - nowNs - kBurstNs) / 1'000'000 + 1, 60'000));
}

} // namespace sluice::relay
