#include "relay/h1_client.h"

#include <algorithm>
#include <utility>

#include "relay/access_log.h"
#include "relay/slabs.h"

namespace sluice::relay {

namespace {

constexpr std::uint32_t kReceiveBytes = 32 * 1024;
/// An answer that came before the request's body may be followed by so much of it; beyond, the
/// connection ends.
constexpr std::uint64_t kMaxSkipped = 64 * 1024;
/// How long a client that has ended its side waits for its answer to begin, before it counts as
/// gone.
constexpr std::uint64_t kHalfClosedMs = 1000;
/// How long a client may take to close after its last answer.
constexpr std::uint64_t kLingerMs = 2000;

} // namespace

H1Client::H1Client(Context& context, std::shared_ptr<ListenerSlot> slot,
                   const net::SocketAddress& client) noexcept
    : context_(context), slot_(std::move(slot)), plan_(context.current),
      listenerIndex_(slot_->index), address_(client), stream_(context.loop, *this), timer_(*this),
      exchange_(context, *this) {
  if (address_.family() != AddressFamily::Unix) {
    addressLength_ = static_cast<std::uint8_t>(address_.formatIp(addressText_));
  }
  stream_.setReceiveBytes(kReceiveBytes);
  context_.flows.add(*this);
}

const plan::Listener& H1Client::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}

const net::IpPort& H1Client::destination() noexcept {
  if (!destination_.isKnown()) {
    destination_ = net::IpPort::of(stream_.localAddress());
  }
  return destination_;
}

// --- input ---------------------------------------------------------------------------------------

void H1Client::onReceived(net::Stream&, std::string_view bytes) noexcept {
  take(bytes);
}

void H1Client::take(std::string_view bytes) noexcept {
  if (state_ == State::Lingering) {
    return;
  }
  BufferPool& buffers = context_.loop.buffers();
  const bool isStored = !in_.isEmpty();
  if (isStored && !in_.append(buffers, bytes)) {
    if (state_ == State::Head) {
      refuseRequest(Errc::RequestHeadTooLarge);
    } else {
      close();
    }
    return;
  }
  input_ = isStored ? in_.view() : bytes;
  isProcessing_ = true;
  process();
  isProcessing_ = false;
  const std::string_view rest = std::exchange(input_, {});
  if (state_ == State::Closed || state_ == State::Lingering || state_ == State::Tunnel ||
      state_ == State::Socks) {
    in_.clear(buffers);
    return;
  }
  if (isStored) {
    in_.consume(buffers, in_.size() - rest.size());
  } else if (!in_.append(buffers, rest)) {
    close();
    return;
  }
  if (hasClientEnded_ && (state_ == State::Idle || state_ == State::Head)) {
    close();
  }
}

/// Works off what has arrived, as far as the state allows.
void H1Client::process() noexcept {
  for (;;) {
    switch (state_) {
    case State::Idle:
    case State::Head:
      if (!readHead()) {
        return;
      }
      break;
    case State::Body:
      if (!forwardBody()) {
        return;
      }
      break;
    case State::Skipping:
      if (!skipBody()) {
        return;
      }
      break;
    case State::Waiting:
    case State::Flushing:
      // Pipelined requests wait; beyond what has come with this receive they wait in the kernel.
      if (!input_.empty()) {
        stream_.stopReceive();
      }
      return;
    case State::Lingering:
      input_ = {};
      return;
    case State::Securing:
    case State::Tunnel:
    case State::Socks:
    case State::Closed:
      return;
    }
  }
}

void H1Client::adoptPlan() noexcept {
  if (slot_->isClosing || plan_ == context_.current) {
    return;
  }
  // The listener may have got another name: it is counted where close() will look for it.
  countOpen(false);
  plan_ = context_.current;
  listenerIndex_ = slot_->index;
  countOpen(true);
  describeClient();
}

/// What the plan in force has to tell of the client's certificate, whichever one it came under.
void H1Client::describeClient() noexcept {
  const plan::ServerTls* terms = plan_->plan().serverTlsOf(listener());
  facts_ = tls_ != nullptr && terms != nullptr ? tls::describeClient(*tls_, *terms) : nullptr;
}

