#include "relay/socks_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "http/head_writer.h"
#include "relay/access_log.h"
#include "relay/slabs.h"
#include "socks/outcome.h"

namespace sluice::relay {

namespace {

constexpr std::string_view kMethod = "SOCKS";

socks::Address addressOf(const net::IpPort& address) noexcept {
  if (!address.isKnown()) {
    return {};
  }
  const bool isIpv4 = address.family == AddressFamily::Ipv4;
  return {
      .type = isIpv4 ? socks::AddressType::Ipv4 : socks::AddressType::Ipv6,
      .port = address.port,
      // RULE: bytes of an address are unsigned where addresses are, and text where messages are.
      .host = {reinterpret_cast<const char*>(address.bytes.data()), isIpv4 ? 4U : 16U}};
}

} // namespace

SocksClient::SocksClient(Context& context, SocksClientOwner& owner, net::Stream& stream,
                         const upstream::PlanLease& plan, std::uint32_t listener) noexcept
    : context_(context), owner_(owner), stream_(stream), plan_(plan), listenerIndex_(listener),
      deadline_(*this), passage_(context, *this, plan_, listener), startNs_(context.loop.nowNs()) {}

const plan::Listener& SocksClient::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}
const plan::Forward& SocksClient::forward() const noexcept {
  return *plan_->plan().forwardOf(listener());
}

void SocksClient::begin(const net::SocketAddress& client, const net::IpPort& own,
                        std::string_view bytes) noexcept {
  client_ = client;
  own_ = own;
  stream_.setOwner(*this);
  context_.loop.arm(deadline_, listener().timeouts.handshakeMs);
  onReceived(stream_, bytes);
}

// --- the handshake -------------------------------------------------------------------------------

bool SocksClient::isReading() const noexcept {
  switch (step_) {
  case Step::Begin:
  case Step::Greeting:
  case Step::Login:
  case Step::Request:
  case Step::Request4:
    return true;
  case Step::Verifying:
  case Step::Deciding:
  case Step::Dialing:
  case Step::Tunnel:
  case Step::Associated:
  case Step::Over:
    return false;
  }
  return false;
}

void SocksClient::onReceived(net::Stream&, std::string_view bytes) noexcept {
  if (step_ == Step::Associated) {
    // Nothing is expected on this connection any more but its end.
    return;
  }
  if (!in_.append(context_.loop.buffers(), bytes)) {
    end(Errc::OutOfMemory, SocksEnd::Close);
    return;
  }
  if (isReading()) {
    process();
  }
}

void SocksClient::onReceiveEnd(net::Stream&, net::StreamEnd how) noexcept {
  hasClientEnded_ = true;
  if (step_ == Step::Associated) {
    end(Errc::None, SocksEnd::Close);
  } else if (how != net::StreamEnd::Eof) {
    end(Errc::ClientAborted, SocksEnd::Close);
  } else if (isReading()) {
    end(Errc::SocksMalformed, SocksEnd::Close);
  }
}

void SocksClient::onTimer(net::Timer&) noexcept {
  end(Errc::HandshakeTimeout, SocksEnd::Close);
}

/// Works off what has arrived, as far as the step allows.
void SocksClient::process() noexcept {
  while (isReading() && !in_.isEmpty() && readNext()) {
  }
  if (isReading()) {
    if (hasClientEnded_) {
      end(Errc::SocksMalformed, SocksEnd::Close);
    } else if (!stream_.isReceiving()) {
      stream_.startReceive();
    }
  } else if (step_ == Step::Verifying || step_ == Step::Deciding || step_ == Step::Dialing) {
    stream_.stopReceive();
  }
}

/// False when more must come first, or it is over.
bool SocksClient::readNext() noexcept {
  socks::State state = socks::State::Bad;
  switch (step_) {
  case Step::Begin:
    readBegin();
    return step_ != Step::Over;
  case Step::Greeting:
    state = readGreeting();
    break;
  case Step::Login:
    state = readLogin();
    break;
  default:
    state = readRequest();
    break;
  }
  if (state == socks::State::Bad) {
    refuse(Errc::SocksMalformed);
  }
  return state == socks::State::Done && step_ != Step::Over;
}

