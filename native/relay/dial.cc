#include "relay/dial.h"

#include <algorithm>
#include <utility>

#include "http/head_writer.h"
#include "http/response.h"
#include "relay/slabs.h"
#include "tls/session.h"

namespace sluice::relay {

namespace {

/// RFC 8305, section 5: how long an attempt is waited for before the next one joins it.
constexpr std::uint64_t kStaggerMs = 250;
/// The longest answer to a CONNECT that is read.
constexpr std::size_t kMaxAnswerBytes = 16 * 1024;

/// Of a name, and of a password (RFC 1929).
constexpr std::size_t kMaxLoginPart = 255;

plan::Limits answerLimits() noexcept {
  plan::Limits limits;
  limits.headBytes = kMaxAnswerBytes;
  limits.headerCount = 128;
  return limits;
}

} // namespace

Dial::Dial(Context& context, DialOwner& owner, const upstream::PlanLease& plan) noexcept
    : context_(context), owner_(&owner), plan_(plan), patience_(*this), stagger_(*this) {}

void Dial::dispose() noexcept {
  context_.slabs.dial.destroy(this);
}

void Dial::closeStreams(std::size_t but) noexcept {
  for (std::size_t slot = 0; slot < kMaxStreams; ++slot) {
    if (slot != but && streams_[slot]) {
      streams_[slot]->close();
    }
  }
}

void Dial::drop() noexcept {
  state_ = State::Over;
  owner_ = nullptr;
  patience_.cancel();
  stagger_.cancel();
  closeStreams(kMaxStreams);
  in_.clear(context_.loop.buffers());
  context_.loop.dispose(*this);
}

void Dial::fail(Errc why) noexcept {
  state_ = State::Over;
  patience_.cancel();
  stagger_.cancel();
  closeStreams(kMaxStreams);
  in_.clear(context_.loop.buffers());
  owner_->onDialFailed(why);
}

// --- connecting ----------------------------------------------------------------------------------

Errc Dial::connect(std::span<const net::IpPort> addresses, const plan::Forward& forward,
                   std::uint32_t timeoutMs) noexcept {
  forward_ = &forward;
  addressCount_ = static_cast<std::uint8_t>(std::min(addresses.size(), kMaxAddresses));
  std::copy_n(addresses.begin(), addressCount_, addresses_.begin());
  state_ = State::Connecting;
  if (!tryNext()) {
    state_ = State::Over;
    return lastFailure_;
  }
  context_.loop.arm(patience_, timeoutMs);
  return Errc::None;
}

Errc Dial::connectVia(const plan::Pool& pool, const std::shared_ptr<upstream::TargetPool>& target,
                      const policy::Destination& destination, std::uint32_t timeoutMs) noexcept {
  pool_ = &pool;
  parent_ = target;
  destination_ = destination;
  streams_[0].emplace(context_.loop, *this);
  streams_[0]->preferEdges();
  if (const Status begun = streams_[0]->connect(target->address()); !begun) {
    state_ = State::Over;
    return begun.error();
  }
  state_ = State::Connecting;
  context_.loop.arm(patience_, timeoutMs);
  return Errc::None;
}

bool Dial::isTrying() const noexcept {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const std::optional<net::Stream>& one) { return one && one->isOpen(); });
}

/// Begins an attempt at the next address that lets one begin. False when there is none, or no
/// place for it.
bool Dial::tryNext() noexcept {
  const auto free =
      std::find_if(streams_.begin(), streams_.end(),
                   [](const std::optional<net::Stream>& one) { return !one || !one->isOpen(); });
  if (free == streams_.end()) {
    return false;
  }
  while (next_ < addressCount_) {
    const std::uint8_t at = next_++;
    free->emplace(context_.loop, *this);
    (*free)->preferEdges();
    const net::SocketAddress address = addresses_[at].socketAddress();
    const net::SocketAddress source = context_.sourceFor(*forward_, address.family());
    const Status begun = (*free)->connect(address, source.length() == 0 ? nullptr : &source);
    if (begun) {
      tried_[static_cast<std::size_t>(free - streams_.begin())] = at;
      if (next_ < addressCount_) {
        context_.loop.arm(stagger_, kStaggerMs);
      } else {
        stagger_.cancel();
      }
      return true;
    }
    lastFailure_ = begun.error();
    if (errcInfo(lastFailure_).side == Side::Internal) {
      // Our own shortage: another address would not help.
      next_ = addressCount_;
    }
  }
  return false;
}