void H1Client::countOpen(bool isOpen) noexcept {
  const plan::Listener& at = listener();
  plan::StatShard& stats = context_.shard(at.stats);
  if (isOpen) {
    stats.add(Counter::Active);
    at.state->connections.fetch_add(1, std::memory_order_relaxed);
  } else {
    stats.sub(Counter::Active);
    at.state->connections.fetch_sub(1, std::memory_order_relaxed);
  }
}

/// False when more input is needed.
bool H1Client::readHead() noexcept {
  if (input_.empty()) {
    return false;
  }
  if (state_ == State::Idle) {
    adoptPlan();
    if (std::exchange(isFirst_, false) && speaksSocks()) {
      beginSocks();
      return false;
    }
    state_ = State::Head;
    scanned_ = 0;
  }
  const plan::Limits& limits = listener().limits;
  // The first time it is parsed at once: a head mostly comes whole. One that comes in pieces is
  // scanned for its end, so that it costs time linear in its length, and then parsed again.
  if (scanned_ != 0) {
    const std::size_t end = http::findHeadEnd(input_, scanned_);
    if (end == std::string_view::npos) {
      waitForHead(http::checkUnfinishedRequest(input_, limits));
      return state_ != State::Head;
    }
  }
  http::RequestHead& head = context_.http.request;
  const http::ParseResult parsed = http::parseRequest(input_, limits, head);
  switch (parsed.state) {
  case http::ParseState::Done:
    startRequest(head, parsed.consumed);
    return true;
  case http::ParseState::Bad:
    refuseRequest(parsed.error);
    return true;
  case http::ParseState::Partial:
    break;
  }
  if (scanned_ == 0) {
    // The time for a head counts from its first byte and is not renewed by the next ones.
    context_.loop.arm(timer_, listener().timeouts.requestHeaderMs);
  }
  waitForHead(http::checkUnfinishedRequest(input_, limits));
  return state_ != State::Head;
}

// --- SOCKS ---------------------------------------------------------------------------------------

/// By the first byte, with which no HTTP begins.
bool H1Client::speaksSocks() const noexcept {
  const auto first = static_cast<std::uint8_t>(input_.front());
  return listener().forward != plan::kNone &&
         (first == socks::kVersion5 || first == socks::kVersion4);
}

void H1Client::beginSocks() noexcept {
  const plan::Forward& forward = *plan_->plan().forwardOf(listener());
  const bool isVersion5 = static_cast<std::uint8_t>(input_.front()) == socks::kVersion5;
  Errc why = Errc::SocksMalformed;
  if (forward.doesAccept(isVersion5 ? ForwardAccept::Socks5 : ForwardAccept::Socks4)) {
    why = Errc::OutOfMemory;
    socks_ = context_.slabs.socks.make(context_, *this, stream_, plan_, listenerIndex_);
  }
  if (socks_ == nullptr) {
    context_.shard(listener().stats).error(why);
    close();
    return;
  }
  state_ = State::Socks;
  timer_.cancel();
  // May end before it returns.
  socks_->begin(address_, destination(), std::exchange(input_, {}));
}

void H1Client::onSocksEnd(SocksEnd how, bool hasClientEnded) noexcept {
  stream_.setOwner(*this);
  hasClientEnded_ = hasClientEnded;
  switch (how) {
  case SocksEnd::Close:
    close();
    return;
  case SocksEnd::Linger:
    finishClosing();
    return;
  case SocksEnd::Abort:
    stream_.abort();
    close();
    return;
  }
}

// --- HTTP ----------------------------------------------------------------------------------------

void H1Client::waitForHead(Errc problem) noexcept {
  if (problem != Errc::None) {
    refuseRequest(problem);
    return;
  }
  scanned_ = input_.size() > 3 ? static_cast<std::uint32_t>(input_.size() - 3) : 1;
}

