#include "plan/plan.h"

#include <algorithm>
#include <cstring>

namespace sluice::plan {

bool Cidr::contains(std::span<const std::uint8_t> client) const noexcept {
  const std::size_t length = family == AddressFamily::Ipv4 ? 4 : 16;
  if (client.size() != length) {
    return false;
  }
  const std::size_t whole = bits / 8;
  if (std::memcmp(client.data(), bytes.data(), whole) != 0) {
    return false;
  }
  const unsigned rest = bits % 8;
  return rest == 0 || ((client[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

bool holds(std::span<const PortRange> ranges, std::uint16_t port) noexcept {
  return std::any_of(ranges.begin(), ranges.end(), [port](const PortRange& range) {
    return port >= range.first && port <= range.last;
  });
}

bool Forward::doesAccept(ForwardAccept what) const noexcept {
  return std::find(accepts.begin(), accepts.end(), what) != accepts.end();
}

bool Listener::trusts(std::span<const std::uint8_t> client) const noexcept {
  return !client.empty() && std::any_of(trustedProxies.begin(), trustedProxies.end(),
                                        [=](const Cidr& block) { return block.contains(client); });
}

bool Dfa::matches(std::string_view text) const noexcept {
  std::size_t state = 1;
  for (const char c : text) {
    state = next[state * classCount + classes[static_cast<unsigned char>(c)]];
    if (state == 0) {
      return false;
    }
  }
  return accepting[state] != 0;
}

} // namespace sluice::plan
