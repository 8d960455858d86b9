#include "tls/session.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace sluice::tls {

namespace {

/// From so many bytes on it pays to change over to the kernel; once that is done, from any.
constexpr std::uint64_t kWorthChangingOver = 256 * 1024;
/// KeyUpdate with update_not_requested, and with update_requested (RFC 8446, section 4.6.3).
constexpr std::string_view kKeyUpdate{"\x18\0\0\1\0", 5};
constexpr std::string_view kKeyUpdateRequest{"\x18\0\0\1\1", 5};

net::SendResult failed() noexcept {
  return {.taken = 0, .isFailed = true};
}

std::size_t bytesIn(std::span<const iovec> parts) noexcept {
  std::size_t total = 0;
  for (const iovec& part : parts) {
    total += part.iov_len;
  }
  return total;
}

} // namespace

// --- making --------------------------------------------------------------------------------------

Session::Session(net::Stream& stream, std::shared_ptr<Domain> domain, Ssl ssl) noexcept
    : loop_(stream.loop()), stream_(&stream), domain_(std::move(domain)), ssl_(std::move(ssl)) {}

Session::~Session() {
  unsent_.clear(loop_.buffers());
}

Session* Session::make(net::Stream& stream, const std::shared_ptr<Domain>& domain,
                       SSL_CTX* context) noexcept {
  Ssl ssl(SSL_new(context));
  BIO* wire = BIO_new(domain->wireMethod());
  Session* session = nullptr;
  if (ssl != nullptr && wire != nullptr) {
    session = new (std::nothrow) Session(stream, domain, std::move(ssl));
  }
  if (session == nullptr) {
    BIO_free(wire);
    ERR_clear_error();
    return nullptr;
  }
  BIO_set_data(wire, session);
  BIO_set_init(wire, 1);
  SSL_set_bio(session->ssl_.get(), wire, wire);
  SSL_set_app_data(session->ssl_.get(), session);
  if (SSL_CTX_get_keylog_callback(context) != nullptr) {
    SSL_set_msg_callback(session->ssl_.get(), onMessage);
    SSL_set_msg_callback_arg(session->ssl_.get(), session);
  }
  stream.setFilter(*session);
  return session;
}

Session* Session::accept(net::Stream& stream,
                         const std::shared_ptr<ServerContext>& context) noexcept {
  Session* session = make(stream, context->domain(), context->first());
  if (session != nullptr) {
    session->server_ = context;
    SSL_set_accept_state(session->ssl_.get());
  }
  return session;
}

Session* Session::connect(net::Stream& stream, const std::shared_ptr<TargetTls>& target) noexcept {
  Session* session = make(stream, target->context().domain(), target->context().get());
  if (session == nullptr) {
    return nullptr;
  }
  session->target_ = target;
  SSL* ssl = session->ssl_.get();
  SSL_set_connect_state(ssl);
  if (!target->prepare(ssl)) {
    ERR_clear_error();
    session->fail(Errc::OutOfMemory);
    return session;
  }
  stream.startReceive();
  static_cast<void>(session->handshake());
  return session;
}

void Session::noteHello(std::string_view name, std::string_view alpn) {
  serverName_.assign(name);
  offeredAlpn_.assign(alpn);
}

// --- receiving -----------------------------------------------------------------------------------

std::size_t Session::takeWire(char* into, std::size_t size) noexcept {
  const std::size_t taken = std::min(size, wire_.size());
  if (taken > 0) {
    std::memcpy(into, wire_.data(), taken);
    wire_.remove_prefix(taken);
  }
  return taken;
}

void Session::onWireReceived(std::string_view bytes) noexcept {
  if (!held_.isEmpty()) {
    wire_ = bytes;
    keepRest();
    return;
  }
  wire_ = bytes;
  work();
  keepRest();
}

bool Session::hasHeld() const noexcept {
  const bool hasUntoldEnd = hasEnded_ && !isEndTold_;
  return !held_.isEmpty() || hasUntoldEnd ||
         (state_ == State::Open && SSL_has_pending(ssl_.get()) == 1 && SSL_pending(ssl_.get()) > 0);
}

void Session::resume() noexcept {
  // Out of reach while it is worked on: the owner may close the stream, or stop again.
  net::HeldBytes bytes = std::move(held_);
  wire_ = bytes.view();
  work();
  keepRest();
}

