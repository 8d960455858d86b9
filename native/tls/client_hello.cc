#include "tls/client_hello.h"

#include <algorithm>

namespace sluice::tls {

namespace {

std::size_t read16(std::string_view bytes) noexcept {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 |
         static_cast<unsigned char>(bytes[1]);
}

bool isNameByte(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

} // namespace

std::string_view lowerName(std::string_view name, std::span<char, kMaxServerName> into) noexcept {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (name.size() > into.size()) {
    return {};
  }
  std::transform(name.begin(), name.end(), into.begin(), lower);
  return {into.data(), name.size()};
}

bool readServerName(std::string_view extension, std::span<char, kMaxServerName> into,
                    std::string_view& name) noexcept {
  name = {};
  // A list of one entry: its type, 0 for a host name, and the name behind its length.
  if (extension.size() < 5 || read16(extension) != extension.size() - 2) {
    return false;
  }
  extension.remove_prefix(2);
  const std::size_t size = read16(extension.substr(1));
  if (extension[0] != 0 || size != extension.size() - 3 || size == 0) {
    return false;
  }
  extension.remove_prefix(3);
  name = lowerName(extension, into);
  const bool isGood = !name.empty() && std::all_of(name.begin(), name.end(), isNameByte);
  if (!isGood) {
    name = {};
  }
  return isGood;
}

} // namespace sluice::tls
