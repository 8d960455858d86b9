// An HTTP/1.1 connection from a client: reads and frames requests one after another, writes
// responses. What is to become of a request is the exchange's business.
//
//   state     | meaning                               | bytes that arrive
//   Securing  | TLS handshake                         | the handshake's
//   Idle      | between requests                      | begin a head
//   Head      | part of a head has arrived            | go on with it
//   Body      | head handed over, body under way      | payload to the exchange, while it takes it
//   Waiting   | request complete, response not        | kept for the next request
//   Skipping  | answered before the body had come     | thrown away up to the body's end
//   Flushing  | response complete, part of it unsent  | kept
//   Lingering | last answer sent, FIN sent            | thrown away until the client closes
//   Tunnel    | protocols switched                    | the tunnel's
//   Socks     | it began with SOCKS                   | the SocksClient's
//   Closed    | waiting for the end of the turn       | -
//
// Lives on the worker that accepted it, from a slab.
#pragma once

#include <array>
#include <memory>

#include "net/stream.h"
#include "relay/context.h"
#include "relay/exchange.h"
#include "relay/h1_body.h"
#include "relay/session.h"
#include "relay/socks_client.h"
#include "relay/tunnel.h"
#include "tls/client_facts.h"

namespace sluice::relay {

class H1Client final : public Flow,
                       public ClientSession,
                       public net::Source,
                       public net::StreamOwner,
                       public net::TimerOwner,
                       public TunnelOwner,
                       public SocksClientOwner {
 public:
  /// Takes over an accepted connection. The acceptor has counted it.
  /// `destination`: what the client connected to, where that is not the socket's own address.
  static void open(Context& context, std::shared_ptr<ListenerSlot> slot, UniqueFd fd,
                   const net::SocketAddress& client, const net::IpPort& destination = {}) noexcept;
  /// Answers 503 and closes: the listener has as many connections as it may.
  static void refuse(Context& context, const UniqueFd& fd) noexcept;

  H1Client(Context& context, std::shared_ptr<ListenerSlot> slot,
           const net::SocketAddress& client) noexcept;

  void onDrain() noexcept override;
  void onListenerClosed() noexcept override;
  void onCut() noexcept override { close(); }
  void dispose() noexcept override;

 private:
  enum class State : std::uint8_t {
    Securing,
    Idle,
    Head,
    Body,
    Waiting,
    Skipping,
    Flushing,
    Lingering,
    Tunnel,
    Socks,
    Closed
  };

  // For the exchange:
  [[nodiscard]] const http::RequestHead& request() noexcept override;
  [[nodiscard]] bool takeBody(BodySlices& body, Errc& problem) noexcept override;
  void resumeBody() noexcept override;
  [[nodiscard]] bool isRequestComplete() const noexcept override { return reader_.isAtEnd(); }
  [[nodiscard]] SendState sendInterim(const http::ResponseHead& head,
                                      const plan::Route& route) noexcept override;
  [[nodiscard]] SendState sendResponse(const http::ResponseHead& head, const plan::Route& route,
                                       const BodySlices& body) noexcept override;
  [[nodiscard]] SendState sendBody(const BodySlices& body) noexcept override;
  void sendError(Errc code) noexcept override;
  void sendRespond(const plan::Route& route) noexcept override;
  void sendRefusal(const http::Refusal& refusal) noexcept override;
  void sendAnswer(std::uint16_t status, std::string_view contentType,
                  std::string_view body) noexcept override;
  void sayLast() noexcept override;
  [[nodiscard]] bool hasMore() const noexcept override {
    // While process() runs, what is in in_ may have been used already.
    return isProcessing_ ? !input_.empty() : !in_.isEmpty();
  }
  void sendEstablished() noexcept override;
  void sendRedirect(const plan::Route& route, const http::RequestHead& head,
                    std::string_view path) noexcept override;
  [[nodiscard]] net::Stream* spliceSink() noexcept override;
  [[nodiscard]] net::Stream* spliceSource(std::uint64_t& remaining) noexcept override;
  void skipRequestBody(std::uint64_t bytes) noexcept override;
  void skipResponseBody(std::uint64_t) noexcept override {}
  void switchProtocols(net::Stream& upstream, std::string_view early) noexcept override;
  void endExchange() noexcept override;
  void cut() noexcept override;
  [[nodiscard]] http::ClientIdentity identity() const noexcept override;
  [[nodiscard]] std::span<const plan::HeaderEdit> edits() const noexcept override;
  [[nodiscard]] bool mayAskFor(std::string_view host) const noexcept override;
  [[nodiscard]] bool isTls() const noexcept override { return tls_ != nullptr; }
  [[nodiscard]] const net::SocketAddress& address() const noexcept override { return address_; }
  [[nodiscard]] const net::IpPort& destination() noexcept override;
  [[nodiscard]] std::string_view addressText() const noexcept override {
    return {addressText_.data(), addressLength_};
  }

  // From the loop:
  void onReceived(net::Stream& stream, std::string_view bytes) noexcept override;
  void onReceiveEnd(net::Stream& stream, net::StreamEnd end) noexcept override;
  void onSendRoom(net::Stream& stream) noexcept override;
  void onConnected(net::Stream& stream, Errc outcome) noexcept override;
  void onEvents(std::uint32_t events) noexcept override;
  void onTimer(net::Timer& timer) noexcept override;
  void onTunnelEnd(Errc why) noexcept override;
  void onSocksEnd(SocksEnd how, bool hasClientEnded) noexcept override;

  void begin(UniqueFd fd) noexcept;
  void onHandshakeFailed(Errc why) noexcept;
  void take(std::string_view bytes) noexcept;
  void process() noexcept;
  [[nodiscard]] bool readHead() noexcept;
  void waitForHead(Errc problem) noexcept;
  [[nodiscard]] bool forwardBody() noexcept;
  [[nodiscard]] bool skipBody() noexcept;
  [[nodiscard]] bool maySkipBody() const noexcept;
  void startRequest(const http::RequestHead& head, std::uint32_t consumed) noexcept;
  [[nodiscard]] bool speaksSocks() const noexcept;
  void beginSocks() noexcept;
  void adoptPlan() noexcept;
  void describeClient() noexcept;
  void countOpen(bool isOpen) noexcept;
  void refuseRequest(Errc why) noexcept;
  [[nodiscard]] http::ConnectionOption connectionOption() noexcept;
  [[nodiscard]] http::AnswerContext answerContext() noexcept;
  [[nodiscard]] SendState send(std::string_view head, std::string_view body) noexcept;
  void finishClosing() noexcept;
  void nextRequest() noexcept;
  void close() noexcept;
  [[nodiscard]] const plan::Listener& listener() const noexcept;

  Context& context_;
  std::shared_ptr<ListenerSlot> slot_;
  upstream::PlanLease plan_;
  std::uint32_t listenerIndex_;
  State state_ = State::Idle;
  bool keepAlive_ = true;
  bool isHeadRequest_ = false;
  bool isHttp10_ = false;
  bool expectsContinue_ = false;
  /// The response head has been sent.
  bool hasBegunAnswer_ = false;
  /// process() is on the stack and goes on when the exchange has ended.
  bool isProcessing_ = false;
  /// The client has sent its last byte.
  bool hasClientEnded_ = false;
  /// Nothing has been read yet: what comes first tells the protocol.
  bool isFirst_ = true;
  BodyFraming responseFraming_ = BodyFraming::None;
  std::uint8_t addressLength_ = 0;
  std::array<char, 46> addressText_{};
  std::uint32_t scanned_ = 0;
  /// Bytes of the body that were thrown away behind an answer.
  std::uint64_t skipped_ = 0;
  net::SocketAddress address_;
  /// As a PROXY header said, or as the kernel says once somebody wants to know.
  net::IpPort destination_;
  net::Stream stream_;
  /// The filter of stream_; null for plain connections.
  tls::Session* tls_ = nullptr;
  /// Null where no certificates are asked for.
  std::unique_ptr<tls::ClientFacts> facts_;
  net::Timer timer_;
  /// What has arrived and is not used yet; while process() runs, `input_` is the rest of it.
  ByteQueue in_;
  std::string_view input_;
  /// The head of the request under way, for another attempt and for the log.
  ByteQueue head_;
  ByteQueue out_;
  H1BodyReader reader_;
  Exchange exchange_;
  Tunnel* tunnel_ = nullptr;
  /// Of a forward proxy, when it turns out that the client speaks no HTTP.
  SocksClient* socks_ = nullptr;
};

} // namespace sluice::relay