/// What the owner did not want is kept; the kernel does not take it back.
void Session::keepRest() noexcept {
  const std::string_view rest = std::exchange(wire_, {});
  if (stream_ == nullptr || state_ == State::Failed || rest.empty()) {
    return;
  }
  if (!held_.append(rest)) {
    fail(Errc::OutOfMemory);
    return;
  }
  if (stream_->isReceiving()) {
    stream_->resumeLater();
  }
}

void Session::work() noexcept {
  if (state_ == State::Handshake && !handshake()) {
    return;
  }
  while (stream_ != nullptr && state_ == State::Open && stream_->isReceiving() && readOn()) {
  }
  if (stream_ != nullptr && state_ == State::Open && waitsForRest_ &&
      SSL_in_init(ssl_.get()) == 0) {
    waitsForRest_ = false;
    if (unsent_.isEmpty() && std::exchange(wantsRoom_, false)) {
      stream_->owner().onSendRoom(*stream_);
    }
  }
}

/// Opens what has arrived, up to what the owner is given at once. False when nothing more is to be had.
bool Session::readOn() noexcept {
  const std::span<char> plain = domain_->plain();
  std::size_t size = 0;
  int outcome = SSL_ERROR_NONE;
  ERR_clear_error();
  while (size < plain.size()) {
    std::size_t got = 0;
    const int result =
        hasEnded_ ? 0 : SSL_read_ex(ssl_.get(), plain.data() + size, plain.size() - size, &got);
    if (result == 1) {
      size += got;
      continue;
    }
    outcome = hasEnded_ ? SSL_ERROR_ZERO_RETURN : SSL_get_error(ssl_.get(), result);
    if (outcome != SSL_ERROR_WANT_WRITE) {
      break;
    }
    flush();
  }
  // An alert, the answer to a key update.
  flush();
  hasEnded_ = hasEnded_ || outcome == SSL_ERROR_ZERO_RETURN;
  if (size > 0) {
    stream_->owner().onReceived(*stream_, {plain.data(), size});
    if (stream_ == nullptr || !stream_->isReceiving()) {
      return false;
    }
  }
  if (mustEnd_) {
    fail(Errc::None);
    return false;
  }
  switch (outcome) {
  case SSL_ERROR_NONE:
    return true;
  case SSL_ERROR_ZERO_RETURN:
    isEndTold_ = true;
    stream_->passEnd(net::StreamEnd::Eof);
    return false;
  case SSL_ERROR_WANT_READ:
    return false;
  default:
    ERR_clear_error();
    fail(Errc::None);
    return false;
  }
}

void Session::onWireEnd(net::StreamEnd end) noexcept {
  if (state_ == State::Handshake) {
    fail(server_ != nullptr ? Errc::TlsHandshakeFailed : Errc::UpstreamTlsFailed);
    return;
  }
  if (end == net::StreamEnd::Eof) {
    if (isEndTold_) {
      return;
    }
    end = net::StreamEnd::Truncated;
  }
  isEndTold_ = true;
  stream_->passEnd(end);
}

/// During the handshake the owner learns `why`, later that the connection is gone.
void Session::fail(Errc why) noexcept {
  const bool wasHandshake = state_ == State::Handshake;
  state_ = State::Failed;
  wire_ = {};
  if (target_ != nullptr) {
    // What it resumed may be what it failed by.
    target_->forget();
  }
  if (wasHandshake) {
    stream_->stopReceive();
    stream_->owner().onConnected(*stream_, why);
    return;
  }
  isEndTold_ = true;
  stream_->passEnd(net::StreamEnd::Reset);
}

// --- the handshake -------------------------------------------------------------------------------

