// Which route a request takes: the first one, as written, whose host and path match.
#pragma once

#include <span>
#include <string_view>

#include "plan/plan.h"

namespace sluice::http {

/// `host` as received but without port (empty when there is none): compared without case, one
/// trailing dot ignored. `path` in normal form. Null when no route matches.
/// What routes look at in a client's certificate.
struct ClientIdentity {
  bool isVerified = false;
  std::string_view commonName;
  std::string_view fingerprint;
};

[[nodiscard]] const plan::Route* matchRoute(std::span<const plan::Route> routes,
                                            std::string_view host, std::string_view path,
                                            const ClientIdentity& client = {}) noexcept;

/// The path after stripPrefix and addPrefix, as the two pieces it consists of.
struct RewrittenPath {
  std::string_view prefix;
  std::string_view rest;
};
[[nodiscard]] RewrittenPath rewritePath(const plan::Route& route, std::string_view path) noexcept;

} // namespace sluice::http
