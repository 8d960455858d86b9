#include "policy/page.h"

#include <algorithm>
#include <cstring>

namespace sluice::policy {
namespace {

std::string_view valueOf(PagePartKind part, const PageValues& values) noexcept {
  switch (part) {
  case PagePartKind::Literal:
    return {};
  case PagePartKind::Host:
    return values.host;
  case PagePartKind::Port:
    return values.port;
  case PagePartKind::Rule:
    return values.rule;
  case PagePartKind::Client:
    return values.client;
  case PagePartKind::User:
    return values.user;
  case PagePartKind::Reason:
    return values.reason;
  }
  return {};
}

/// Empty: the character stands for itself.
std::string_view escapeOf(char c) noexcept {
  switch (c) {
  case '&':
    return "&amp;";
  case '<':
    return "&lt;";
  case '>':
    return "&gt;";
  case '"':
    return "&quot;";
  case '\'':
    return "&#39;";
  default:
    return {};
  }
}

/// Writes what there is room for, counts everything.
class Writer {
 public:
  explicit Writer(std::span<char> into) noexcept : into_(into) {}

  void put(std::string_view text) noexcept {
    const std::size_t room = into_.size() - std::min(length_, into_.size());
    const std::size_t fits = std::min(text.size(), room);
    if (fits > 0) {
      std::memcpy(into_.data() + length_, text.data(), fits);
    }
    length_ += text.size();
  }

  void putEscaped(std::string_view text) noexcept {
    for (const char& c : text) {
      const std::string_view escape = escapeOf(c);
      put(escape.empty() ? std::string_view(&c, 1) : escape);
    }
  }

  [[nodiscard]] std::size_t length() const noexcept { return length_; }

 private:
  std::span<char> into_;
  std::size_t length_ = 0;
};

} // namespace

std::size_t fillPage(std::span<const plan::PagePiece> page, const PageValues& values,
                     std::span<char> into) noexcept {
  Writer out(into);
  for (const plan::PagePiece& piece : page) {
    if (piece.part == PagePartKind::Literal) {
      out.put(piece.text);
    } else {
      out.putEscaped(valueOf(piece.part, values));
    }
  }
  return out.length();
}

} // namespace sluice::policy
