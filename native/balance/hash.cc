#include "balance/hash.h"

#include <bit>
#include <cstddef>

namespace sluice::balance {

namespace {

constexpr std::uint32_t scramble(std::uint32_t word) noexcept {
  return std::rotl(word * 0xcc9e2d51U, 15) * 0x1b873593U;
}

constexpr std::uint32_t finish(std::uint32_t hash) noexcept {
  hash ^= hash >> 16;
  hash *= 0x85ebca6bU;
  hash ^= hash >> 13;
  hash *= 0xc2b2ae35U;
  return hash ^ (hash >> 16);
}

} // namespace

std::uint32_t murmur3(std::span<const std::uint8_t> bytes, std::uint32_t seed) noexcept {
  const std::size_t whole = bytes.size() & ~std::size_t{3};
  std::uint32_t hash = seed;
  for (std::size_t i = 0; i < whole; i += 4) {
    // Little-endian by construction, whatever the machine.
    const std::uint32_t word = std::uint32_t{bytes[i]} | std::uint32_t{bytes[i + 1]} << 8 |
                               std::uint32_t{bytes[i + 2]} << 16 |
                               std::uint32_t{bytes[i + 3]} << 24;
    hash = std::rotl(hash ^ scramble(word), 13) * 5 + 0xe6546b64U;
  }
  std::uint32_t rest = 0;
  for (std::size_t i = bytes.size(); i > whole; --i) {
    rest = rest << 8 | bytes[i - 1];
  }
  if (whole < bytes.size()) {
    hash ^= scramble(rest);
  }
  return finish(hash ^ static_cast<std::uint32_t>(bytes.size()));
}

std::uint32_t rehash(std::uint32_t key, std::uint32_t attempt) noexcept {
  return finish(key + attempt * 0x9e3779b9U);
}

} // namespace sluice::balance
