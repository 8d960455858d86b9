// One TLS connection, as the filter of a stream: the owner of the stream sends and receives plain
// bytes. OpenSSL does the protocol and never touches the socket: it is fed what was received, and what it
// writes is collected and sent with one call at the end of each operation.
//
//   state     | owner sends           | bytes that arrive
//   Handshake | nothing yet           | the handshake's; onConnected() says how it ended
//   Open      | sealed into records   | records, opened while the owner receives, held otherwise
//   Failed    | refused               | thrown away
//
// Where the kernel seals (net/ktls.h), it may take over what an open session sends, once that is bulky:
// stepAside(). From then on OpenSSL only opens what arrives; alerts and key updates that it would have
// answered with are sent through the kernel, with the same content.
//
// Belongs to its stream and lives on that worker.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/buffer_pool.h"
#include "base/result.h"
#include "net/held_bytes.h"
#include "net/loop.h"
#include "net/stream.h"
#include "tls/client_context.h"
#include "tls/domain.h"
#include "tls/server_context.h"
#include "tls/write_keys.h"

namespace sluice::tls {

class Session final : public net::StreamFilter, public net::Disposable {
 public:
  /// Becomes the filter of an accepted stream; the handshake goes on as the stream receives. Null when memory is
  /// out.
  [[nodiscard]] static Session* accept(net::Stream& stream,
                                       const std::shared_ptr<ServerContext>& context) noexcept;
  /// Becomes the filter of a connected stream and begins the handshake. Null when memory is out.
  [[nodiscard]] static Session* connect(net::Stream& stream,
                                        const std::shared_ptr<TargetTls>& target) noexcept;

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] bool isResumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }
  /// The other side's certificate, which holds; null when it showed none.
  [[nodiscard]] X509* peerCertificate() const noexcept {
    return SSL_get0_peer_certificate(ssl_.get());
  }
  /// The handshake was a tls-alpn-01 challenge: there is nothing more to say.
  [[nodiscard]] bool isChallenge() const noexcept { return isChallenge_; }
  /// The name that the client asked for, lower-case; empty when it asked for none.
  [[nodiscard]] std::string_view serverName() const noexcept { return serverName_; }

  /// False when unknown names are rejected and no certificate is for this host.
  [[nodiscard]] bool mayAskFor(std::string_view host) const noexcept {
    return server_ == nullptr || server_->mayAskFor(host);
  }

  /// What the client offered by ALPN, as the extension carries it; empty when it offered nothing.
  [[nodiscard]] std::string_view offeredAlpn() const noexcept { return offeredAlpn_; }

  void dispose() noexcept override { delete this; }

  // For the contexts, from within OpenSSL:
  [[nodiscard]] static Session& of(const SSL* ssl) noexcept {
    return *static_cast<Session*>(SSL_get_app_data(ssl));
  }
  [[nodiscard]] Domain& domain() noexcept { return *domain_; }
  [[nodiscard]] ServerContext& server() noexcept { return *server_; }
  [[nodiscard]] TargetTls& target() noexcept { return *target_; }
  [[nodiscard]] net::Loop& loop() noexcept { return loop_; }
  void noteHello(std::string_view name, std::string_view alpn);
  void noteChallenge() noexcept { isChallenge_ = true; }
  void noteUnknownName() noexcept { reason_ = Errc::TlsNameUnknown; }
  /// Takes what has been received and not been looked at.
  [[nodiscard]] std::size_t takeWire(char* into, std::size_t size) noexcept;
  /// OpenSSL has sealed this.
  void noteSealed(std::string_view bytes) noexcept;
  /// For contexts whose sessions may be sealed by the kernel.
  static void onKeyLog(const SSL* ssl, const char* line) noexcept;

 private:
  enum class State : std::uint8_t { Handshake, Open, Failed };

  Session(net::Stream& stream, std::shared_ptr<Domain> domain, Ssl ssl) noexcept;
  ~Session();
  [[nodiscard]] static Session* make(net::Stream& stream, const std::shared_ptr<Domain>& domain,
                                     SSL_CTX* context) noexcept;

  void onWireReceived(std::string_view bytes) noexcept override;
  void onWireEnd(net::StreamEnd end) noexcept override;
  void onWireRoom() noexcept override;
  [[nodiscard]] net::SendResult send(std::span<const iovec> parts) noexcept override;
  void shutdownSend() noexcept override;
  [[nodiscard]] bool stepAside(std::uint64_t bytes) noexcept override;
  [[nodiscard]] bool hasHeld() const noexcept override;
  void resume() noexcept override;
  void close(bool isOrderly) noexcept override;

  void work() noexcept;
  void keepRest() noexcept;
  [[nodiscard]] bool handshake() noexcept;
  [[nodiscard]] Errc handshakeError() const noexcept;
  void fail(Errc why) noexcept;
  [[nodiscard]] bool readOn() noexcept;
  [[nodiscard]] std::size_t sealParts(std::span<const iovec> parts, std::size_t skip) noexcept;
  void flush() noexcept;
  /// False when the kernel has no room for it yet.
  bool sayGoodbye() noexcept;

  // Where the kernel seals:
  static void onMessage(int isWrite, int version, int type, const void* bytes, std::size_t size,
                        SSL* ssl, void* self) noexcept;
  void noteWritten(int type, std::string_view bytes) noexcept;
  [[nodiscard]] net::SendResult sendInPlain(std::span<const iovec> parts) noexcept;
  void sendOwed() noexcept;
  void changeKeys() noexcept;

  net::Loop& loop_;
  /// Null once the stream has closed.
  net::Stream* stream_;
  std::shared_ptr<Domain> domain_;
  /// The one of a server's session; keeps what the names are looked up in.
  std::shared_ptr<ServerContext> server_;
  std::shared_ptr<TargetTls> target_;
  Ssl ssl_;
  State state_ = State::Handshake;
  bool isChallenge_ = false;
  /// close_notify was received.
  bool hasEnded_ = false;
  bool isEndTold_ = false;
  bool isGoodbyeSaid_ = false;
  bool isFinDue_ = false;
  bool wantsRoom_ = false;
  /// Nothing can be sealed until the rest of a message has come.
  bool waitsForRest_ = false;
  /// The socket takes nothing any more.
  bool isBroken_ = false;
  /// By the kernel: what OpenSSL writes goes nowhere.
  bool isSealedBelow_ = false;
  /// It was tried, and cannot be.
  bool staysAbove_ = false;
  /// What OpenSSL would have sent since: an alert, an answer to a key update.
  bool owesAlert_ = false;
  bool owesKeyUpdate_ = false;
  /// There are no keys to go on with.
  bool mustEnd_ = false;
  std::array<char, 2> alert_{};
  Errc reason_ = Errc::None;
  /// What this operation may read.
  std::string_view wire_;
  /// Received while the owner did not want it.
  net::HeldBytes held_;
  /// Sealed and not yet taken by the socket.
  ByteQueue unsent_;
  std::string serverName_;
  std::string offeredAlpn_;
  WriteKeys keys_;
};

} // namespace sluice::tls