/// True when it is done and the stream is still open.
bool Session::handshake() noexcept {
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    const int outcome = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
    const Errc why =
        outcome == SSL_ERROR_SSL || outcome == SSL_ERROR_SYSCALL ? handshakeError() : Errc::None;
    flush();
    if (outcome == SSL_ERROR_WANT_WRITE) {
      continue;
    }
    if (outcome == SSL_ERROR_WANT_READ && !isBroken_) {
      return false;
    }
    if (outcome != SSL_ERROR_NONE) {
      ERR_clear_error();
      fail(why != Errc::None    ? why
           : server_ != nullptr ? Errc::TlsHandshakeFailed
                                : Errc::UpstreamTlsFailed);
      return false;
    }
    break;
  }
  if (target_ != nullptr && !target_->context().mayTrust(SSL_get0_peer_certificate(ssl_.get()))) {
    fail(Errc::UpstreamCertificateRejected);
    return false;
  }
  state_ = State::Open;
  stream_->owner().onConnected(*stream_, Errc::None);
  return stream_ != nullptr;
}

Errc Session::handshakeError() const noexcept {
  if (target_ != nullptr) {
    // What was found counts only where it is asked for.
    const bool isRefused =
        target_->context().verifies() && SSL_get_verify_result(ssl_.get()) != X509_V_OK;
    return isRefused ? Errc::UpstreamCertificateRejected : Errc::UpstreamTlsFailed;
  }
  if (reason_ != Errc::None) {
    return reason_;
  }
  // What other parts of OpenSSL noted may come first, and has numbers of its own.
  while (const unsigned long code = ERR_get_error()) {
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
      continue;
    }
    switch (ERR_GET_REASON(code)) {
    case SSL_R_HTTP_REQUEST:
      return Errc::PlainOnTls;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return Errc::ClientCertificateRejected;
    default:
      break;
    }
  }
  return Errc::TlsHandshakeFailed;
}

// --- sending -------------------------------------------------------------------------------------

net::SendResult Session::send(std::span<const iovec> parts) noexcept {
  if (isBroken_ || state_ == State::Failed || isGoodbyeSaid_) {
    return failed();
  }
  if (isSealedBelow_) {
    return sendInPlain(parts);
  }
  const std::size_t total = bytesIn(parts);
  std::size_t taken = 0;
  while (state_ == State::Open && taken < total && unsent_.isEmpty()) {
    const std::size_t sealed = sealParts(parts, taken);
    flush();
    if (isBroken_) {
      return failed();
    }
    if (sealed == 0) {
      // In the middle of a message from the other side OpenSSL writes nothing.
      waitsForRest_ = SSL_in_init(ssl_.get()) == 1 && SSL_want_read(ssl_.get());
      if (!waitsForRest_) {
        return failed();
      }
      break;
    }
    taken += sealed;
  }
  wantsRoom_ = taken < total;
  return {.taken = taken, .isFailed = false};
}

/// Seals what lies behind the first `skip` bytes of all, as far as there is space. Small parts share a record.
std::size_t Session::sealParts(std::span<const iovec> parts, std::size_t skip) noexcept {
  ERR_clear_error();
  std::size_t sealed = 0;
  std::size_t at = 0;
  while (at < parts.size() &&
         domain_->sealedRoom() >= Domain::kRecordBytes + Domain::kRecordOverhead) {
    if (skip >= parts[at].iov_len) {
      skip -= parts[at++].iov_len;
      continue;
    }
    const char* record = static_cast<const char*>(parts[at].iov_base) + skip;
    std::size_t size = std::min(parts[at].iov_len - skip, Domain::kRecordBytes);
    const bool isWhole = size == Domain::kRecordBytes || at + 1 == parts.size();
    if (!isWhole) {
      const std::span<char> gather = domain_->gather();
      std::memcpy(gather.data(), record, size);
      for (std::size_t i = at + 1; i < parts.size() && size < gather.size(); ++i) {
        const std::size_t more = std::min(parts[i].iov_len, gather.size() - size);
        std::memcpy(gather.data() + size, parts[i].iov_base, more);
        size += more;
      }
      record = gather.data();
    }
    std::size_t written = 0;
    if (SSL_write_ex(ssl_.get(), record, size, &written) != 1) {
      ERR_clear_error();
      break;
    }
    sealed += written;
    skip += written;
    while (at < parts.size() && skip >= parts[at].iov_len) {
      skip -= parts[at++].iov_len;
    }
  }
  return sealed;
}

