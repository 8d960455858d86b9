// What the exchange sees of the two sides of a request, whatever protocol they speak: a client
// session that brings requests and takes responses, an upstream session that takes requests and
// brings responses. Sessions know their protocol and no policy; the exchange knows policy and no
// protocol.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "http/answer.h"
#include "http/forward.h"
#include "http/request.h"
#include "http/response.h"
#include "http/route.h"
#include "net/proxy_header.h"
#include "net/socket_address.h"
#include "net/stream.h"
#include "plan/plan.h"
#include "upstream/target_pool.h"

namespace sluice::relay {

/// Payload as it was found in one receive: spans into the session's input, valid during the call.
struct BodySlices {
  static constexpr std::size_t kMax = 64;

  BodySlices() noexcept {}

  // Left uninitialised: only the first `count` mean anything.
  std::array<iovec, kMax> parts;
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  /// The body ends with these.
  bool isEnd = false;
  /// Trailer lines with their CRLFs, checked and canonical; only with isEnd.
  std::string_view trailers;

  void add(std::string_view part) noexcept {
    parts[count++] = {const_cast<char*>(part.data()), part.size()};
    bytes += part.size();
  }
  [[nodiscard]] bool isFull() const noexcept { return count == kMax; }
};

enum class SendState : std::uint8_t {
  Sent,
  /// Taken, but part of it waits in the session: send no more until there is room.
  Blocked,
  /// The connection is gone.
  Broken,
};

class ClientSession {
 public:
  /// Describes the request again, for another attempt. Valid until the next parse on this worker.
  [[nodiscard]] virtual const http::RequestHead& request() noexcept = 0;
  /// Takes the request body that has arrived. False when it is malformed or too large; `problem`
  /// says which.
  [[nodiscard]] virtual bool takeBody(BodySlices& body, Errc& problem) noexcept = 0;
  /// The exchange has become able to take (more of) the request body.
  virtual void resumeBody() noexcept = 0;
  /// All of the request has been handed to the exchange.
  [[nodiscard]] virtual bool isRequestComplete() const noexcept = 0;

  [[nodiscard]] virtual SendState sendInterim(const http::ResponseHead& head,
                                              const plan::Route& route) noexcept = 0;
  /// The response's head and what has arrived of its body.
  [[nodiscard]] virtual SendState sendResponse(const http::ResponseHead& head,
                                               const plan::Route& route,
                                               const BodySlices& body) noexcept = 0;
  [[nodiscard]] virtual SendState sendBody(const BodySlices& body) noexcept = 0;
  /// Whole answers of our own.
  virtual void sendError(Errc code) noexcept = 0;
  virtual void sendRespond(const plan::Route& route) noexcept = 0;
  virtual void sendRefusal(const http::Refusal& refusal) noexcept = 0;
  virtual void sendAnswer(std::uint16_t status, std::string_view contentType,
                          std::string_view body) noexcept = 0;
  /// The next answer is the last on this connection, and what came behind the request is no request.
  virtual void sayLast() noexcept = 0;
  /// Bytes came behind the request.
  [[nodiscard]] virtual bool hasMore() const noexcept = 0;
  /// CONNECT has succeeded: what follows is the tunnel's.
  virtual void sendEstablished() noexcept = 0;
  virtual void sendRedirect(const plan::Route& route, const http::RequestHead& head,
                            std::string_view path) noexcept = 0;
  /// The connection if bytes may bypass the session in one of the two directions, else null.
  [[nodiscard]] virtual net::Stream* spliceSink() noexcept = 0;
  [[nodiscard]] virtual net::Stream* spliceSource(std::uint64_t& remaining) noexcept = 0;
  /// So much of the request body bypassed the session.
  virtual void skipRequestBody(std::uint64_t bytes) noexcept = 0;
  virtual void skipResponseBody(std::uint64_t bytes) noexcept = 0;

  /// The 101 has been sent: both connections become a tunnel. `early`: what the target sent behind
  /// it.
  virtual void switchProtocols(net::Stream& upstream, std::string_view early) noexcept = 0;

  /// The response has been sent whole: go on with the next request.
  virtual void endExchange() noexcept = 0;
  /// The response cannot be completed: let the client see that it is cut.
  virtual void cut() noexcept = 0;

  /// What routes may look at in the client's certificate, and what targets are told of it.
  [[nodiscard]] virtual http::ClientIdentity identity() const noexcept = 0;
  [[nodiscard]] virtual std::span<const plan::HeaderEdit> edits() const noexcept = 0;
  /// False when the connection was made for other hosts than this one.
  [[nodiscard]] virtual bool mayAskFor(std::string_view host) const noexcept = 0;

  [[nodiscard]] virtual bool isTls() const noexcept = 0;
  [[nodiscard]] virtual const net::SocketAddress& address() const noexcept = 0;
  /// What the client connected to, as far as is known.
  [[nodiscard]] virtual const net::IpPort& destination() noexcept = 0;
  [[nodiscard]] virtual std::string_view addressText() const noexcept = 0;

 protected:
  ~ClientSession() = default;
};

class UpstreamSession {
 public:
  /// The request's head and what has arrived of its body.
  [[nodiscard]] virtual SendState sendRequest(const http::RequestHead& head,
                                              const http::ForwardContext& context,
                                              const BodySlices& body) noexcept = 0;
  [[nodiscard]] virtual SendState sendBody(const BodySlices& body) noexcept = 0;
  /// Receive no more of the response for now, and again.
  virtual void pauseResponse() noexcept = 0;
  virtual void resumeResponse() noexcept = 0;
  [[nodiscard]] virtual net::Stream* spliceSink() noexcept = 0;
  /// The connection and how much of the response body may bypass the session; null when none may.
  [[nodiscard]] virtual net::Stream* spliceSource(std::uint64_t& remaining) noexcept = 0;
  virtual void skipRequestBody(std::uint64_t bytes) noexcept = 0;
  virtual void skipResponseBody(std::uint64_t bytes) noexcept = 0;
  /// It had served another request before this one.
  [[nodiscard]] virtual bool isReused() const noexcept = 0;
  /// Payload of the response received and not yet delivered may be thrown away: close.
  virtual void abandon() noexcept = 0;
  /// The exchange is over: keep the connection for the next one if it is clean, else close it.
  virtual void release(std::uint32_t maxIdle, std::uint32_t idleMs) noexcept = 0;
  /// For a tunnel.
  [[nodiscard]] virtual net::Stream& stream() noexcept = 0;

 protected:
  ~UpstreamSession() = default;
};

class Exchange;
struct Context;

/// The connection of the pool that was used last, given to `exchange`; null when none is idle.
[[nodiscard]] UpstreamSession* reuseUpstream(const std::shared_ptr<upstream::TargetPool>& pool,
                                             Exchange& exchange) noexcept;
/// Makes an upstream of a connection that stands already. Null when there is no memory.
[[nodiscard]] UpstreamSession* adoptUpstream(Context& context,
                                             const std::shared_ptr<upstream::TargetPool>& pool,
                                             Exchange& exchange, UniqueFd fd) noexcept;
/// Begins a connection: exchange.onConnected() follows. Null and `why` when it fails at once.
[[nodiscard]] UpstreamSession* connectUpstream(Context& context,
                                               const std::shared_ptr<upstream::TargetPool>& pool,
                                               Exchange& exchange, Errc& why) noexcept;

} // namespace sluice::relay
