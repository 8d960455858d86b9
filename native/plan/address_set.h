// Blocks of addresses, found by binary search: lists have a hundred thousand of them. The like of
// src/plan/address-set.ts.
//
// Made on the main thread, immutable afterwards; any thread asks.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::plan {

struct Cidr;

class AddressSet {
 public:
  AddressSet() = default;
  explicit AddressSet(std::span<const Cidr> blocks);

  /// `address` has 4 bytes for IPv4, 16 for IPv6; an IPv4-mapped one counts as IPv4. Others are in
  /// no set.
  [[nodiscard]] bool has(std::span<const std::uint8_t> address) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return ipv4_.empty() && ipv6_.empty(); }
  /// Ranges, joined where they touched or overlapped.
  [[nodiscard]] std::size_t size() const noexcept { return ipv4_.size() + ipv6_.size(); }

 private:
  using Ipv6 = std::array<std::uint8_t, 16>;
  /// Both ends included; in order, and none reaches into the next.
  template<typename Address>
  struct Block {
    Address first;
    Address last;
  };
  template<typename Address>
  using Blocks = std::vector<Block<Address>>;

  template<typename Address>
  static void join(Blocks<Address>& blocks);
  template<typename Address>
  static bool holds(const Blocks<Address>& blocks, const Address& address) noexcept;

  Blocks<std::uint32_t> ipv4_;
  Blocks<Ipv6> ipv6_;
};

} // namespace sluice::plan
