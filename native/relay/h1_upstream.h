// An HTTP/1.1 connection to a target: writes requests, reads and frames responses, waits in the
// target's pool in between. Knows nothing of routes, retries or clients.
//
//   state      | meaning                              | bytes that arrive
//   Connecting | TCP handshake                        | -
//   Idle       | in the pool                          | unasked for: close
//   Head       | request sent, response head awaited  | collected until the head is complete
//   Body       | head delivered                       | payload to the exchange
//   Done       | response complete                    | too many: the connection is not kept
//   Closed     | waiting for the end of the turn      | -
//
// Lives on one worker, from a slab.
#pragma once

#include <memory>

#include "net/stream.h"
#include "relay/context.h"
#include "relay/exchange.h"
#include "relay/h1_body.h"
#include "relay/session.h"
#include "upstream/target_pool.h"

namespace sluice::relay {

class H1Upstream final : public UpstreamSession,
                         public upstream::IdleUpstream,
                         public net::StreamOwner,
                         public net::TimerOwner,
                         public net::Disposable {
 public:
  H1Upstream(Context& context, std::shared_ptr<upstream::TargetPool> pool,
             Exchange& exchange) noexcept;

  [[nodiscard]] SendState sendRequest(const http::RequestHead& head,
                                      const http::ForwardContext& context,
                                      const BodySlices& body) noexcept override;
  [[nodiscard]] SendState sendBody(const BodySlices& body) noexcept override;
  void pauseResponse() noexcept override;
  void resumeResponse() noexcept override;
  [[nodiscard]] net::Stream* spliceSink() noexcept override;
  [[nodiscard]] net::Stream* spliceSource(std::uint64_t& remaining) noexcept override;
  void skipRequestBody(std::uint64_t) noexcept override {}
  void skipResponseBody(std::uint64_t bytes) noexcept override { reader_.skip(bytes); }
  [[nodiscard]] bool isReused() const noexcept override { return isReused_; }
  void abandon() noexcept override;
  void release(std::uint32_t maxIdle, std::uint32_t idleMs) noexcept override;
  [[nodiscard]] net::Stream& stream() noexcept override { return stream_; }

  /// Takes it out of idleness.
  void assign(Exchange& exchange) noexcept;
  [[nodiscard]] Status connect() noexcept;
  /// Takes a connection that stands.
  [[nodiscard]] Status adopt(UniqueFd fd) noexcept;
  /// Nothing has arrived while it was idle.
  [[nodiscard]] bool isClean() noexcept { return !stream_.hasInput(); }
  void close() noexcept;

  void dispose() noexcept override;

 private:
  enum class State : std::uint8_t { Connecting, Idle, Head, Body, Done, Closed };

  void onReceived(net::Stream& stream, std::string_view bytes) noexcept override;
  void onReceiveEnd(net::Stream& stream, net::StreamEnd end) noexcept override;
  void onSendRoom(net::Stream& stream) noexcept override;
  void onConnected(net::Stream& stream, Errc outcome) noexcept override;
  void onTimer(net::Timer& timer) noexcept override;
  void onEvicted() noexcept override { close(); }

  void take(std::string_view bytes) noexcept;
  void process(std::string_view& input) noexcept;
  [[nodiscard]] bool readHead(std::string_view& input) noexcept;
  void waitForHead(std::size_t size) noexcept;
  void deliverResponse(const http::ResponseHead& head, std::string_view& input) noexcept;
  [[nodiscard]] bool deliverBody(std::string_view& input) noexcept;
  void waitInPool() noexcept;

  Context& context_;
  std::shared_ptr<upstream::TargetPool> pool_;
  Exchange* exchange_;
  State state_ = State::Connecting;
  bool isReused_ = false;
  bool isHeadRequest_ = false;
  bool isPaused_ = false;
  /// The target said that the connection may be used again.
  bool keepAlive_ = false;
  /// process() is on the stack: what it holds must not be touched.
  bool isProcessing_ = false;
  BodyFraming requestFraming_ = BodyFraming::None;
  std::uint32_t keepAliveSeconds_ = 0;
  /// Set by release(): how the pool is to keep it.
  std::uint32_t maxIdle_ = 0;
  std::uint32_t idleMs_ = 0;
  std::uint32_t scanned_ = 0;
  const plan::Limits* limits_ = nullptr;
  net::Stream stream_;
  net::Timer idle_;
  H1BodyReader reader_;
  ByteQueue in_;
  ByteQueue out_;
};

} // namespace sluice::relay
