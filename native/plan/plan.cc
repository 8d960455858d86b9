#include "plan/plan.h"

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
