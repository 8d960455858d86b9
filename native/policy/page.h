// The page that tells why a forward proxy refused, filled in and escaped: hosts and users are what a
// client wrote. The same in TypeScript is fillPage() of src/plan/page.ts; test/vectors/page.txt
// binds both.
//
// Pure; any thread. Never allocates.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "plan/plan.h"

namespace sluice::policy {

/// Why a destination is refused, as pages say it.
inline constexpr std::string_view kDeniedByRule = "a rule denies it";
inline constexpr std::string_view kDeniedPort = "its port is not permitted";
inline constexpr std::string_view kDeniedAddress = "its address is not public";

/// What the page tells of, as text.
struct PageValues {
  std::string_view host;
  std::string_view port;
  std::string_view rule;
  std::string_view client;
  std::string_view user;
  std::string_view reason;
};

/// The length of the whole page; as much of it as there is room for is in `into`, so that a first
/// call without room measures it.
std::size_t fillPage(std::span<const plan::PagePiece> page, const PageValues& values,
                     std::span<char> into) noexcept;

} // namespace sluice::policy
