// The addresses of the destinations that one worker's clients have asked for, as the control plane
// told them: kept as long as they hold, asked for once however many wait. Touched by that worker
// alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "upstream/questions.h"
#include "upstream/waiters.h"

namespace sluice::upstream {

class NameWaiter : public Waiter {
 public:
  /// `answer` is valid during the call.
  virtual void onName(const NameAnswer& answer) noexcept = 0;

 protected:
  ~NameWaiter() = default;
};

/// Lets tables of text be searched without making a string.
struct TextHash {
  using is_transparent = void;
  [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

class Names {
 public:
  explicit Names(QuestionOutlet& outlet) noexcept : outlet_(outlet) {}

  /// What is known, valid until the next call; null when it had to be asked for, or is being asked
  /// for already: `waiter` is told. `host`: lower-case.
  [[nodiscard]] const NameAnswer* find(std::string_view host, std::uint64_t nowMs,
                                       NameWaiter& waiter) noexcept;
  /// The answer to a question of this worker.
  void onAnswer(std::uint64_t id, NameAnswer answer, std::uint64_t nowMs) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  static constexpr std::size_t kMaxEntries = 4096;
  /// Of one name.
  static constexpr std::size_t kMaxAddresses = 64;

  struct Entry {
    std::uint64_t question = 0;
    bool isPending = false;
    std::uint64_t expiresMs = 0;
    NameAnswer answer;
    WaiterList<NameWaiter> waiters;
  };
  using Table = std::unordered_map<std::string, Entry, TextHash, std::equal_to<>>;

  [[nodiscard]] bool makeRoom(std::uint64_t nowMs) noexcept;

  QuestionOutlet& outlet_;
  Table entries_;
  std::unordered_map<std::uint64_t, std::string> questions_;
};

} // namespace sluice::upstream