void H1Client::startRequest(const http::RequestHead& head, std::uint32_t consumed) noexcept {
  timer_.disarm();
  const std::uint64_t limit = listener().limits.bodyBytes;
  if (limit != 0 && head.body == http::BodyKind::Length && head.contentLength > limit) {
    refuseRequest(Errc::RequestBodyTooLarge);
    return;
  }
  if (!head_.append(context_.loop.buffers(), input_.substr(0, consumed))) {
    refuseRequest(Errc::OutOfMemory);
    return;
  }
  input_.remove_prefix(consumed);
  keepAlive_ = head.keepAlive;
  isHttp10_ = head.minorVersion == 0;
  hasBegunAnswer_ = false;
  skipped_ = 0;
  expectsContinue_ = head.expectsContinue;
  isHeadRequest_ = head.methodId == http::Method::Head;
  reader_.begin(head.body, head.contentLength);
  reader_.withhold(edits());
  state_ = reader_.isAtEnd() ? State::Waiting : State::Body;
  exchange_.begin(plan_, listenerIndex_, head);
}

const http::RequestHead& H1Client::request() noexcept {
  http::RequestHead& head = context_.http.request;
  // It has been parsed before, under the same limits, so it is parsed again the same way.
  static_cast<void>(http::parseRequest(head_.view(), listener().limits, head));
  return head;
}

bool H1Client::takeBody(BodySlices& body, Errc& problem) noexcept {
  if (state_ != State::Body) {
    body.isEnd = true;
    return true;
  }
  // Outside process() what has arrived lies in in_, and takeBody() is followed by resumeBody().
  if (isProcessing_ && !reader_.read(context_.loop.buffers(), input_, body)) {
    problem = Errc::RequestMalformed;
    return false;
  }
  const std::uint64_t limit = listener().limits.bodyBytes;
  if (limit != 0 && reader_.total() > limit) {
    problem = Errc::RequestBodyTooLarge;
    return false;
  }
  if (reader_.isAtEnd()) {
    state_ = State::Waiting;
  }
  return true;
}

/// False when the exchange takes no more for now, or nothing more has come.
bool H1Client::forwardBody() noexcept {
  if (!exchange_.wantsBody()) {
    stream_.stopReceive();
    return false;
  }
  BodySlices body;
  Errc problem = Errc::None;
  if (!takeBody(body, problem)) {
    exchange_.onRequestBad(problem);
    return true;
  }
  if (body.count == 0 && !body.isEnd) {
    return false;
  }
  exchange_.onRequestBody(body);
  return true;
}

bool H1Client::maySkipBody() const noexcept {
  // A client that waits for 100 (Continue) may or may not send its body after another answer.
  return !expectsContinue_ && reader_.remaining() <= kMaxSkipped;
}

/// False when more must come.
bool H1Client::skipBody() noexcept {
  BodySlices body;
  const std::size_t before = input_.size();
  const bool isGood = reader_.read(context_.loop.buffers(), input_, body);
  skipped_ += before - input_.size();
  if (!isGood || skipped_ > kMaxSkipped) {
    finishClosing();
    return true;
  }
  if (reader_.isAtEnd()) {
    nextRequest();
    return true;
  }
  return body.count > 0;
}

void H1Client::skipRequestBody(std::uint64_t bytes) noexcept {
  reader_.skip(bytes);
  if (reader_.isAtEnd() && state_ == State::Body) {
    state_ = State::Waiting;
  }
}

void H1Client::resumeBody() noexcept {
  if (isProcessing_ || (state_ != State::Body && state_ != State::Waiting)) {
    return;
  }
  if (in_.isEmpty()) {
    stream_.startReceive();
  } else {
    context_.loop.queue(*this);
  }
}

void H1Client::onEvents(std::uint32_t) noexcept {
  if (state_ == State::Closed || state_ == State::Tunnel || state_ == State::Socks) {
    return;
  }
  if (!in_.isEmpty()) {
    take({});
  }
  const bool mayReceive = state_ == State::Idle || state_ == State::Head ||
                          state_ == State::Lingering || state_ == State::Skipping ||
                          (state_ == State::Waiting && in_.isEmpty()) ||
                          (state_ == State::Body && exchange_.wantsBody());
  if (mayReceive) {
    stream_.startReceive();
  }
}

