// Destinations: what is read is a name or an address in its one form and reads the same again, and no
// name is something that a resolver takes for an address.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "policy/address_class.h"
#include "policy/destination.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

bool isSame(const Destination& a, const Destination& b) {
  return a.family == b.family && a.host() == b.host() &&
         std::equal(a.address().begin(), a.address().end(), b.address().begin(), b.address().end());
}

bool isOneOf(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

void requireName(std::string_view host) {
  require(!host.empty() && host.size() <= 253);
  require(isOneOf(host, "abcdefghijklmnopqrstuvwxyz0123456789-_."));
  std::string_view label;
  for (std::string_view rest = host; !rest.empty();) {
    label = rest.substr(0, rest.find('.'));
    require(!label.empty() && label.size() <= 63);
    rest.remove_prefix(std::min(label.size() + 1, rest.size()));
  }
  require(!host.ends_with('.'));
  require(!isOneOf(label, "0123456789"));
  require(!label.starts_with("0x") || !isOneOf(label.substr(2), "0123456789abcdef"));
}

void requireGood(const Destination& read) {
  if (!read.isAddress()) {
    requireName(read.host());
  } else {
    Destination ofBytes;
    setDestinationAddress(read.address(), ofBytes);
    require(isSame(read, ofBytes));
    require(static_cast<std::size_t>(addressClass(read.address())) < kAddressClassCount);
  }
  Destination again;
  require(parseDestinationHost(read.host(), again) && isSame(read, again));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // From a buffer of exactly its size, so that a byte too many is found.
  const std::vector<char> exact(data, data + size);
  const std::string_view input(exact.data(), exact.size());
  Destination alone;
  if (parseDestinationHost(input, alone)) {
    requireGood(alone);
  }
  Destination strict;
  const bool isStrict = parseDestination(input, 0, strict);
  if (isStrict) {
    require(strict.port != 0);
    requireGood(strict);
  }
  Destination lax;
  if (parseDestination(input, 80, lax)) {
    require(lax.port != 0);
    requireGood(lax);
  } else {
    require(!isStrict);
  }
  require(!isStrict || (isSame(strict, lax) && strict.port == lax.port));
  return 0;
}
