#include "http/basic.h"

#include <cstdint>

#include "http/fields.h"

namespace sluice::http {

namespace {

constexpr int kNoDigit = -1;

int digitOf(char c) noexcept {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (isDigit(c)) {
    return c - '0' + 52;
  }
  return c == '+' ? 62 : c == '/' ? 63 : kNoDigit;
}

/// RFC 4648, section 4, with its padding. False when it is no such text or too long.
bool decodeBase64(std::string_view text, std::span<char> into, std::size_t& size) noexcept {
  if (text.size() % 4 != 0) {
    return false;
  }
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  size = 0;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const int digit = digitOf(c);
    if (digit == kNoDigit) {
      return false;
    }
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      if (size == into.size()) {
        return false;
      }
      into[size++] = static_cast<char>(bits >> held & 0xff);
    }
  }
  // What is left over must be nothing: one text has one spelling.
  return (bits & ((1U << held) - 1)) == 0;
}

/// RFC 7617: no control characters; and UTF-8 (RFC 3629), as the challenge says.
bool isText(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto first = static_cast<unsigned char>(text[at++]);
    if (first < 0x20 || first == 0x7f) {
      return false;
    }
    if (first < 0x80) {
      continue;
    }
    const unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - at < more) {
      return false;
    }
    std::uint32_t point = first & (0x3fU >> more);
    for (unsigned i = 0; i < more; ++i) {
      const auto next = static_cast<unsigned char>(text[at++]);
      if ((next & 0xc0) != 0x80) {
        return false;
      }
      point = point << 6 | (next & 0x3fU);
    }
    const bool isOverlong = point < (more == 3 ? 0x10000U : more == 2 ? 0x800U : 0x80U);
    if (isOverlong || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
      return false;
    }
  }
  return true;
}

} // namespace

bool readBasic(const FieldList& fields, std::span<char> into, std::string_view& name,
               std::string_view& password) noexcept {
  const Field* field = fields.find(FieldId::ProxyAuthorization);
  if (field == nullptr || fields.hasRepeated(FieldId::ProxyAuthorization)) {
    return false;
  }
  constexpr std::string_view kScheme = "basic";
  if (!equalsIgnoreCase(field->value.substr(0, kScheme.size()), kScheme) ||
      field->value.size() <= kScheme.size() || !isBlank(field->value[kScheme.size()])) {
    return false;
  }
  std::size_t size = 0;
  if (!decodeBase64(trimBlanks(field->value.substr(kScheme.size())), into, size)) {
    return false;
  }
  const std::string_view text(into.data(), size);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || !isText(text)) {
    return false;
  }
  name = text.substr(0, colon);
  password = text.substr(colon + 1);
  return true;
}

bool bindsConnection(const FieldList& fields) noexcept {
  if (!fields.has(FieldId::Authorization)) {
    return false;
  }
  bool binds = false;
  for (const Field& field : fields) {
    if (field.id == FieldId::Authorization) {
      const std::string_view scheme = field.value.substr(0, field.value.find_first_of(" \t"));
      binds = binds || equalsIgnoreCase(scheme, "ntlm") || equalsIgnoreCase(scheme, "negotiate");
    }
  }
  return binds;
}

} // namespace sluice::http
