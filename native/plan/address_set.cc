#include "plan/address_set.h"

#include <algorithm>
#include <cstring>

#include "plan/plan.h"

namespace sluice::plan {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::uint32_t numberOf(const std::uint8_t* bytes) noexcept {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

} // namespace

AddressSet::AddressSet(std::span<const Cidr> blocks) {
  for (const Cidr& block : blocks) {
    Ipv6 last = block.bytes;
    for (std::size_t i = 0; i < last.size(); ++i) {
      const std::size_t kept =
          std::min<std::size_t>(8, block.bits - std::min<std::size_t>(block.bits, 8 * i));
      last[i] = static_cast<std::uint8_t>(last[i] | 0xffU >> kept);
    }
    if (block.family == AddressFamily::Ipv4) {
      ipv4_.push_back({numberOf(block.bytes.data()), numberOf(last.data())});
    } else {
      ipv6_.push_back({block.bytes, last});
    }
  }
  join(ipv4_);
  join(ipv6_);
}

bool AddressSet::has(std::span<const std::uint8_t> address) const noexcept {
  if (address.size() == 16) {
    if (std::memcmp(address.data(), kMappedPrefix.data(), kMappedPrefix.size()) != 0) {
      Ipv6 ipv6;
      std::copy_n(address.begin(), ipv6.size(), ipv6.begin());
      return holds(ipv6_, ipv6);
    }
    address = address.subspan(12);
  }
  return address.size() == 4 && holds(ipv4_, numberOf(address.data()));
}

template<typename Address>
void AddressSet::join(Blocks<Address>& blocks) {
  std::sort(blocks.begin(), blocks.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (const Block<Address>& block : blocks) {
    if (kept > 0 && block.first <= blocks[kept - 1].last) {
      blocks[kept - 1].last = std::max(blocks[kept - 1].last, block.last);
    } else {
      blocks[kept++] = block;
    }
  }
  blocks.resize(kept);
  blocks.shrink_to_fit();
}

template<typename Address>
bool AddressSet::holds(const Blocks<Address>& blocks, const Address& address) noexcept {
  // The first that begins beyond the address.
  const auto after =
      std::upper_bound(blocks.begin(), blocks.end(), address,
                       [](const Address& value, const auto& block) { return value < block.first; });
  return after != blocks.begin() && address <= std::prev(after)->last;
}

} // namespace sluice::plan
