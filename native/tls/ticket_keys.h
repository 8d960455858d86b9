// The keys of session tickets (RFC 5077, RFC 8446 section 4.6.1): a ratchet. Every worker has a copy and turns it on by
// itself when a period has passed, so all have the same keys at the same time and share nothing. What a key was made of
// is forgotten with it: who takes the memory of this process cannot read sessions of the period before last.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::tls {

class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
    bool isValid = false;
  };

  TicketKeys() = default;
  /// Begins with random keys. Seconds are those of the monotonic clock. False when there is no randomness to be had.
  [[nodiscard]] bool begin(std::uint64_t nowSeconds, std::uint32_t periodSeconds) noexcept;
  /// Forgets what is older than the period before this one.
  void advance(std::uint64_t nowSeconds) noexcept;

  /// What tickets are made with.
  [[nodiscard]] const Key& current() const noexcept { return current_; }
  /// The key of that name, if it is not forgotten; null otherwise.
  [[nodiscard]] const Key* find(const unsigned char* name) const noexcept;

 private:
  using Secret = std::array<unsigned char, 32>;

  void step() noexcept;
  void derive() noexcept;

  Secret secret_{};
  std::uint64_t startSeconds_ = 0;
  std::uint32_t periodSeconds_ = 0;
  Key current_;
  Key previous_;
};

} // namespace sluice::tls
