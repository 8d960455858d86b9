// PROXY headers: a verdict is never taken back when more comes, nothing beyond the header is looked at,
// and what was understood is written and understood again as the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "net/proxy_header.h"

using namespace sluice;
using namespace sluice::net;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// From a buffer of exactly its size, so that a byte too many is found.
ProxyHeaderState readExactly(std::string_view input, ProxyHeader& header) {
  const std::vector<char> exact(input.begin(), input.end());
  return readProxyHeader({exact.data(), exact.size()}, header);
}

bool isSame(const IpPort& a, const IpPort& b) {
  return a.family == b.family && a.port == b.port && a.bytes == b.bytes;
}

/// A datagram is decided at once, and by the same rules.
void requireDatagram(std::string_view input, ProxyHeaderState state, const ProxyHeader& header) {
  const std::vector<char> exact(input.begin(), input.end());
  ProxyHeader read;
  const ProxyHeaderState decided = readDatagramHeader({exact.data(), exact.size()}, read);
  require(decided != ProxyHeaderState::Partial);
  const bool isBinary = decided == ProxyHeaderState::Done;
  require(!isBinary || (state == ProxyHeaderState::Done && read.bytes == header.bytes));
  require(!isBinary || !header.source.isKnown() || isSame(read.source, header.source));
}

/// IPv4-mapped addresses are IPv4 wherever they are looked at.
IpPort normal(const IpPort& address) {
  return address.isKnown() ? IpPort::of(address.socketAddress()) : address;
}

void requireWritten(const ProxyHeader& header, ProxySend version) {
  std::array<char, kMaxSentProxyHeaderBytes> into;
  const IpPort source = normal(header.source);
  const IpPort destination = normal(header.destination);
  const std::string_view written = writeProxyHeader(version, source, destination, into);
  ProxyHeader again;
  require(readExactly(written, again) == ProxyHeaderState::Done);
  require(again.bytes == written.size());
  require(isSame(normal(again.source), source) && isSame(normal(again.destination), destination));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // RULE: libFuzzer hands over bytes as uint8_t, the parsers read char.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ProxyHeader header;
  const ProxyHeaderState state = readExactly(input, header);
  requireDatagram(input, state, header);
  // The cuts that decide: within what tells the versions apart, and around the end.
  for (const std::size_t cut : {std::size_t{1}, std::size_t{6}, std::size_t{13}, size / 2, size}) {
    ProxyHeader early;
    const std::string_view begin = input.substr(0, std::min(cut, size));
    const ProxyHeaderState before = readExactly(begin, early);
    require(before == ProxyHeaderState::Partial || before == state);
  }
  if (state != ProxyHeaderState::Done) {
    return 0;
  }
  require(header.bytes > 0 && header.bytes <= std::min(size, kMaxProxyHeaderBytes));
  require(header.source.isKnown() == header.destination.isKnown());
  ProxyHeader alone;
  require(readExactly(input.substr(0, header.bytes), alone) == ProxyHeaderState::Done);
  require(alone.bytes == header.bytes && isSame(alone.source, header.source));
  require(readExactly(input.substr(0, header.bytes - 1), alone) == ProxyHeaderState::Partial);
  requireWritten(header, ProxySend::V1);
  requireWritten(header, ProxySend::V2);
  return 0;
}