void SocksClient::readBegin() noexcept {
  version_ = static_cast<std::uint8_t>(in_.view().front());
  step_ = isVersion4() ? Step::Request4 : Step::Greeting;
  if (isVersion4() && forward().users != plan::kNone) {
    // Whom it names it does not prove: nobody has to wait for the rest.
    refuse(Errc::ProxyAuthRequired);
  }
}

socks::State SocksClient::readGreeting() noexcept {
  socks::Greeting greeting;
  const socks::State state = socks::readGreeting(in_.view(), greeting);
  if (state != socks::State::Done) {
    return state;
  }
  const bool hasUsers = forward().users != plan::kNone;
  const socks::Method method = hasUsers ? socks::Method::Login : socks::Method::None;
  const bool isOffered = greeting.offers(method);
  in_.consume(context_.loop.buffers(), greeting.bytes);
  std::array<char, socks::kMaxReplyBytes> space;
  const bool isSaid =
      say(socks::writeMethod(isOffered ? method : socks::Method::Unacceptable, space));
  if (isSaid && isOffered) {
    step_ = hasUsers ? Step::Login : Step::Request;
  } else if (isSaid) {
    end(hasUsers ? Errc::ProxyAuthRequired : Errc::SocksMalformed, SocksEnd::Linger);
  }
  return state;
}

socks::State SocksClient::readLogin() noexcept {
  socks::Login login;
  const socks::State state = socks::readLogin(in_.view(), login);
  if (state != socks::State::Done) {
    return state;
  }
  const plan::Users& users = plan_->plan().users[forward().users];
  const auto known = std::find_if(users.users.begin(), users.users.end(),
                                  [&](const plan::User& user) { return user.name == login.name; });
  user_ = known == users.users.end() ? nullptr : &*known;
  step_ = Step::Verifying;
  // Nobody learns from the time it takes whether a user exists: the control plane hashes either
  // way.
  const upstream::Verdict verdict =
      context_.verdicts.find(users, login.name, login.password, context_.loop.nowMs(), *this);
  in_.consume(context_.loop.buffers(), login.bytes);
  if (verdict != upstream::Verdict::Asked) {
    onVerdict(verdict == upstream::Verdict::Right);
  }
  return state;
}

void SocksClient::onVerdict(bool isRight) noexcept {
  const bool isWelcome = isRight && user_ != nullptr;
  std::array<char, socks::kMaxReplyBytes> space;
  if (!isWelcome) {
    user_ = nullptr;
  }
  if (!say(socks::writeLoginReply(isWelcome, space))) {
    return;
  }
  if (!isWelcome) {
    end(Errc::ProxyAuthRequired, SocksEnd::Linger);
    return;
  }
  step_ = Step::Request;
  process();
}

socks::State SocksClient::readRequest() noexcept {
  socks::Request request;
  const socks::State state = isVersion4() ? socks::readRequest4(in_.view(), request)
                                          : socks::readRequest(in_.view(), request);
  if (state == socks::State::Done) {
    deadline_.cancel();
    serve(request);
  }
  return state;
}

// --- what is asked for ---------------------------------------------------------------------------

/// `request` points into in_, where it lies until it has been understood.
void SocksClient::serve(const socks::Request& request) noexcept {
  step_ = Step::Deciding;
  if (request.address.type == socks::AddressType::Unknown) {
    refuse(Errc::SocksMalformed, socks::ReplyCode::AddressTypeUnsupported);
    return;
  }
  const auto command = static_cast<socks::Command>(request.command);
  if (command == socks::Command::Associate && !isVersion4()) {
    associate(request.address);
    return;
  }
  if (command != socks::Command::Connect) {
    refuse(Errc::SocksMalformed, socks::ReplyCode::CommandUnsupported);
    return;
  }
  const bool isGood = request.address.port != 0 && readHost(request.address, destination_);
  destination_.port = request.address.port;
  in_.consume(context_.loop.buffers(), request.bytes);
  if (!isGood) {
    refuse(Errc::DestinationMalformed);
    return;
  }
  hasDestination_ = true;
  if (const Errc why = admit(); why != Errc::None) {
    refuse(why);
    return;
  }
  // May end all of this before it returns.
  egress_->redirect(destination_);
}

