#include "http/head.h"

#include <cstring>

namespace sluice::http {
namespace {

struct Known {
  std::string_view name;
  FieldId id;
};

// In lower case.
constexpr std::array kKnown{
    Known{"host", FieldId::Host},
    Known{"connection", FieldId::Connection},
    Known{"content-length", FieldId::ContentLength},
    Known{"transfer-encoding", FieldId::TransferEncoding},
    Known{"upgrade", FieldId::Upgrade},
    Known{"keep-alive", FieldId::KeepAlive},
    Known{"te", FieldId::Te},
    Known{"trailer", FieldId::Trailer},
    Known{"expect", FieldId::Expect},
    Known{"proxy", FieldId::Proxy},
    Known{"proxy-connection", FieldId::ProxyConnection},
    Known{"proxy-authenticate", FieldId::ProxyAuthenticate},
    Known{"proxy-authorization", FieldId::ProxyAuthorization},
    Known{"proxy-authentication-info", FieldId::ProxyAuthenticationInfo},
    Known{"proxy-status", FieldId::ProxyStatus},
    Known{"x-forwarded-for", FieldId::XForwardedFor},
    Known{"x-forwarded-proto", FieldId::XForwardedProto},
    Known{"x-forwarded-host", FieldId::XForwardedHost},
    Known{"x-real-ip", FieldId::XRealIp},
    Known{"forwarded", FieldId::Forwarded},
    Known{"authorization", FieldId::Authorization},
    Known{"cookie", FieldId::Cookie},
    Known{"set-cookie", FieldId::SetCookie},
    Known{"http2-settings", FieldId::Http2Settings},
    Known{"sec-websocket-version", FieldId::SecWebSocketVersion},
    Known{"content-type", FieldId::ContentType},
    Known{"date", FieldId::Date},
    Known{"server", FieldId::Server},
    Known{"location", FieldId::Location},
};

constexpr std::size_t kSlots = 128;
constexpr std::uint8_t kNoSlot = 0xff;

constexpr std::size_t slotOf(std::string_view name, unsigned seed) {
  const auto first = static_cast<unsigned char>(name.front() | 0x20);
  const auto last = static_cast<unsigned char>(name.back() | 0x20);
  const auto size = static_cast<unsigned>(name.size());
  return ((size * seed + first) * seed + last) * seed >> 7 & (kSlots - 1);
}

struct SlotTable {
  unsigned seed = 0;
  std::array<std::uint8_t, kSlots> slots{};
};

// The first seed under which no two names fall into one slot.
constexpr SlotTable kTable = [] {
  for (unsigned seed = 3; seed < 20'000; seed += 2) {
    SlotTable table;
    table.seed = seed;
    table.slots.fill(kNoSlot);
    bool isPerfect = true;
    for (std::size_t i = 0; i < kKnown.size() && isPerfect; ++i) {
      std::uint8_t& slot = table.slots[slotOf(kKnown[i].name, seed)];
      isPerfect = slot == kNoSlot;
      slot = static_cast<std::uint8_t>(i);
    }
    if (isPerfect) {
      return table;
    }
  }
  return SlotTable{};
}();
static_assert(kTable.seed != 0, "no seed separates the known names");

enum class NameMatch : std::uint8_t { None, Same, Twin };

/// `name` has no controls and at least as many bytes as `known`, which is in lower case.
NameMatch compareName(std::string_view name, std::string_view known) noexcept {
  NameMatch match = NameMatch::Same;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if ((name[i] | 0x20) != known[i]) {
      if (name[i] != '_' || known[i] != '-') {
        return NameMatch::None;
      }
      match = NameMatch::Twin;
    }
  }
  return match;
}

} // namespace

FieldId fieldIdOf(std::string_view name) noexcept {
  if (name.empty()) {
    return FieldId::Other;
  }
  const std::uint8_t slot = kTable.slots[slotOf(name, kTable.seed)];
  if (slot != kNoSlot && kKnown[slot].name.size() == name.size()) {
    const NameMatch match = compareName(name, kKnown[slot].name);
    if (match != NameMatch::None) {
      return match == NameMatch::Same ? kKnown[slot].id : FieldId::UnderscoreTwin;
    }
  }
  constexpr std::string_view prefix = "x-forwarded-";
  if ((name.front() | 0x20) == 'x' && name.size() > prefix.size()) {
    const NameMatch match = compareName(name, prefix);
    if (match != NameMatch::None) {
      return match == NameMatch::Same ? FieldId::XForwardedOther : FieldId::UnderscoreTwin;
    }
  }
  return FieldId::Other;
}

std::size_t findHeadEnd(std::string_view input, std::size_t from) noexcept {
  while (from < input.size()) {
    const void* found = std::memchr(input.data() + from, '\n', input.size() - from);
    if (found == nullptr) {
      break;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - input.data());
    const std::string_view rest = input.substr(at + 1);
    if (rest.starts_with('\n')) {
      return at + 2;
    }
    if (rest.starts_with("\r\n")) {
      return at + 3;
    }
    from = at + 1;
  }
  return std::string_view::npos;
}

bool equalsIgnoreCase(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) {
    return false;
  }
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) {
      return false;
    }
  }
  return true;
}

} // namespace sluice::http