void H1Client::onReceiveEnd(net::Stream&, net::StreamEnd end) noexcept {
  hasClientEnded_ = true;
  if (end == net::StreamEnd::Eof && (state_ == State::Waiting || state_ == State::Flushing)) {
    // Half-closed: it has said all and waits for its answers (RFC 9112 9.6). Should it be gone
    // altogether, the first bytes of the answer bring a reset; an answer that does not come is not
    // waited for.
    if (state_ == State::Waiting && !hasBegunAnswer_) {
      context_.loop.arm(timer_, kHalfClosedMs);
    }
    return;
  }
  if (exchange_.isActive()) {
    exchange_.onClientGone(Errc::ClientAborted);
    return;
  }
  close();
}

// --- answers -------------------------------------------------------------------------------------

http::ConnectionOption H1Client::connectionOption() noexcept {
  keepAlive_ = keepAlive_ && !slot_->isClosing && (reader_.isAtEnd() || maySkipBody());
  if (!keepAlive_) {
    return http::ConnectionOption::Close;
  }
  return isHttp10_ ? http::ConnectionOption::KeepAlive : http::ConnectionOption::Implied;
}

http::AnswerContext H1Client::answerContext() noexcept {
  return {.date = context_.date.at(context_.loop.wallMs()),
          .connection = connectionOption(),
          .isHead = isHeadRequest_,
          .isTls = tls_ != nullptr};
}

SendState H1Client::send(std::string_view head, std::string_view body) noexcept {
  H1Parts parts;
  parts.addHead(head);
  parts.addHead(body);
  return sendParts(stream_, context_.loop.buffers(), out_, parts);
}

SendState H1Client::sendInterim(const http::ResponseHead& head, const plan::Route& route) noexcept {
  if (isHttp10_) {
    // RFC 9110 15.2: never to a client of HTTP/1.0.
    return out_.isEmpty() ? SendState::Sent : SendState::Blocked;
  }
  http::HeadWriter writer(context_.http.head);
  if (!http::writeResponseHead(writer, head, route, {.kind = http::Framing::None})) {
    return SendState::Broken;
  }
  return send(writer.view(), {});
}

SendState H1Client::sendResponse(const http::ResponseHead& head, const plan::Route& route,
                                 const BodySlices& body) noexcept {
  hasBegunAnswer_ = true;
  http::ClientFraming framing;
  switch (head.body) {
  case http::BodyKind::None:
    responseFraming_ = BodyFraming::None;
    break;
  case http::BodyKind::Length:
    responseFraming_ = BodyFraming::Length;
    break;
  case http::BodyKind::Chunked:
  case http::BodyKind::UntilClose:
    // Chunks let the client tell a complete body from one that was cut.
    responseFraming_ = isHttp10_ ? BodyFraming::UntilClose : BodyFraming::Chunked;
    framing.kind = isHttp10_ ? http::Framing::UntilClose : http::Framing::Chunked;
    keepAlive_ = keepAlive_ && !isHttp10_;
    break;
  }
  if (head.status != 101) {
    framing.connection = connectionOption();
  }
  http::HeadWriter writer(context_.http.head);
  if (!http::writeResponseHead(writer, head, route, framing)) {
    return SendState::Broken;
  }
  H1Parts parts;
  parts.addHead(writer.view());
  parts.addBody(responseFraming_, body);
  return sendParts(stream_, context_.loop.buffers(), out_, parts);
}

SendState H1Client::sendBody(const BodySlices& body) noexcept {
  H1Parts parts;
  parts.addBody(responseFraming_, body);
  return sendParts(stream_, context_.loop.buffers(), out_, parts);
}

void H1Client::sendError(Errc code) noexcept {
  // A malformed message has no known end, so nothing behind it can be trusted.
  const bool isEndUnknown = code == Errc::RequestMalformed || code == Errc::RequestBodyTooLarge ||
                            code == Errc::RequestBodyTimeout;
  keepAlive_ = keepAlive_ && !isEndUnknown;
  const bool isClosing = connectionOption() == http::ConnectionOption::Close;
  http::HeadWriter writer(context_.http.head);
  const std::string_view date = context_.date.at(context_.loop.wallMs());
  http::writeGenerated(writer, code, isClosing, date, isHeadRequest_);
  if (send(writer.view(), {}) == SendState::Broken) {
    keepAlive_ = false;
  }
}

