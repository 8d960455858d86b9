// Credentials in requests: those of Proxy-Authorization, scheme Basic (RFC 7617), and those that
// stick to their connection.
#pragma once

#include <span>
#include <string_view>

#include "http/head.h"

namespace sluice::http {

/// False unless there is one such field and it holds a name and a password, decoded into `into`.
[[nodiscard]] bool readBasic(const FieldList& fields, std::span<char> into, std::string_view& name,
                             std::string_view& password) noexcept;

/// Whether a request has credentials of a scheme that authenticates the connection and not the
/// request alone (RFC 4559, NTLM): whoever came next on it would be taken for the same person.
[[nodiscard]] bool bindsConnection(const FieldList& fields) noexcept;

} // namespace sluice::http
