// The bytes that generators and origin agree on without talking: the byte at offset i of a stream
// is entry i mod kPeriod of a fixed pseudo-random table. The period is prime, so that a block of
// any usual buffer size that was lost, doubled or moved shows up as wrong bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace sluice::load {

class Pattern {
 public:
  static constexpr std::size_t kPeriod = 262'139;

  Pattern() {
    std::uint64_t state = 0x9e3779b97f4a7c15U;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      if (i < kPeriod) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes_[i] = static_cast<std::byte>(state >> 56);
      } else {
        bytes_[i] = bytes_[i - kPeriod];
      }
    }
  }

  /// At least kPeriod bytes of the stream from `offset` on, in one piece.
  [[nodiscard]] std::span<const std::byte> from(std::uint64_t offset) const {
    return std::span(bytes_).subspan(static_cast<std::size_t>(offset % kPeriod), kPeriod);
  }

  [[nodiscard]] bool matches(std::uint64_t offset, std::span<const std::byte> data) const {
    while (!data.empty()) {
      const std::size_t length = std::min(data.size(), kPeriod);
      if (std::memcmp(from(offset).data(), data.data(), length) != 0) {
        return false;
      }
      offset += length;
      data = data.subspan(length);
    }
    return true;
  }

 private:
  std::array<std::byte, 2 * kPeriod> bytes_;
};

/// A message that no other can be mistaken for: who sent it, its number, then pattern bytes that
/// follow from both. `into` holds at least kMessageHead bytes and at most Pattern::kPeriod.
struct MessageHead {
  std::uint32_t flow;
  std::uint32_t slot;
  std::uint64_t sequence;
};
inline constexpr std::size_t kMessageHead = sizeof(MessageHead);

inline void writeMessage(const Pattern& pattern, const MessageHead& head,
                         std::span<std::byte> into) {
  std::memcpy(into.data(), &head, kMessageHead);
  const std::uint64_t offset = head.sequence * 7919U + head.slot * 127U + head.flow;
  std::memcpy(into.data() + kMessageHead, pattern.from(offset).data(), into.size() - kMessageHead);
}

[[nodiscard]] inline bool isMessage(const Pattern& pattern, const MessageHead& head,
                                    std::span<const std::byte> data) {
  const std::uint64_t offset = head.sequence * 7919U + head.slot * 127U + head.flow;
  return std::memcmp(data.data(), &head, kMessageHead) == 0 &&
         std::memcmp(data.data() + kMessageHead, pattern.from(offset).data(),
                     data.size() - kMessageHead) == 0;
}

} // namespace sluice::load
