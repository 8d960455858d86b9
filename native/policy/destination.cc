#include "policy/destination.h"

#include <algorithm>
#include <cstring>

namespace sluice::policy {
namespace {

constexpr std::size_t kMaxName = 253;
constexpr std::size_t kMaxLabel = 63;
/// The longest text of an IPv6 address: the last 32 bits as IPv4.
constexpr std::size_t kMaxIpv6 = 45;
constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool isDigit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// -1: no hexadecimal digit.
int hexValue(char c) noexcept {
  if (isDigit(c)) {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// A number without sign and leading zeros.
bool readDecimal(std::string_view digits, std::uint32_t limit, std::uint32_t& out) noexcept {
  if (digits.empty() || digits.size() > 5 || (digits.size() > 1 && digits.front() == '0')) {
    return false;
  }
  out = 0;
  for (const char c : digits) {
    if (!isDigit(c)) {
      return false;
    }
    out = 10 * out + static_cast<std::uint32_t>(c - '0');
  }
  return out <= limit;
}

/// Four decimal numbers and nothing else.
bool readQuad(std::string_view text, std::span<std::uint8_t, 4> out) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t dot = i == 3 ? text.size() : text.find('.');
    std::uint32_t number = 0;
    if (dot == std::string_view::npos || !readDecimal(text.substr(0, dot), 255, number)) {
      return false;
    }
    out[i] = static_cast<std::uint8_t>(number);
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return true;
}

/// WHATWG URL, "ends in a number": some resolver reads an IPv4 address in it. `label`: the last one.
bool endsInNumber(std::string_view label) noexcept {
  if (std::all_of(label.begin(), label.end(), isDigit)) {
    return true;
  }
  return label.starts_with("0x") &&
         std::all_of(label.begin() + 2, label.end(), [](char c) { return hexValue(c) >= 0; });
}

/// A name or an IPv4 address.
bool parsePlainHost(std::string_view text, Destination& out) noexcept {
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > kMaxName) {
    return false;
  }
  std::size_t label = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    out.text[i] = lower;
    if (c == '.') {
      if (i == label) {
        return false;
      }
      label = i + 1;
    } else if (!((lower >= 'a' && lower <= 'z') || isDigit(c) || c == '-' || c == '_') ||
               i - label == kMaxLabel) {
      return false;
    }
  }
  if (label == text.size()) {
    return false;
  }
  out.length = static_cast<std::uint8_t>(text.size());
  if (!endsInNumber(out.host().substr(label))) {
    out.family = AddressFamily::Unix;
    return true;
  }
  out.family = AddressFamily::Ipv4;
  return readQuad(text, std::span(out.bytes).first<4>());
}

/// Groups between colons, up to `::` or the end of the text; the last may be an IPv4 address where
/// it is the end of the text. Adds them to `words`; false: malformed.
bool readGroups(std::string_view text, bool isEnd, std::span<std::uint16_t, 8> words,
                std::size_t& count) noexcept {
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    std::array<std::uint8_t, 4> quad{};
    if (isEnd && colon == std::string_view::npos && count <= 6 && readQuad(group, quad)) {
      words[count++] = static_cast<std::uint16_t>(quad[0] << 8 | quad[1]);
      words[count++] = static_cast<std::uint16_t>(quad[2] << 8 | quad[3]);
      return true;
    }
    if (group.empty() || group.size() > 4 || count == 8) {
      return false;
    }
    unsigned word = 0;
    for (const char c : group) {
      const int value = hexValue(c);
      if (value < 0) {
        return false;
      }
      word = word << 4 | static_cast<unsigned>(value);
    }
    words[count++] = static_cast<std::uint16_t>(word);
    if (colon == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(colon + 1);
    if (text.empty()) {
      return false;
    }
  }
  return true;
}

/// The text of an IPv6 address without brackets (RFC 4291, section 2.2).
bool parseIpv6(std::string_view text, Destination& out) noexcept {
  if (text.size() > kMaxIpv6) {
    return false;
  }
  const std::size_t gap = text.find("::");
  const bool hasGap = gap != std::string_view::npos;
  std::array<std::uint16_t, 8> head{};
  std::array<std::uint16_t, 8> tail{};
  std::size_t heads = 0;
  std::size_t tails = 0;
  if (!readGroups(text.substr(0, gap), !hasGap, head, heads) ||
      (hasGap && !readGroups(text.substr(gap + 2), true, tail, tails))) {
    return false;
  }
  // `::` stands for one group at least.
  if (hasGap ? heads + tails > 7 : heads != 8) {
    return false;
  }
  std::copy_n(tail.begin(), tails, head.end() - static_cast<std::ptrdiff_t>(tails));
  std::array<std::uint8_t, 16> bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[2 * i] = static_cast<std::uint8_t>(head[i] >> 8);
    bytes[2 * i + 1] = static_cast<std::uint8_t>(head[i]);
  }
  setDestinationAddress(bytes, out);
  return true;
}

