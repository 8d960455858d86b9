#include "http/path.h"

#include <cstddef>

#include "http/scan.h"

namespace sluice::http {
namespace {

int hexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool isUnreserved(unsigned c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

/// Whether the segment that begins with the dot at `at` is "." or "..".
bool isDotSegment(std::string_view path, std::size_t at) {
  std::size_t end = at + 1;
  if (end < path.size() && path[end] == '.') {
    ++end;
  }
  return end == path.size() || path[end] == '/';
}

/// Decodes unreserved characters and checks all others. npos = refuse.
std::size_t decode(std::string_view path, char* out) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::size_t size = 0;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c != '%') {
      if (c <= ' ' || c == 0x7f || c == '\\' || c == '#' || c == '?') {
        return std::string_view::npos;
      }
      out[size++] = c;
      continue;
    }
    if (path.size() - i < 3) {
      return std::string_view::npos;
    }
    const int high = hexValue(path[i + 1]);
    const int low = hexValue(path[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
      return std::string_view::npos;
    }
    const auto value = static_cast<unsigned>(high * 16 + low);
    if (isUnreserved(value)) {
      out[size++] = static_cast<char>(value);
    } else {
      out[size++] = '%';
      out[size++] = hex[static_cast<std::size_t>(high)];
      out[size++] = hex[static_cast<std::size_t>(low)];
    }
    i += 2;
  }
  return size;
}

/// RFC 3986 5.2.4 in place, but climbing above the root is refused (npos).
std::size_t removeDotSegments(char* text, std::size_t size) {
  std::size_t out = 0;
  std::size_t at = 0;
  while (at < size) {
    const std::string_view rest(text + at + 1, size - at - 1);
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    const bool isLast = slash == std::string_view::npos;
    const bool isUp = segment == "..";
    at += 1 + segment.size();
    if (isUp) {
      if (out == 0) {
        return std::string_view::npos;
      }
      out = std::string_view(text, out).rfind('/');
    }
    if (isUp || segment == ".") {
      if (isLast) {
        text[out++] = '/';
      }
      continue;
    }
    text[out++] = '/';
    for (const char c : segment) {
      text[out++] = c;
    }
  }
  return out;
}

} // namespace

PathResult normalizePath(std::string_view path, std::span<char> scratch) noexcept {
  if (!path.starts_with('/')) {
    return {};
  }
  std::size_t at = findPathOddity(path, 1);
  while (at < path.size() && path[at] == '.' && !isDotSegment(path, at)) {
    at = findPathOddity(path, at + 1);
  }
  if (at == path.size()) {
    return {true, path};
  }
  if (scratch.size() < path.size()) {
    return {};
  }
  std::size_t size = decode(path, scratch.data());
  if (size == std::string_view::npos) {
    return {};
  }
  size = removeDotSegments(scratch.data(), size);
  if (size == std::string_view::npos) {
    return {};
  }
  return {true, {scratch.data(), size}};
}

} // namespace sluice::http
