#include "relay/name_route.h"

#include <algorithm>

namespace sluice::relay {

namespace {

bool matchesHost(const plan::HostMatch& match, std::string_view name) noexcept {
  switch (match.kind) {
  case HostMatchKind::Any:
    return true;
  case HostMatchKind::Exact:
    return name == match.value;
  case HostMatchKind::Suffix:
    return name.size() > match.value.size() && name.ends_with(match.value);
  }
  return false;
}

bool offers(std::string_view offered, std::string_view protocol) noexcept {
  while (!offered.empty()) {
    const std::size_t size = static_cast<unsigned char>(offered.front());
    offered.remove_prefix(1);
    if (offered.substr(0, size) == protocol) {
      return true;
    }
    offered.remove_prefix(std::min(size, offered.size()));
  }
  return false;
}

bool matchesProtocol(const plan::NameRoute& route, std::string_view offered) noexcept {
  return route.alpn.empty() ||
         std::any_of(route.alpn.begin(), route.alpn.end(),
                     [=](const auto& protocol) { return offers(offered, protocol); });
}

} // namespace

const plan::NameRoute* matchName(std::span<const plan::NameRoute> routes,
                                 std::string_view serverName, std::string_view alpn) noexcept {
  for (const plan::NameRoute& route : routes) {
    if (matchesHost(route.host, serverName) && matchesProtocol(route, alpn)) {
      return &route;
    }
  }
  return nullptr;
}

} // namespace sluice::relay
