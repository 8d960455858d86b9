// murmur3 x86_32 (Austin Appleby, public domain): what address-keyed strategies hash with. The twin
// of src/balance/hash.ts. It spreads keys; it does not resist someone who chooses addresses to
// collide.
#pragma once

#include <cstdint>
#include <span>

namespace sluice::balance {

[[nodiscard]] std::uint32_t murmur3(std::span<const std::uint8_t> bytes,
                                    std::uint32_t seed) noexcept;

/// Hash of a client's address: 4 bytes for IPv4 and IPv4-mapped IPv6, 16 for IPv6.
[[nodiscard]] inline std::uint32_t hashKey(std::span<const std::uint8_t> bytes) noexcept {
  return murmur3(bytes, 0);
}

/// Another key for the same client: the attempt-th after its first.
[[nodiscard]] std::uint32_t rehash(std::uint32_t key, std::uint32_t attempt) noexcept;

} // namespace sluice::balance
