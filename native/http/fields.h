// Field lines and the lists within their values, for both parsers. Internal to http/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "http/scan.h"

namespace sluice::http {

[[nodiscard]] constexpr bool isBlank(char c) noexcept {
  return c == ' ' || c == '\t';
}
[[nodiscard]] constexpr bool isDigit(char c) noexcept {
  return c >= '0' && c <= '9';
}

[[nodiscard]] inline std::string_view trimBlanks(std::string_view text) noexcept {
  while (!text.empty() && isBlank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && isBlank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

enum class FieldsState : std::uint8_t { Done, Partial, Malformed, TooMany };

struct FieldsResult {
  FieldsState state;
  /// Done: just behind the empty line.
  std::size_t end;
};

/// Parses field lines from `from` up to and with the empty line.
[[nodiscard]] FieldsResult parseFields(std::string_view input, std::size_t from, HeadIndex& index,
                                       std::size_t maxFields, FieldList& fields) noexcept;

/// Calls `visit` with each element of a comma-separated list, trimmed, empty ones too.
template<typename Visit>
void forEachElement(std::string_view list, Visit visit) noexcept {
  while (true) {
    const std::size_t comma = list.find(',');
    visit(trimBlanks(list.substr(0, comma)));
    if (comma == std::string_view::npos) {
      return;
    }
    list.remove_prefix(comma + 1);
  }
}

/// Calls `visit` with each element of all fields with this id.
template<typename Visit>
void forEachElementOf(const FieldList& fields, FieldId id, Visit visit) noexcept {
  const Field* field = fields.find(id);
  if (field == nullptr) {
    return;
  }
  const bool isRepeated = fields.hasRepeated(id);
  for (; field != fields.end(); ++field) {
    if (field->id == id) {
      forEachElement(field->value, visit);
      if (!isRepeated) {
        return;
      }
    }
  }
}

struct ConnectionOptions {
  bool hasClose = false;
  bool hasKeepAlive = false;
  bool hasUpgrade = false;
  /// Host or a framing field is named, or more names than anyone needs.
  bool isHostile = false;
};

/// Reads Connection and marks what it names. End-to-end fields that carry trust or identity stay
/// unmarked: a client could otherwise have us remove what we were to add or pass on.
[[nodiscard]] ConnectionOptions applyConnection(FieldList& fields) noexcept;

enum class Coding : std::uint8_t { Chunked, Unknown, Malformed };

/// Reads Transfer-Encoding, which must be there: Chunked for exactly one `chunked`; Unknown for
/// others in front of a final `chunked`.
[[nodiscard]] Coding readTransferEncoding(FieldList& fields) noexcept;

/// Reads Content-Length, which must be there: false unless it is once and digits only, below 2^63.
[[nodiscard]] bool readContentLength(FieldList& fields, std::uint64_t& length) noexcept;

} // namespace sluice::http