void H1Client::sendRefusal(const http::Refusal& refusal) noexcept {
  http::HeadWriter writer(context_.http.head);
  if (!http::writeRefusal(writer, refusal, answerContext()) ||
      send(writer.view(), isHeadRequest_ ? std::string_view() : refusal.page) ==
          SendState::Broken) {
    keepAlive_ = false;
  }
}

void H1Client::sendAnswer(std::uint16_t status, std::string_view contentType,
                          std::string_view body) noexcept {
  http::HeadWriter writer(context_.http.head);
  if (!http::writeAnswer(writer, status, contentType, body, answerContext()) ||
      send(writer.view(), {}) == SendState::Broken) {
    keepAlive_ = false;
  }
}

void H1Client::sayLast() noexcept {
  keepAlive_ = false;
}

void H1Client::sendEstablished() noexcept {
  hasBegunAnswer_ = true;
  // What is lost here the tunnel finds out.
  static_cast<void>(send("HTTP/1.1 200 Connection established\r\n\r\n", {}));
}

void H1Client::sendRespond(const plan::Route& route) noexcept {
  http::HeadWriter writer(context_.http.head);
  const bool hasBody = http::hasRespondBody(route) && !isHeadRequest_;
  if (!http::writeRespond(writer, route, answerContext()) ||
      send(writer.view(), hasBody ? std::string_view(route.action.body) : std::string_view()) ==
          SendState::Broken) {
    keepAlive_ = false;
  }
}

void H1Client::sendRedirect(const plan::Route& route, const http::RequestHead& head,
                            std::string_view path) noexcept {
  http::HeadWriter writer(context_.http.head);
  if (!http::writeRedirect(writer, route, head, path, answerContext()) ||
      send(writer.view(), {}) == SendState::Broken) {
    keepAlive_ = false;
  }
}

/// A request that never became an exchange.
void H1Client::refuseRequest(Errc why) noexcept {
  const std::uint16_t status = errcInfo(why).status;
  plan::StatShard& stats = context_.shard(listener().stats);
  stats.add(Counter::Requests);
  stats.add(Counter::Status4xx, status < 500 ? 1 : 0);
  stats.add(Counter::Status5xx, status < 500 ? 0 : 1);
  stats.error(why);
  const std::uint16_t log = plan_->log(listenerIndex_);
  if (log != upstream::ActivePlan::kNoLog) {
    writeLog(context_, log, stats,
             {.client = address_,
              .listener = listener().name,
              .isHttp = true,
              .status = status,
              .isForward = listener().forward != plan::kNone,
              .error = why});
  }
  keepAlive_ = false;
  isHeadRequest_ = false;
  sendError(why);
  endExchange();
}

net::Stream* H1Client::spliceSink() noexcept {
  return out_.isEmpty() && responseFraming_ == BodyFraming::Length ? &stream_ : nullptr;
}

net::Stream* H1Client::spliceSource(std::uint64_t& remaining) noexcept {
  remaining = state_ == State::Body ? reader_.remaining() : 0;
  const bool isEmpty = in_.isEmpty() && input_.empty();
  return remaining > 0 && isEmpty && !stream_.isFiltered() ? &stream_ : nullptr;
}

void H1Client::onSendRoom(net::Stream&) noexcept {
  switch (flushQueue(stream_, context_.loop.buffers(), out_)) {
  case SendState::Blocked:
    if (state_ == State::Flushing) {
      context_.loop.arm(timer_, listener().timeouts.bodyIdleMs);
    }
    return;
  case SendState::Broken:
    if (exchange_.isActive()) {
      exchange_.onClientGone(Errc::ClientAborted);
    } else {
      close();
    }
    return;
  case SendState::Sent:
    break;
  }
  if (exchange_.isActive()) {
    exchange_.onClientRoom();
  } else if (state_ == State::Flushing) {
    nextRequest();
  }
}

// --- after an answer -----------------------------------------------------------------------------

