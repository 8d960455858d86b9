// The credentials of Proxy-Authorization, scheme Basic (RFC 7617).
#pragma once

#include <span>
#include <string_view>

#include "http/head.h"

namespace sluice::http {

/// False unless there is one such field and it holds a name and a password, decoded into `into`.
[[nodiscard]] bool readBasic(const FieldList& fields, std::span<char> into, std::string_view& name,
                             std::string_view& password) noexcept;

} // namespace sluice::http
