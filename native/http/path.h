// The one normal form of a path: we route on it and we forward it, so that nobody behind us reads
// another path than the one that was routed.
#pragma once

#include <span>
#include <string_view>

namespace sluice::http {

struct PathResult {
  /// False: answer 400.
  bool ok = false;
  std::string_view path;
};

/// `path` begins with '/' and has no query. Escaped unreserved characters are decoded, other
/// escapes get upper-case hex, dot segments are removed; `//` and `%2F` stay. Refused: invalid
/// escapes, %00, climbing above the root, a backslash, '#', controls, spaces and anything beyond
/// ASCII. The result is `path` itself when it is normal already, else text in `scratch`, which must
/// have room for path.size() bytes. The "*" of OPTIONS * is its own normal form.
[[nodiscard]] PathResult normalizePath(std::string_view path, std::span<char> scratch) noexcept;

} // namespace sluice::http
