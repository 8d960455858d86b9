// Whether credentials are right, as the control plane told: it hashes passwords, which takes long,
// so a verdict is kept for a while, under a digest from which nobody gets the password back.
// Touched by one worker alone.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "plan/plan.h"
#include "upstream/questions.h"
#include "upstream/waiters.h"

namespace sluice::upstream {

class VerdictWaiter : public Waiter {
 public:
  virtual void onVerdict(bool isRight) noexcept = 0;

 protected:
  ~VerdictWaiter() = default;
};

enum class Verdict : std::uint8_t { Right, Wrong, Asked };

class Verdicts {
 public:
  explicit Verdicts(QuestionOutlet& outlet) noexcept;
  Verdicts(const Verdicts&) = delete;
  Verdicts& operator=(const Verdicts&) = delete;

  /// Asked: `waiter` is told.
  [[nodiscard]] Verdict find(const plan::Users& users, std::string_view name,
                             std::string_view password, std::uint64_t nowMs,
                             VerdictWaiter& waiter) noexcept;
  void onAnswer(std::uint64_t id, bool isRight, std::uint64_t nowMs) noexcept;

 private:
  static constexpr std::size_t kMaxEntries = 1024;
  /// Of these, that are being asked about.
  static constexpr std::size_t kMaxPending = kMaxEntries / 2;

  using Key = std::array<unsigned char, 32>;
  struct KeyHash {
    [[nodiscard]] std::size_t operator()(const Key& key) const noexcept;
  };
  struct Entry {
    bool isPending = false;
    bool isRight = false;
    std::uint64_t expiresMs = 0;
    WaiterList<VerdictWaiter> waiters;
  };

  [[nodiscard]] Key keyOf(const plan::Users& users, std::string_view name,
                          std::string_view password) const noexcept;
  [[nodiscard]] bool makeRoom(std::uint64_t nowMs) noexcept;

  QuestionOutlet& outlet_;
  /// Random: digests of one worker mean nothing elsewhere.
  Key secret_{};
  std::unordered_map<Key, Entry, KeyHash> entries_;
  std::unordered_map<std::uint64_t, Key> questions_;
};

} // namespace sluice::upstream