/// Sends what the operation has written.
void Session::flush() noexcept {
  std::string_view bytes = domain_->sealed();
  if (isSealedBelow_) {
    domain_->clearSealed();
    sendOwed();
    return;
  }
  if (bytes.empty()) {
    return;
  }
  if (unsent_.isEmpty() && !isBroken_) {
    const net::SendResult sent = stream_->sendWire(bytes);
    isBroken_ = sent.isFailed;
    bytes.remove_prefix(sent.taken);
  }
  if (!isBroken_ && !unsent_.append(loop_.buffers(), bytes)) {
    isBroken_ = true;
  }
  domain_->clearSealed();
}

void Session::onWireRoom() noexcept {
  if (stream_->isWireHeld()) {
    stream_->releaseWire();
    sendOwed();
    if (mustEnd_ && state_ == State::Open) {
      fail(Errc::None);
      return;
    }
    if (stream_->isWireHeld()) {
      return;
    }
  }
  if (!unsent_.isEmpty()) {
    const net::SendResult sent = stream_->sendWire(unsent_.view());
    unsent_.consume(loop_.buffers(), sent.taken);
    if (sent.isFailed) {
      isBroken_ = true;
      unsent_.clear(loop_.buffers());
    }
    if (!unsent_.isEmpty()) {
      return;
    }
  }
  if (isFinDue_) {
    if (!sayGoodbye()) {
      return;
    }
    isFinDue_ = false;
    stream_->shutdownWire();
  }
  if (std::exchange(wantsRoom_, false)) {
    stream_->owner().onSendRoom(*stream_);
  }
}

// --- where the kernel seals ----------------------------------------------------------------------

void Session::onKeyLog(const SSL* ssl, const char* line) noexcept {
  Session& session = of(ssl);
  session.keys_.onKeyLog(line, session.server_ != nullptr);
}

void Session::onMessage(int isWrite, int, int type, const void* bytes, std::size_t size, SSL*,
                        void* self) noexcept {
  auto& session = *static_cast<Session*>(self);
  const std::string_view message{static_cast<const char*>(bytes), size};
  if (isWrite == 1) {
    session.noteWritten(type, message);
  } else if (type == SSL3_RT_HANDSHAKE && message == kKeyUpdateRequest) {
    // OpenSSL answers when it writes next, which it does not where the kernel seals.
    session.owesKeyUpdate_ = session.isSealedBelow_;
  }
}

void Session::noteWritten(int type, std::string_view bytes) noexcept {
  if (isSealedBelow_) {
    if (type == SSL3_RT_ALERT && bytes.size() == alert_.size()) {
      std::copy(bytes.begin(), bytes.end(), alert_.begin());
      owesAlert_ = true;
    }
  } else if (type == SSL3_RT_HEADER) {
    keys_.onRecord(static_cast<std::uint8_t>(bytes.front()));
  } else if (type == SSL3_RT_HANDSHAKE && state_ == State::Open &&
             bytes.starts_with(kKeyUpdate.front())) {
    staysAbove_ = !keys_.onKeyUpdate(domain_->library(), ssl_.get());
  }
}

void Session::noteSealed(std::string_view bytes) noexcept {
  // Since the handshake a record at a time: its head, then what it shows of its nonce.
  constexpr std::size_t kHead = 5;
  if (state_ == State::Open && !isSealedBelow_ && bytes.size() >= kHead + 8 &&
      SSL_version(ssl_.get()) == TLS1_2_VERSION) {
    keys_.onNonce(std::span<const unsigned char, 8>(bytesOf(bytes) + kHead, 8));
  }
}

bool Session::stepAside(std::uint64_t bytes) noexcept {
  if (isBroken_ || isGoodbyeSaid_ || state_ != State::Open) {
    return false;
  }
  if (isSealedBelow_) {
    return true;
  }
  // What is sealed and unsent goes before; halfway through a message from the other side the keys
  // may be about to change.
  if (staysAbove_ || bytes < kWorthChangingOver || !unsent_.isEmpty() ||
      SSL_in_init(ssl_.get()) == 1 || SSL_want_write(ssl_.get()) ||
      SSL_get_key_update_type(ssl_.get()) != SSL_KEY_UPDATE_NONE ||
      SSL_CTX_get_keylog_callback(SSL_get_SSL_CTX(ssl_.get())) == nullptr) {
    return false;
  }
  net::SealKeys keys;
  const SSL_SESSION* session = SSL_get_session(ssl_.get());
  // The kernel's records are of full size: not for a client that asked for small ones (RFC 6066).
  staysAbove_ =
      SSL_SESSION_get_max_fragment_length(session) != TLSEXT_max_fragment_length_DISABLED ||
      !keys_.next(domain_->library(), ssl_.get(), keys) ||
      !domain_->kernelTls().takes[static_cast<std::size_t>(keys.cipher)] ||
      !stream_->sealWire(keys);
  ERR_clear_error();
  isSealedBelow_ = !staysAbove_;
  if (staysAbove_ || !domain_->kernelTls().takesNewKeys || !keys.isTls13) {
    keys_.forget();
  }
  return isSealedBelow_;
}

