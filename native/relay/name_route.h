// Where a tcp listener sends a client that asks for a name: the reference is findNameRoute() in
// src/plan/match.ts, and test/vectors/name-route.txt binds both. Pure; any thread.
#pragma once

#include <span>
#include <string_view>

#include "plan/plan.h"

namespace sluice::relay {

/// The first route, as written, that takes a client which asks for `serverName` (lower case; empty
/// = for none) and offers `alpn`: names, each behind a byte with its length, as the extension and
/// OpenSSL have them. Null when no route does.
[[nodiscard]] const plan::NameRoute* matchName(std::span<const plan::NameRoute> routes,
                                               std::string_view serverName,
                                               std::string_view alpn) noexcept;

} // namespace sluice::relay
