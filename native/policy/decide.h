// What becomes of a request to a forward proxy: the first rule that matches decides. The meaning is
// that of src/plan/decide.ts; test/vectors/decide.txt binds both.
//
// Pure; any thread. Never allocates.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/local_clock.h"
#include "plan/plan.h"
#include "policy/destination.h"

namespace sluice::policy {

struct Question {
  /// 4 or 16 bytes; none where the client has no address.
  std::span<const std::uint8_t> client;
  /// Empty: nobody in particular.
  std::string_view user;
  const Destination& destination;
  /// As received; CONNECT and SOCKS for tunnels.
  std::string_view method;
  /// In normal form; empty for tunnels, whose paths nobody sees.
  std::string_view path;
  LocalTime time;
  /// One address of a destination that is a name, 4 or 16 bytes; none while none is known.
  std::span<const std::uint8_t> address;
};

/// In place of a rule: it depends on the addresses of the name. Resolve it, and ask again for each.
inline constexpr std::uint32_t kNeedsAddresses = 0xffff'ffff;

/// Position of the rule in `forward`, which is that of the route in the listener's; or
/// kNeedsAddresses.
[[nodiscard]] std::uint32_t decide(const plan::Plan& plan, const plan::Forward& forward,
                                   const Question& question) noexcept;

/// Whether a window is open.
[[nodiscard]] bool isWithin(const plan::TimeWindow& window, const LocalTime& time) noexcept;

} // namespace sluice::policy
