// Makes one connection for a forward proxy: to whichever address of the destination answers first
// (RFC 8305), or to a parent that is then asked to go on to the destination.
//
//   state      | meaning
//   Idle       | before begin()
//   Connecting | attempts are under way, one more every quarter of a second
//   Securing   | TLS handshake with the parent
//   Greeting   | SOCKS5: the method is being agreed on
//   LoggingIn  | SOCKS5: name and password were sent
//   Asking     | the parent was asked to connect
//   Open       | the stream is the owner's
//   Over       | failed, or dropped
//
// Lives on one worker, from a slab; the stream that it opened lives as long as it does.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "http/head_writer.h"
#include "net/proxy_header.h"
#include "net/stream.h"
#include "policy/destination.h"
#include "relay/context.h"
#include "socks/messages.h"

namespace sluice::relay {

class DialOwner {
 public:
  /// `stream` is open and its owner is still the dial: setOwner(), or release() it. `early`: what
  /// came behind a parent's consent.
  virtual void onDialed(net::Stream& stream, std::string_view early) noexcept = 0;
  virtual void onDialFailed(Errc why) noexcept = 0;

 protected:
  ~DialOwner() = default;
};

class Dial final : public net::StreamOwner, public net::TimerOwner, public net::Disposable {
 public:
  Dial(Context& context, DialOwner& owner, const upstream::PlanLease& plan) noexcept;

  /// Connects to the first of `addresses` (at most kMaxAddresses) that answers. Other than
  /// Errc::None: failed at once, and the owner is not told.
  [[nodiscard]] Errc connect(std::span<const net::IpPort> addresses, const plan::Forward& forward,
                             std::uint32_t timeoutMs) noexcept;
  /// Connects to `target` of `pool`, and has it connect to `destination`.
  [[nodiscard]] Errc connectVia(const plan::Pool& pool,
                                const std::shared_ptr<upstream::TargetPool>& target,
                                const policy::Destination& destination,
                                std::uint32_t timeoutMs) noexcept;

  [[nodiscard]] net::Stream& stream() noexcept { return *streams_[winner_]; }
  /// Where the stream leads, when it was connected directly.
  [[nodiscard]] const net::IpPort& address() const noexcept { return addresses_[reached_]; }
  /// Closes what is open and tells nobody. Frees itself at the end of the turn.
  void drop() noexcept;
  void dispose() noexcept override;

 private:
  static constexpr std::size_t kMaxAddresses = 16;
  /// Attempts at a time.
  static constexpr std::size_t kMaxStreams = 3;

  enum class State : std::uint8_t {
    Idle,
    Connecting,
    Securing,
    Greeting,
    LoggingIn,
    Asking,
    Open,
    Over
  };

  void onReceived(net::Stream& stream, std::string_view bytes) noexcept override;
  void onReceiveEnd(net::Stream& stream, net::StreamEnd end) noexcept override;
  void onSendRoom(net::Stream&) noexcept override {}
  void onConnected(net::Stream& stream, Errc outcome) noexcept override;
  void onTimer(net::Timer& timer) noexcept override;

  [[nodiscard]] bool tryNext() noexcept;
  [[nodiscard]] bool isTrying() const noexcept;
  void onAttemptFailed(Errc why) noexcept;
  void onReached(std::size_t slot) noexcept;
  void askParent() noexcept;
  void writeAuthority(http::HeadWriter& out) const noexcept;
  void askHttp() noexcept;
  void greetSocks() noexcept;
  void logIn() noexcept;
  void askSocks() noexcept;
  void readParent() noexcept;
  void readHttp() noexcept;
  void readSocks() noexcept;
  [[nodiscard]] bool hasRead(socks::State state) noexcept;
  [[nodiscard]] bool takeVerdict(const socks::Verdict& verdict, std::uint8_t wanted) noexcept;
  void say(std::string_view message) noexcept;
  void open(std::size_t consumed) noexcept;
  void fail(Errc why) noexcept;
  void closeStreams(std::size_t but) noexcept;

  Context& context_;
  DialOwner* owner_;
  upstream::PlanLease plan_;
  State state_ = State::Idle;
  bool isLoggedIn_ = false;
  std::uint8_t addressCount_ = 0;
  /// The next address to try.
  std::uint8_t next_ = 0;
  std::uint8_t winner_ = 0;
  std::uint8_t reached_ = 0;
  /// The address that each stream tries.
  std::array<std::uint8_t, kMaxStreams> tried_{};
  std::array<net::IpPort, kMaxAddresses> addresses_;
  std::array<std::optional<net::Stream>, kMaxStreams> streams_;
  const plan::Forward* forward_ = nullptr;
  const plan::Pool* pool_ = nullptr;
  std::shared_ptr<upstream::TargetPool> parent_;
  policy::Destination destination_;
  Errc lastFailure_ = Errc::ConnectFailed;
  net::Timer patience_;
  net::Timer stagger_;
  /// What a parent has answered so far.
  ByteQueue in_;
};

} // namespace sluice::relay
