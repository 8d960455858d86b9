// sfc32 (Chris Doty-Humphrey, public domain): small, fast, seedable, and the same numbers as
// createRng() of src/balance/rng.ts from the same seed. One a worker, touched by that worker only.
// Not for secrets.
#pragma once

#include <cstdint>

namespace sluice::balance {

struct Rng {
  explicit Rng(std::uint32_t seed) noexcept : b_(seed) {
    for (int i = 0; i < 12; ++i) {
      static_cast<void>(next());
    }
  }

  [[nodiscard]] std::uint32_t next() noexcept {
    const std::uint32_t out = a_ + b_ + counter_++;
    a_ = b_ ^ (b_ >> 9);
    b_ = c_ + (c_ << 3);
    c_ = ((c_ << 21) | (c_ >> 11)) + out;
    return out;
  }

  /// In [0, limit).
  [[nodiscard]] std::uint32_t below(std::uint32_t limit) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * limit) >> 32);
  }

 private:
  std::uint32_t a_ = 0;
  std::uint32_t b_;
  std::uint32_t c_ = 0;
  std::uint32_t counter_ = 1;
};

} // namespace sluice::balance