/// One more of the user's, unless that is refused.
Errc SocksClient::admit() noexcept {
  egress_ = context_.slabs.egress.make(context_, *this, plan_, listenerIndex_);
  return egress_ == nullptr ? Errc::OutOfMemory : egress_->admit(user_, client_, own_);
}

EgressWish SocksClient::wish() noexcept {
  return {.method = kMethod, .path = {}, .ports = forward().socksPorts};
}

void SocksClient::onDecided(Errc outcome) noexcept {
  if (egress_->route() != nullptr) {
    passage_.enterRoute(*egress_->route());
  }
  if (outcome != Errc::None) {
    refuse(outcome);
    return;
  }
  passage_.stats().meter = egress_->user() == nullptr ? nullptr : &egress_->meter();
  step_ = Step::Dialing;
  passage_.begin(*egress_, client_);
}

void SocksClient::onNotReached(Errc why) noexcept {
  refuse(why);
}

void SocksClient::onReached(net::Stream& upstream, std::string_view early) noexcept {
  std::array<char, socks::kMaxReplyBytes> space;
  const net::IpPort bound = net::IpPort::of(upstream.localAddress());
  const bool isSaid =
      say(isVersion4() ? socks::writeReply4(socks::Reply4Code::Granted, space)
                       : socks::writeReply(socks::ReplyCode::Succeeded, addressOf(bound), space));
  if (!isSaid) {
    return;
  }
  step_ = Step::Tunnel;
  tunnel_.emplace(context_, *this, stream_, upstream);
  tunnel_->start({.idleMs = listener().timeouts.idleMs,
                  .splice = listener().splice,
                  .hasClientEnded = hasClientEnded_},
                 passage_.stats(), in_.view(), early);
  in_.clear(context_.loop.buffers());
}

void SocksClient::onTunnelEnd(Errc why) noexcept {
  end(why, isCut(why) ? SocksEnd::Abort : SocksEnd::Close);
}

// --- associations --------------------------------------------------------------------------------

void SocksClient::associate(const socks::Address& claimed) noexcept {
  Errc why = admit();
  if (why == Errc::None) {
    association_ = context_.slabs.association.make(context_, *this, plan_, listenerIndex_);
    why = association_ == nullptr ? Errc::OutOfMemory : Errc::None;
  }
  net::IpPort bound;
  if (why == Errc::None) {
    why = association_->open({.egress = *egress_,
                              .client = client_,
                              .own = own_,
                              .local = stream_.localAddress(),
                              .claimed = claimed},
                             bound);
  }
  if (why != Errc::None) {
    refuse(why);
    return;
  }
  std::array<char, socks::kMaxReplyBytes> space;
  if (!say(socks::writeReply(socks::ReplyCode::Succeeded, addressOf(bound), space))) {
    return;
  }
  in_.clear(context_.loop.buffers());
  step_ = Step::Associated;
  if (hasClientEnded_) {
    end(Errc::None, SocksEnd::Close);
    return;
  }
  stream_.startReceive();
}

void SocksClient::onAssociationEnd(Errc why) noexcept {
  end(why, SocksEnd::Close);
}

// --- the end -------------------------------------------------------------------------------------

/// Messages to clients are small and the first on their connections: they are taken whole, or it is
/// over.
bool SocksClient::say(std::string_view message) noexcept {
  if (stream_.send(message).taken == message.size()) {
    return true;
  }
  end(Errc::ClientAborted, SocksEnd::Close);
  return false;
}

