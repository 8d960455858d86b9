// What request and response heads share: the answer of a parse, the fields and what is known about
// each. Every view points into the caller's input (or at a literal) and lives as long as it. A head
// object belongs to one worker and is used again for every message, so clearing it costs nothing.
// Nothing in http/ touches a socket, a clock or the heap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "generated/codes.h"

namespace sluice::http {

enum class ParseState : std::uint8_t {
  Done,
  /// The input ends too early; nothing wrong so far.
  Partial,
  Bad,
};

struct ParseResult {
  ParseState state = ParseState::Partial;
  /// Set when Bad.
  Errc error = Errc::None;
  /// Done: bytes of the head with its empty line, and with the one CRLF tolerated in front of a
  /// request.
  std::uint32_t consumed = 0;
};

/// The fields that mean something to a proxy. Everything else is Other and only passed on.
enum class FieldId : std::uint8_t {
  Other,
  Host,
  Connection,
  ContentLength,
  TransferEncoding,
  Upgrade,
  KeepAlive,
  Te,
  Trailer,
  Expect,
  Proxy,
  ProxyConnection,
  ProxyAuthenticate,
  ProxyAuthorization,
  ProxyAuthenticationInfo,
  ProxyStatus,
  XForwardedFor,
  XForwardedProto,
  XForwardedHost,
  /// Any other name that begins with `X-Forwarded-`.
  XForwardedOther,
  XRealIp,
  Forwarded,
  Authorization,
  Cookie,
  SetCookie,
  Http2Settings,
  SecWebSocketVersion,
  ContentType,
  Date,
  Server,
  Location,
  /// A name that differs from one with a hyphen in this list by having `_` for some `-`: many
  /// applications cannot tell the two apart, so it is never forwarded in a request.
  UnderscoreTwin,
};
inline constexpr std::size_t kFieldIdCount = static_cast<std::size_t>(FieldId::UnderscoreTwin) + 1;
static_assert(kFieldIdCount <= 64, "FieldList keeps sets of ids in 64 bits");

/// The id of a field name, compared without case. `name` must be a token.
[[nodiscard]] FieldId fieldIdOf(std::string_view name) noexcept;

struct Field {
  std::string_view name;
  /// Without the white space around it.
  std::string_view value;
  /// The whole line as received, with its CRLF.
  std::string_view line;
  FieldId id;
  /// The line may be forwarded as it stands: `name ": " value CRLF` and nothing in it to normalise.
  bool isCanonical;
  /// Named by Connection, so it ends here.
  bool isNominated;
};

inline constexpr std::size_t kMaxFields = 256;

class FieldList {
 public:
  void clear() noexcept {
    count_ = 0;
    present_ = 0;
    repeated_ = 0;
  }
  /// The caller has checked that there is room.
  Field& add(FieldId id) noexcept {
    const std::uint64_t bit = bitOf(id);
    if ((present_ & bit) == 0) {
      present_ |= bit;
      first_[static_cast<std::size_t>(id)] = static_cast<std::uint8_t>(count_);
    } else {
      repeated_ |= bit;
    }
    Field& field = entries_[count_++];
    field.id = id;
    field.isNominated = false;
    return field;
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] const Field& operator[](std::size_t i) const noexcept { return entries_[i]; }
  [[nodiscard]] Field& operator[](std::size_t i) noexcept { return entries_[i]; }
  [[nodiscard]] const Field* begin() const noexcept { return entries_.data(); }
  [[nodiscard]] const Field* end() const noexcept { return entries_.data() + count_; }
  [[nodiscard]] Field* begin() noexcept { return entries_.data(); }
  [[nodiscard]] Field* end() noexcept { return entries_.data() + count_; }

  [[nodiscard]] bool has(FieldId id) const noexcept { return (present_ & bitOf(id)) != 0; }
  [[nodiscard]] bool hasRepeated(FieldId id) const noexcept { return (repeated_ & bitOf(id)) != 0; }
  /// The first field with this id (for Other: the first of all others), or null.
  [[nodiscard]] const Field* find(FieldId id) const noexcept {
    return has(id) ? &entries_[first_[static_cast<std::size_t>(id)]] : nullptr;
  }
  [[nodiscard]] Field* find(FieldId id) noexcept {
    return has(id) ? &entries_[first_[static_cast<std::size_t>(id)]] : nullptr;
  }

 private:
  static constexpr std::uint64_t bitOf(FieldId id) noexcept {
    return std::uint64_t{1} << static_cast<unsigned>(id);
  }

  std::uint32_t count_ = 0;
  std::uint64_t present_ = 0;
  std::uint64_t repeated_ = 0;
  std::array<std::uint8_t, kFieldIdCount> first_;
  // Left as it was by clear(): an entry is written before count_ says that it is there.
  std::array<Field, kMaxFields> entries_;
};

enum class BodyKind : std::uint8_t {
  None,
  /// contentLength bytes, which may be 0.
  Length,
  Chunked,
  /// Responses only.
  UntilClose,
};

/// Index just behind the first empty line at or after `from`, or npos. A bare LF ends a line here
/// too, so that a malformed head ends and can be refused. A caller that keeps what it has scanned
/// (and goes back 3 bytes) spends time linear in the head, however it was cut; then it parses once.
[[nodiscard]] std::size_t findHeadEnd(std::string_view input, std::size_t from) noexcept;

/// Without case; both sides ASCII.
[[nodiscard]] bool equalsIgnoreCase(std::string_view a, std::string_view b) noexcept;

} // namespace sluice::http
