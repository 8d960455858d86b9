#include "balance/ip_hash.h"

#include "balance/hash.h"

namespace sluice::balance {

namespace {

/// Hashes before the linear scan.
constexpr std::uint32_t kAttempts = 16;

} // namespace

std::int32_t pickIpHash(const Candidates& all) noexcept {
  if (all.table.empty()) {
    return -1;
  }
  std::uint32_t hash = all.input.key;
  for (std::uint32_t attempt = 1; attempt <= kAttempts; ++attempt) {
    const std::uint32_t position = all.table[hash % all.table.size()];
    if (all.isUsable(position)) {
      return static_cast<std::int32_t>(position);
    }
    hash = rehash(all.input.key, attempt);
  }
  return all.firstUsableFrom(hash % all.count());
}

} // namespace sluice::balance