void SocksClient::refuse(Errc why) noexcept {
  refuse(why, socks::replyOf(why));
}

/// Answers in the client's version, where it has come far enough to expect an answer.
void SocksClient::refuse(Errc why, socks::ReplyCode reply) noexcept {
  // First, so that whoever has the answer finds it counted.
  account(why);
  std::array<char, socks::kMaxReplyBytes> space;
  bool isSaid = true;
  if (isVersion4()) {
    isSaid = say(socks::writeReply4(socks::reply4Of(why), space));
  } else if (step_ != Step::Greeting && step_ != Step::Login) {
    isSaid = say(socks::writeReply(reply, {}, space));
  }
  if (isSaid) {
    end(why, SocksEnd::Linger);
  }
}

void SocksClient::onDrain() noexcept {
  if (step_ != Step::Tunnel && step_ != Step::Associated) {
    end(Errc::None, SocksEnd::Close);
  }
}

void SocksClient::end(Errc why, SocksEnd how) noexcept {
  if (step_ == Step::Over) {
    return;
  }
  if (isCut(why)) {
    passage_.abort();
  }
  settle(why);
  owner_.onSocksEnd(how, hasClientEnded_);
}

void SocksClient::stop() noexcept {
  if (step_ != Step::Over) {
    settle(Errc::None);
  }
}

/// Counts and tells the log, once.
void SocksClient::account(Errc why) noexcept {
  if (std::exchange(isAccounted_, true)) {
    return;
  }
  const std::uint64_t durationNs = context_.loop.nowNs() - startNs_;
  if (why != Errc::None) {
    passage_.stats().error(why);
  }
  passage_.stats().latency(durationNs);
  writeEnd(why, durationNs);
}

/// Lets go of everything but the client's stream.
void SocksClient::settle(Errc why) noexcept {
  deadline_.cancel();
  stopWaiting();
  account(why);
  step_ = Step::Over;
  if (tunnel_) {
    tunnel_->stop();
  }
  if (association_ != nullptr) {
    std::exchange(association_, nullptr)->drop();
  }
  passage_.leave();
  if (egress_ != nullptr) {
    std::exchange(egress_, nullptr)->drop();
  }
  in_.clear(context_.loop.buffers());
}

void SocksClient::writeEnd(Errc why, std::uint64_t durationNs) noexcept {
  const std::uint16_t log = plan_->log(listenerIndex_);
  if (log == upstream::ActivePlan::kNoLog) {
    return;
  }
  std::array<char, 320> destination;
  http::HeadWriter writer(destination);
  if (hasDestination_) {
    const bool isIpv6 = destination_.family == AddressFamily::Ipv6;
    writer.append(isIpv6 ? std::string_view("[") : std::string_view());
    writer.append(destination_.host());
    writer.append(isIpv6 ? std::string_view("]:") : std::string_view(":"));
    writer.appendNumber(destination_.port);
  }
  std::uint64_t bytesIn = tunnel_ ? tunnel_->bytesIn() : 0;
  std::uint64_t bytesOut = tunnel_ ? tunnel_->bytesOut() : 0;
  if (association_ != nullptr) {
    bytesIn = association_->bytesIn();
    bytesOut = association_->bytesOut();
  }
  writeLog(context_, log, *passage_.stats().listener,
           {.client = client_,
            .listener = listener().name,
            .isHttp = true,
            .route = passage_.routeName(),
            .method = kMethod,
            .bytesIn = bytesIn,
            .bytesOut = bytesOut,
            .durationNs = durationNs,
            .upstreamNs = passage_.reachedNs() == 0 ? 0 : passage_.reachedNs() - startNs_,
            .target = passage_.targetName(),
            .user = user_ != nullptr ? std::string_view(user_->name) : std::string_view(),
            .destination = writer.view(),
            .isForward = true,
            .error = why});
}

} // namespace sluice::relay
