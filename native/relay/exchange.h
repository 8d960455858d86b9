// One request and its response, between a client session and an upstream session: route, pick,
// connect or reuse, retry, timeouts, statistics, the log line. Knows policy and no protocol.
//
//   phase      | meaning                                     | ends by
//   Idle       | no request                                  | begin()
//   Admitting  | forward: what is permitted is being found   | onDecided()
//   Dialing    | forward: a connection is being made         | onDialed(), onDialFailed()
//   Connecting | the upstream connection is being made       | onConnected(), timeout -> next target
//   Waiting    | request under way, no response head yet     | onResponse(), failure -> retry or error
//   Responding | head sent, body under way                   | its end, or a cut
//   Switched   | the connections are a tunnel                | onTunnelEnd()
//
// Embedded in its client session, which lives on one worker; used for one request after another.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "net/proxy_header.h"
#include "net/pump.h"
#include "policy/destination.h"
#include "relay/context.h"
#include "relay/dial.h"
#include "relay/egress.h"
#include "relay/flow_stats.h"
#include "relay/session.h"
#include "relay/target_tries.h"

namespace sluice::relay {

class Exchange final : public net::TimerOwner,
                       public net::PumpOwner,
                       public EgressOwner,
                       public DialOwner {
 public:
  Exchange(Context& context, ClientSession& client) noexcept;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  // From the client session:

  /// A request head has arrived (client_.request() can describe it again). May answer at once.
  void begin(const upstream::PlanLease& plan, std::uint32_t listener,
             const http::RequestHead& head) noexcept;
  [[nodiscard]] bool isActive() const noexcept { return phase_ != Phase::Idle; }
  /// Whether takeBody() would find a taker now.
  [[nodiscard]] bool wantsBody() const noexcept;
  void onRequestBody(const BodySlices& body) noexcept;
  /// The request body is malformed or too large.
  void onRequestBad(Errc why) noexcept;
  /// The client is gone: give the request up.
  void onClientGone(Errc why) noexcept;
  /// What the client session held back has been sent.
  void onClientRoom() noexcept;
  void onTunnelEnd(Errc why, std::uint64_t bytesIn, std::uint64_t bytesOut) noexcept;

  // From the upstream session:

  /// What the connection begins with, ahead of TLS: a PROXY header in `into`, or nothing.
  [[nodiscard]] std::string_view
  proxyHeader(std::span<char, net::kMaxSentProxyHeaderBytes> into) const noexcept;
  void onConnected(Errc outcome) noexcept;
  void onInterim(const http::ResponseHead& head) noexcept;
  void onResponse(const http::ResponseHead& head, const BodySlices& body) noexcept;
  void onResponseBody(const BodySlices& body) noexcept;
  /// The target switched protocols; `head` is the 101, `early` what came behind it.
  void onSwitched(const http::ResponseHead& head, std::string_view early) noexcept;
  /// The upstream connection failed or broke the protocol before the response was complete.
  void onUpstreamFailed(Errc why) noexcept;
  void onUpstreamRoom() noexcept;

  // For the client session's tunnel:
  [[nodiscard]] const FlowStats& stats() const noexcept { return stats_; }
  [[nodiscard]] const plan::Listener& listener() const noexcept;

 private:
  enum class Phase : std::uint8_t {
    Idle,
    Admitting,
    Dialing,
    Connecting,
    Waiting,
    Responding,
    Switched
  };
  void onTimer(net::Timer& timer) noexcept override;
  void onPumped(net::Pump& pump, std::size_t bytes) noexcept override;
  void onPumpEnd(net::Pump& pump, net::PumpEnd end) noexcept override;

  [[nodiscard]] const plan::Pool& pool() const noexcept;
  [[nodiscard]] const plan::Target& target() const noexcept;
  [[nodiscard]] bool normalizePath(const http::RequestHead& head, std::string_view& path) noexcept;
  void answerLocally(const http::RequestHead& head, std::string_view path) noexcept;
  void enterRoute(const plan::Route& route) noexcept;
  void enterPool() noexcept;

  // Forward proxies (exchange_forward.cc):
  void beginForward(const http::RequestHead& head) noexcept;
  [[nodiscard]] EgressWish wish() noexcept override;
  void onDecided(Errc outcome) noexcept override;
  void onDialed(net::Stream& stream, std::string_view early) noexcept override;
  void onDialFailed(Errc why) noexcept override;
  void answerPac(const http::RequestHead& head) noexcept;
  [[nodiscard]] bool readDestination(const http::RequestHead& head,
                                     policy::Destination& out) const noexcept;
  [[nodiscard]] bool needsDial() const noexcept;
  [[nodiscard]] UpstreamSession* reuseOrigin() noexcept;
  [[nodiscard]] bool dialTarget(bool mayReuse, Errc& why) noexcept;
  void refuse(Errc why) noexcept;
  void dropDial() noexcept;
  void dropEgress() noexcept;
  void onPaceOver() noexcept override;
  void pace() noexcept;
  [[nodiscard]] bool isOutOfQuota() noexcept;
  [[nodiscard]] const plan::Forward& forward() const noexcept;

  [[nodiscard]] bool pickTarget() noexcept;
  /// Connects to, or takes an idle connection of, the next target; answers with an error when none
  /// is left.
  void tryNext(Errc why) noexcept;
  [[nodiscard]] bool tryTarget(bool mayReuse, Errc& why) noexcept;
  void sendRequest() noexcept;
  [[nodiscard]] bool mayRetry(Errc why) const noexcept;
  void fail(Errc why) noexcept;
  void afterUpstreamSend(SendState state) noexcept;
  void afterClientSend(SendState state, bool isResponseEnd) noexcept;
  void armForProgress() noexcept;
  [[nodiscard]] bool isWorthSplicing(net::Stream& sink, std::uint64_t remaining) noexcept;
  void spliceResponse() noexcept;
  void spliceRequest() noexcept;
  void complete() noexcept;
  void dropUpstream() noexcept;
  void stopRequestPump() noexcept;
  /// Counts, logs and returns to Idle.
  void end(Errc why) noexcept;
  /// Counts and logs. Before an answer of our own is sent, so that whoever has it finds it counted.
  void account(Errc why) noexcept;
  /// Lets go of what the exchange used, and returns to Idle.
  void leave() noexcept;
  void countResponse(std::uint64_t bytes) noexcept;
  void countRequest(std::uint64_t bytes) noexcept;

  Context& context_;
  ClientSession& client_;
  Phase phase_ = Phase::Idle;
  bool isIdempotent_ = false;
  bool hasBody_ = false;
  bool wantsUpgrade_ = false;
  bool hasSentBody_ = false;
  /// The client / the upstream takes no more for now.
  bool isClientBlocked_ = false;
  bool isUpstreamBlocked_ = false;
  std::uint8_t interims_ = 0;
  std::uint16_t status_ = 0;
  std::uint32_t listenerIndex_ = 0;
  upstream::PlanLease plan_;
  const plan::Route* route_ = nullptr;
  UpstreamSession* upstream_ = nullptr;
  /// Of a forward proxy, while a request is under way.
  Egress* egress_ = nullptr;
  Dial* dial_ = nullptr;
  bool isConnect_ = false;
  /// The upstream connection is authenticated as this client, and is nobody else's.
  bool isBound_ = false;
  /// The user is ahead of the bandwidth: nothing moves for now.
  bool isPaced_ = false;
  TargetTries tries_;
  FlowStats stats_;
  std::uint64_t startNs_ = 0;
  std::uint64_t headNs_ = 0;
  std::uint64_t bytesIn_ = 0;
  std::uint64_t bytesOut_ = 0;
  net::Timer timer_;
  net::Pump requestPump_;
  net::Pump responsePump_;
};

} // namespace sluice::relay