void Dial::onAttemptFailed(Errc why) noexcept {
  lastFailure_ = why;
  if (pool_ == nullptr && tryNext()) {
    return;
  }
  if (!isTrying()) {
    fail(lastFailure_);
  }
}

void Dial::onTimer(net::Timer& timer) noexcept {
  if (&timer == &stagger_) {
    static_cast<void>(tryNext());
    return;
  }
  fail(Errc::ConnectTimeout);
}

void Dial::onConnected(net::Stream& stream, Errc outcome) noexcept {
  const auto slot = static_cast<std::size_t>(
      std::find_if(streams_.begin(), streams_.end(),
                   [&](const std::optional<net::Stream>& one) { return one && &*one == &stream; }) -
      streams_.begin());
  if (outcome != Errc::None) {
    stream.close();
    onAttemptFailed(outcome);
    return;
  }
  if (state_ == State::Connecting) {
    onReached(slot);
  } else {
    askParent();
  }
}

void Dial::onReached(std::size_t slot) noexcept {
  winner_ = static_cast<std::uint8_t>(slot);
  reached_ = tried_[slot];
  stagger_.cancel();
  closeStreams(slot);
  if (pool_ == nullptr) {
    open(0);
    return;
  }
  if (parent_->tls() != nullptr) {
    state_ = State::Securing;
    // The outcome comes to onConnected() as well.
    if (tls::Session::connect(stream(), parent_->tls()) == nullptr) {
      fail(Errc::OutOfMemory);
    }
    return;
  }
  askParent();
}

void Dial::open(std::size_t consumed) noexcept {
  patience_.cancel();
  state_ = State::Open;
  stream().stopReceive();
  owner_->onDialed(stream(), in_.view().substr(consumed));
  // A tunnel may last for days: it needs no answer of the parent's any more.
  in_.clear(context_.loop.buffers());
}

// --- parents -------------------------------------------------------------------------------------

void Dial::askParent() noexcept {
  if (pool_->kind == PoolKind::HttpParent) {
    askHttp();
  } else {
    greetSocks();
  }
  if (state_ != State::Over) {
    stream().startReceive();
  }
}

/// Messages to parents are small and the first on their connections: they are taken whole.
void Dial::say(std::string_view message) noexcept {
  if (stream().send(message).taken != message.size()) {
    fail(Errc::ParentRefused);
  }
}

void Dial::writeAuthority(http::HeadWriter& out) const noexcept {
  const bool isIpv6 = destination_.family == AddressFamily::Ipv6;
  out.append(isIpv6 ? std::string_view("[") : std::string_view());
  out.append(destination_.host());
  out.append(isIpv6 ? std::string_view("]:") : std::string_view(":"));
  out.appendNumber(destination_.port);
}

void Dial::askHttp() noexcept {
  std::array<char, 2048> into;
  http::HeadWriter writer(into);
  writer.append("CONNECT ");
  writeAuthority(writer);
  writer.append(" HTTP/1.1\r\nHost: ");
  writeAuthority(writer);
  writer.append("\r\n");
  if (!pool_->authorization.empty()) {
    writer.appendField("Proxy-Authorization", pool_->authorization);
  }
  writer.append("\r\n");
  state_ = State::Asking;
  say(writer.view());
}

void Dial::greetSocks() noexcept {
  state_ = State::Greeting;
  isLoggedIn_ = pool_->login.empty();
  std::array<char, socks::kMaxReplyBytes> space;
  say(socks::writeGreeting(!isLoggedIn_, space));
}

void Dial::logIn() noexcept {
  const std::string_view login = pool_->login;
  const std::size_t colon = std::min(login.find(':'), login.size());
  const std::string_view password = login.substr(std::min(colon + 1, login.size()));
  std::array<char, socks::kMaxLoginBytes> space;
  state_ = State::LoggingIn;
  say(socks::writeLogin(login.substr(0, std::min(colon, kMaxLoginPart)),
                        password.substr(0, kMaxLoginPart), space));
}