/// RFC 5952, section 4; no part of it as IPv4.
void formatIpv6(Destination& out) noexcept {
  std::array<std::uint16_t, 8> words;
  for (std::size_t i = 0; i < 8; ++i) {
    words[i] = static_cast<std::uint16_t>(out.bytes[2 * i] << 8 | out.bytes[2 * i + 1]);
  }
  // The longest run of zeros, the first of equally long ones, if it is longer than one.
  std::size_t start = 8;
  std::size_t length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && words[end] == 0) {
      ++end;
    }
    if (end - i > length) {
      start = i;
      length = end - i;
    }
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  char* at = out.text.data();
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == start) {
      *at++ = ':';
      *at++ = ':';
      i += length - 1;
      continue;
    }
    if (i > 0 && at[-1] != ':') {
      *at++ = ':';
    }
    int shift = words[i] > 0xfff ? 12 : words[i] > 0xff ? 8 : words[i] > 0xf ? 4 : 0;
    for (; shift >= 0; shift -= 4) {
      *at++ = kDigits[words[i] >> shift & 0xf];
    }
  }
  out.length = static_cast<std::uint8_t>(at - out.text.data());
}

void formatIpv4(Destination& out) noexcept {
  char* at = out.text.data();
  for (std::size_t i = 0; i < 4; ++i) {
    const unsigned byte = out.bytes[i];
    if (i > 0) {
      *at++ = '.';
    }
    if (byte >= 100) {
      *at++ = static_cast<char>('0' + byte / 100);
    }
    if (byte >= 10) {
      *at++ = static_cast<char>('0' + byte / 10 % 10);
    }
    *at++ = static_cast<char>('0' + byte % 10);
  }
  out.length = static_cast<std::uint8_t>(at - out.text.data());
}

} // namespace

void setDestinationAddress(std::span<const std::uint8_t> address, Destination& out) noexcept {
  if (address.size() == 16 &&
      std::memcmp(address.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0) {
    address = address.subspan(12);
  }
  std::copy_n(address.begin(), address.size(), out.bytes.begin());
  if (address.size() == 4) {
    out.family = AddressFamily::Ipv4;
    formatIpv4(out);
  } else {
    out.family = AddressFamily::Ipv6;
    formatIpv6(out);
  }
}

bool parseDestinationHost(std::string_view host, Destination& out) noexcept {
  return host.find(':') == std::string_view::npos ? parsePlainHost(host, out)
                                                  : parseIpv6(host, out);
}

bool parseDestination(std::string_view authority, std::uint16_t defaultPort,
                      Destination& out) noexcept {
  const bool isBracketed = authority.starts_with('[');
  const std::size_t end = isBracketed ? authority.find(']') : authority.find(':');
  if (isBracketed && end == std::string_view::npos) {
    return false;
  }
  const std::string_view host =
      isBracketed ? authority.substr(1, end - 1) : authority.substr(0, end);
  std::string_view rest = authority.substr(std::min(isBracketed ? end + 1 : end, authority.size()));
  std::uint32_t port = defaultPort;
  if (!rest.empty()) {
    if (rest.front() != ':') {
      return false;
    }
    rest.remove_prefix(1);
    if (!rest.empty() && !readDecimal(rest, 65'535, port)) {
      return false;
    }
  }
  out.port = static_cast<std::uint16_t>(port);
  return port != 0 && (isBracketed ? parseIpv6(host, out) : parsePlainHost(host, out));
}

} // namespace sluice::policy