void H1Client::endExchange() noexcept {
  if (state_ == State::Closed) {
    return;
  }
  BufferPool& buffers = context_.loop.buffers();
  head_.clear(buffers);
  if (!stream_.isOpen()) {
    close();
    return;
  }
  if (!out_.isEmpty()) {
    state_ = State::Flushing;
    context_.loop.arm(timer_, listener().timeouts.bodyIdleMs);
    return;
  }
  nextRequest();
}

void H1Client::nextRequest() noexcept {
  const bool isAtEnd = reader_.isAtEnd();
  if (!keepAlive_ || slot_->isClosing || (hasClientEnded_ && !isAtEnd)) {
    finishClosing();
    return;
  }
  if (isAtEnd) {
    reader_.clear(context_.loop.buffers());
  }
  const plan::Timeouts& timeouts = listener().timeouts;
  state_ = isAtEnd ? State::Idle : State::Skipping;
  context_.loop.arm(timer_, isAtEnd ? timeouts.keepAliveMs : timeouts.bodyIdleMs);
  if (isProcessing_) {
    return;
  }
  if (hasClientEnded_ && in_.isEmpty()) {
    close();
    return;
  }
  if (in_.isEmpty()) {
    stream_.startReceive();
  } else {
    context_.loop.queue(*this);
  }
}

/// Closes in stages, so that the answer arrives: bytes that nobody reads would make the kernel
/// reset the connection, even those that are still on their way (RFC 9112 9.6).
void H1Client::finishClosing() noexcept {
  if (hasClientEnded_) {
    close();
    return;
  }
  state_ = State::Lingering;
  if (!isProcessing_) {
    in_.clear(context_.loop.buffers());
  }
  stream_.shutdownSend();
  context_.loop.arm(timer_, kLingerMs);
  stream_.startReceive();
}

void H1Client::cut() noexcept {
  if (state_ == State::Closed) {
    return;
  }
  if (responseFraming_ == BodyFraming::UntilClose) {
    // Only a reset tells a body that ends with the connection from one that was cut.
    stream_.abort();
  }
  close();
}

void H1Client::onTimer(net::Timer&) noexcept {
  if (state_ == State::Securing) {
    onHandshakeFailed(Errc::HandshakeTimeout);
    return;
  }
  if (state_ == State::Head) {
    refuseRequest(Errc::RequestTimeout);
    return;
  }
  if (exchange_.isActive()) {
    if (!hasBegunAnswer_) {
      exchange_.onClientGone(Errc::ClientAborted);
    }
    return;
  }
  close();
}

void H1Client::onDrain() noexcept {
  // A head that has begun is answered; the connection closes after it, because its listener is
  // closing.
  if (state_ == State::Idle || state_ == State::Securing) {
    close();
  } else if (state_ == State::Socks) {
    socks_->onDrain();
  }
}

void H1Client::onListenerClosed() noexcept {
  if (slot_->isClosing) {
    onDrain();
  }
}

// --- tunnel --------------------------------------------------------------------------------------

void H1Client::switchProtocols(net::Stream& upstream, std::string_view early) noexcept {
  BufferPool& buffers = context_.loop.buffers();
  timer_.cancel();
  tunnel_ = context_.slabs.tunnel.make(context_, *this, stream_, upstream);
  if (tunnel_ == nullptr || !out_.append(buffers, early)) {
    exchange_.onClientGone(Errc::OutOfMemory);
    return;
  }
  state_ = State::Tunnel;
  const std::string_view fromClient = isProcessing_ ? input_ : in_.view();
  const std::string_view toClient = out_.view();
  tunnel_->start({.idleMs = listener().timeouts.idleMs,
                  .splice = listener().splice,
                  .hasClientEnded = hasClientEnded_},
                 exchange_.stats(), fromClient, toClient);
  in_.clear(buffers);
  out_.clear(buffers);
}

void H1Client::onTunnelEnd(Errc why) noexcept {
  exchange_.onTunnelEnd(why, tunnel_->bytesIn(), tunnel_->bytesOut());
  if (isCut(why)) {
    stream_.abort();
  }
  close();
}

// --- birth and death -----------------------------------------------------------------------------