void Dial::askSocks() noexcept {
  socks::Address to{
      .type = socks::AddressType::Name, .port = destination_.port, .host = destination_.host()};
  if (destination_.isAddress()) {
    const bool isIpv4 = destination_.family == AddressFamily::Ipv4;
    to.type = isIpv4 ? socks::AddressType::Ipv4 : socks::AddressType::Ipv6;
    // RULE: bytes of an address are unsigned where addresses are, and text where messages are.
    to.host = {reinterpret_cast<const char*>(destination_.bytes.data()),
               destination_.address().size()};
  }
  std::array<char, socks::kMaxReplyBytes> space;
  state_ = State::Asking;
  say(socks::writeRequest(socks::Command::Connect, to, space));
}

void Dial::onReceived(net::Stream&, std::string_view bytes) noexcept {
  if (state_ == State::Open || state_ == State::Over) {
    return;
  }
  BufferPool& buffers = context_.loop.buffers();
  if (in_.size() + bytes.size() > kMaxAnswerBytes + 32 * 1024 || !in_.append(buffers, bytes)) {
    fail(Errc::ParentRefused);
    return;
  }
  readParent();
}

void Dial::onReceiveEnd(net::Stream& stream, net::StreamEnd) noexcept {
  if (state_ == State::Connecting) {
    // A reset of one of several attempts; the others go on.
    stream.close();
    onAttemptFailed(Errc::ConnectFailed);
    return;
  }
  if (state_ != State::Open && state_ != State::Over) {
    fail(Errc::ParentRefused);
  }
}

void Dial::readParent() noexcept {
  if (pool_->kind == PoolKind::HttpParent) {
    readHttp();
  } else {
    readSocks();
  }
}

void Dial::readHttp() noexcept {
  for (;;) {
    http::ResponseHead& head = context_.http.response;
    static const plan::Limits kLimits = answerLimits();
    const http::ParseResult parsed = http::parseResponse(in_.view(), kLimits, false, head);
    if (parsed.state == http::ParseState::Partial) {
      if (in_.size() >= kMaxAnswerBytes) {
        fail(Errc::ParentRefused);
      }
      return;
    }
    if (parsed.state == http::ParseState::Bad || head.status == 101 || head.status >= 300) {
      fail(Errc::ParentRefused);
      return;
    }
    if (head.status >= 200) {
      // RFC 9110 9.3.6: whatever framing it names, the tunnel begins behind the head.
      open(parsed.consumed);
      return;
    }
    in_.consume(context_.loop.buffers(), parsed.consumed);
    if (in_.isEmpty()) {
      return;
    }
  }
}

void Dial::readSocks() noexcept {
  switch (state_) {
  case State::Greeting: {
    socks::Verdict method;
    const auto wanted = isLoggedIn_ ? socks::Method::None : socks::Method::Login;
    if (!hasRead(socks::readMethod(in_.view(), method)) ||
        !takeVerdict(method, static_cast<std::uint8_t>(wanted))) {
      return;
    }
    if (isLoggedIn_) {
      askSocks();
    } else {
      logIn();
    }
    return;
  }
  case State::LoggingIn: {
    socks::Verdict status;
    if (!hasRead(socks::readLoginReply(in_.view(), status)) || !takeVerdict(status, 0)) {
      return;
    }
    isLoggedIn_ = true;
    askSocks();
    return;
  }
  default: {
    socks::Reply reply;
    if (!hasRead(socks::readReply(in_.view(), reply))) {
      return;
    }
    if (reply.code != static_cast<std::uint8_t>(socks::ReplyCode::Succeeded)) {
      fail(Errc::ParentRefused);
      return;
    }
    open(reply.bytes);
    return;
  }
  }
}

/// False when more must come first, or it is no SOCKS.
bool Dial::hasRead(socks::State state) noexcept {
  if (state == socks::State::Bad) {
    fail(Errc::ParentRefused);
  }
  return state == socks::State::Done;
}

/// False when it is not what is needed to go on.
bool Dial::takeVerdict(const socks::Verdict& verdict, std::uint8_t wanted) noexcept {
  in_.consume(context_.loop.buffers(), verdict.bytes);
  if (verdict.value != wanted) {
    fail(Errc::ParentRefused);
  }
  return verdict.value == wanted;
}

} // namespace sluice::relay