net::SendResult Session::sendInPlain(std::span<const iovec> parts) noexcept {
  net::SendResult sent;
  if (!stream_->isWireHeld()) {
    sent = stream_->sendWire(parts);
  }
  isBroken_ = sent.isFailed;
  wantsRoom_ = !sent.isFailed && sent.taken < bytesIn(parts);
  return sent;
}

/// In OpenSSL's stead.
void Session::sendOwed() noexcept {
  if (isGoodbyeSaid_) {
    // Nothing is sent behind a close_notify, and so there is nothing to answer with.
    owesKeyUpdate_ = false;
    owesAlert_ = false;
  }
  if (owesKeyUpdate_ && !isBroken_ && !stream_->isWireHeld()) {
    changeKeys();
  }
  if (owesAlert_ && !isBroken_ && !stream_->isWireHeld()) {
    const net::RecordSent sent =
        stream_->sendWireRecord(net::kAlertRecord, {alert_.data(), alert_.size()});
    owesAlert_ = sent == net::RecordSent::NoRoom;
    isBroken_ = sent == net::RecordSent::Failed;
  }
}

/// The other side asked for it, and may be sent no data before (RFC 8446, section 4.6.3). Where the kernel
/// takes no second key, or has none, the connection ends.
void Session::changeKeys() noexcept {
  if (!domain_->kernelTls().takesNewKeys) {
    mustEnd_ = sayGoodbye();
    isBroken_ = mustEnd_;
    owesKeyUpdate_ = !mustEnd_;
    return;
  }
  const net::RecordSent sent = stream_->sendWireRecord(net::kHandshakeRecord, kKeyUpdate);
  if (sent == net::RecordSent::NoRoom) {
    return;
  }
  owesKeyUpdate_ = false;
  net::SealKeys keys;
  isBroken_ = sent == net::RecordSent::Failed ||
              !keys_.onKeyUpdate(domain_->library(), ssl_.get()) ||
              !keys_.next(domain_->library(), ssl_.get(), keys) || !stream_->replaceWireKeys(keys);
  mustEnd_ = isBroken_;
  ERR_clear_error();
}

// --- the end -------------------------------------------------------------------------------------

/// close_notify: what was sent is all.
bool Session::sayGoodbye() noexcept {
  if (state_ != State::Open || isBroken_ || isGoodbyeSaid_) {
    return true;
  }
  if (isSealedBelow_) {
    const net::RecordSent sent = stream_->sendWireRecord(net::kAlertRecord, net::kCloseNotify);
    isGoodbyeSaid_ = sent != net::RecordSent::NoRoom;
    isBroken_ = sent == net::RecordSent::Failed;
    // OpenSSL forgets sessions that end without.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
    return isGoodbyeSaid_;
  }
  isGoodbyeSaid_ = true;
  ERR_clear_error();
  static_cast<void>(SSL_shutdown(ssl_.get()));
  ERR_clear_error();
  flush();
  return true;
}

void Session::shutdownSend() noexcept {
  if (sayGoodbye() && unsent_.isEmpty()) {
    stream_->shutdownWire();
  } else {
    isFinDue_ = true;
  }
}

void Session::close(bool isOrderly) noexcept {
  if (isOrderly) {
    if (!sayGoodbye()) {
      stream_->leaveToSayGoodbye();
    }
    if (!unsent_.isEmpty() && !isBroken_) {
      stream_->leaveTo(unsent_);
    }
  }
  unsent_.clear(loop_.buffers());
  held_.clear();
  wire_ = {};
  stream_ = nullptr;
  loop_.dispose(*this);
}

} // namespace sluice::tls
