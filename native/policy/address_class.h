// What an address is, as far as a forward proxy cares: whatever is not public is refused unless
// permitted. The table and its reasons are in src/plan/address-class.ts;
// test/vectors/address-class.txt binds both.
#pragma once

#include <cstdint>
#include <span>

#include "generated/codes.h"

namespace sluice::policy {

/// `address` has 4 bytes for IPv4, 16 for IPv6, in network order.
[[nodiscard]] AddressClass addressClass(std::span<const std::uint8_t> address) noexcept;

} // namespace sluice::policy