void H1Client::close() noexcept {
  if (state_ == State::Closed) {
    return;
  }
  if (exchange_.isActive()) {
    state_ = State::Closed;
    exchange_.onClientGone(Errc::None);
  }
  state_ = State::Closed;
  BufferPool& buffers = context_.loop.buffers();
  timer_.cancel();
  context_.loop.unqueue(*this);
  if (tunnel_ != nullptr) {
    tunnel_->stop();
  }
  if (socks_ != nullptr) {
    socks_->stop();
  }
  stream_.close();
  if (!isProcessing_) {
    in_.clear(buffers);
  }
  head_.clear(buffers);
  out_.clear(buffers);
  reader_.clear(buffers);
  countOpen(false);
  context_.flows.remove(*this);
  context_.loop.dispose(*this);
}

void H1Client::dispose() noexcept {
  if (tunnel_ != nullptr) {
    context_.slabs.tunnel.destroy(tunnel_);
  }
  if (socks_ != nullptr) {
    context_.slabs.socks.destroy(socks_);
  }
  context_.slabs.h1Client.destroy(this);
}

void H1Client::open(Context& context, std::shared_ptr<ListenerSlot> slot, UniqueFd fd,
                    const net::SocketAddress& client, const net::IpPort& destination) noexcept {
  const plan::Listener& listener = context.current->plan().listeners[slot->index];
  H1Client* session = context.slabs.h1Client.make(context, std::move(slot), client);
  if (session == nullptr) {
    context.shard(listener.stats).error(Errc::OutOfMemory);
    context.shard(listener.stats).sub(Counter::Active);
    listener.state->connections.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  session->destination_ = destination;
  session->begin(std::move(fd));
}

void H1Client::begin(UniqueFd fd) noexcept {
  const bool isTls = listener().serverTls != plan::kNone;
  bool isReady = stream_.adopt(std::move(fd)).has_value();
  if (isReady && isTls) {
    tls_ = tls::Session::accept(stream_, plan_->serverTls(listener()));
    isReady = tls_ != nullptr;
  }
  if (!isReady) {
    context_.shard(listener().stats).error(Errc::OutOfMemory);
    close();
    return;
  }
  state_ = isTls ? State::Securing : State::Idle;
  const plan::Timeouts& timeouts = listener().timeouts;
  context_.loop.arm(timer_, isTls ? timeouts.handshakeMs : timeouts.requestHeaderMs);
  stream_.startReceive();
}

// --- TLS -----------------------------------------------------------------------------------------

void H1Client::onConnected(net::Stream&, Errc outcome) noexcept {
  if (outcome != Errc::None) {
    onHandshakeFailed(outcome);
    return;
  }
  plan::StatShard& stats = context_.shard(listener().stats);
  stats.add(Counter::TlsHandshakes);
  stats.add(Counter::TlsResumed, tls_->isResumed() ? 1 : 0);
  if (tls_->isChallenge()) {
    close();
    return;
  }
  describeClient();
  state_ = State::Idle;
  context_.loop.arm(timer_, listener().timeouts.requestHeaderMs);
}

void H1Client::onHandshakeFailed(Errc why) noexcept {
  if (why == Errc::PlainOnTls) {
    // Plain text is what such a client understands.
    stream_.dropFilter();
    tls_ = nullptr;
    keepAlive_ = false;
    stream_.startReceive();
    refuseRequest(why);
    return;
  }
  context_.shard(listener().stats).error(why);
  close();
}

http::ClientIdentity H1Client::identity() const noexcept {
  if (facts_ == nullptr) {
    return {};
  }
  return {.isVerified = facts_->isVerified,
          .commonName = facts_->commonName,
          .fingerprint = facts_->fingerprint};
}

std::span<const plan::HeaderEdit> H1Client::edits() const noexcept {
  if (facts_ == nullptr) {
    return {};
  }
  return facts_->edits;
}

bool H1Client::mayAskFor(std::string_view host) const noexcept {
  return tls_ == nullptr || tls_->mayAskFor(host);
}

void H1Client::refuse(Context& context, const UniqueFd& fd) noexcept {
  http::HeadWriter writer(context.http.head);
  const std::string_view date = context.date.at(context.loop.wallMs());
  http::writeGenerated(writer, Errc::ConnectionLimit, true, date);
  net::sendOnce(fd, writer.view());
}

} // namespace sluice::relay
