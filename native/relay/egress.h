// What a forward proxy decides before it connects: who the client is, which rule its wish falls
// under, which addresses the destination has, and which of them may be connected to. Asks the
// control plane where that is not known, and tells its owner when it is decided.
//
//   state    | waits for
//   Idle     | begin()
//   Password | the control plane's verdict
//   Name     | the addresses of the destination
//   Decided  | -
//
// One for each request, tunnel or association; lives on one worker, from a slab.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/proxy_header.h"
#include "policy/decide.h"
#include "policy/destination.h"
#include "relay/context.h"
#include "relay/user_meter.h"

namespace sluice::relay {

/// What the client asks for besides the destination; as long as nothing is decided the owner can
/// tell it again.
struct EgressWish {
  /// CONNECT and SOCKS for tunnels.
  std::string_view method;
  /// In normal form; empty for tunnels.
  std::string_view path;
  /// The ports that may be asked for; nothing: all.
  std::optional<std::span<const plan::PortRange>> ports;
};

/// The credentials of a client; null name: it gave none.
struct EgressLogin {
  std::string_view name;
  std::string_view password;
};

class EgressOwner {
 public:
  [[nodiscard]] virtual EgressWish wish() noexcept = 0;
  /// The outcome, during begin() or later: Errc::None or why not.
  virtual void onDecided(Errc outcome) noexcept = 0;
  /// After wakeIn().
  virtual void onPaceOver() noexcept = 0;

 protected:
  ~EgressOwner() = default;
};

class Egress final : public upstream::NameWaiter,
                     public upstream::VerdictWaiter,
                     public net::TimerOwner,
                     public net::Disposable {
 public:
  /// The most addresses of a destination that are looked at.
  static constexpr std::size_t kMaxAddresses = 16;

  Egress(Context& context, EgressOwner& owner, const upstream::PlanLease& plan,
         std::uint32_t listener) noexcept;

  /// `own`: what the client connected to. `login`: null when the client gave none.
  void begin(const policy::Destination& destination, const net::SocketAddress& client,
             const net::IpPort& own, const EgressLogin* login) noexcept;
  /// In place of begin(), for a client that was on its way to `address` and gives no password. The
  /// host of `destination` is what the client calls it: rules may go by it, but it is not looked
  /// up. `address` is judged, and is where to connect.
  void beginAt(const policy::Destination& destination, const net::IpPort& address,
               const net::SocketAddress& client, const net::IpPort& own) noexcept;
  /// The outcome is wanted no more. Frees itself at the end of the turn.
  void drop() noexcept;
  void dispose() noexcept override;

  [[nodiscard]] const policy::Destination& destination() const noexcept { return destination_; }
  /// The rule that decided; null when none was reached.
  [[nodiscard]] const plan::Route* route() const noexcept { return route_; }
  /// Decided well, and the pool is not a parent: where to connect, in the order to try.
  [[nodiscard]] std::span<const net::IpPort> addresses() const noexcept {
    return {addresses_.data(), addressCount_};
  }
  /// Refused because of the port alone.
  [[nodiscard]] bool isPortRefused() const noexcept { return isPortRefused_; }
  [[nodiscard]] UserMeter& meter() noexcept { return meter_; }
  /// Calls onPaceOver() then.
  void wakeIn(std::uint32_t delayMs) noexcept { context_.loop.arm(pace_, delayMs); }
  /// Null: nobody was asked who they are, or the answer was wrong.
  [[nodiscard]] const plan::User* user() const noexcept { return user_; }

  // For SOCKS, whose clients say who they are before they say where to:

  /// In place of begin(), for a client that is known to be `user`, or whom nobody asked: begins to
  /// count for it. Other than Errc::None: a limit is in the way.
  [[nodiscard]] Errc admit(const plan::User* user, const net::SocketAddress& client,
                           const net::IpPort& own) noexcept;
  /// For another destination of the same client; does not count for the user.
  void follow(const Egress& other) noexcept;
  /// Decides anew for another destination; the outcome comes as from begin().
  void redirect(const policy::Destination& destination) noexcept;

 private:
  enum class State : std::uint8_t { Idle, Password, Name, Decided };

  void onName(const upstream::NameAnswer& answer) noexcept override;
  void onVerdict(bool isRight) noexcept override;
  void onTimer(net::Timer&) noexcept override { owner_->onPaceOver(); }

  void authenticate(const EgressLogin* login) noexcept;
  void admitUser() noexcept;
  void decideByName() noexcept;
  void decideByAddress(std::span<const net::IpPort> found) noexcept;
  /// The position of a rule, or policy::kNeedsAddresses.
  [[nodiscard]] std::uint32_t decide(const EgressWish& wish,
                                     std::span<const std::uint8_t> address) noexcept;
  [[nodiscard]] bool isPermitted(const net::IpPort& address) const noexcept;
  [[nodiscard]] bool isOwn(const net::IpPort& address) const noexcept;
  void enter(std::uint32_t rule) noexcept;
  void finish(Errc outcome) noexcept;
  [[nodiscard]] const plan::Listener& listener() const noexcept;
  [[nodiscard]] const plan::Forward& forward() const noexcept;

  Context& context_;
  EgressOwner* owner_;
  upstream::PlanLease plan_;
  std::uint32_t listenerIndex_;
  State state_ = State::Idle;
  bool isPortRefused_ = false;
  policy::Destination destination_;
  net::SocketAddress client_;
  net::IpPort own_;
  /// Whom the client says it is, and is.
  const plan::User* claimed_ = nullptr;
  const plan::User* user_ = nullptr;
  const plan::Route* route_ = nullptr;
  std::uint8_t addressCount_ = 0;
  std::array<net::IpPort, kMaxAddresses> addresses_;
  UserMeter meter_;
  net::Timer pace_;
};

} // namespace sluice::relay
