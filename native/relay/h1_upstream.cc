#include "relay/h1_upstream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "relay/slabs.h"
#include "tls/session.h"

namespace sluice::relay {

namespace {

constexpr std::uint32_t kReceiveBytes = 32 * 1024;
/// A connection is given up this long before its target said that it would.
constexpr std::uint32_t kLeaveEarlyMs = 500;

} // namespace

H1Upstream::H1Upstream(Context& context, std::shared_ptr<upstream::TargetPool> pool,
                       Exchange& exchange) noexcept
    : context_(context), pool_(std::move(pool)), exchange_(&exchange), stream_(context.loop, *this),
      idle_(*this) {
  stream_.setReceiveBytes(kReceiveBytes);
}

void H1Upstream::dispose() noexcept {
  context_.slabs.h1Upstream.destroy(this);
}

void H1Upstream::close() noexcept {
  if (state_ == State::Closed) {
    return;
  }
  state_ = State::Closed;
  exchange_ = nullptr;
  idle_.cancel();
  stream_.close();
  if (!isProcessing_) {
    in_.clear(context_.loop.buffers());
  }
  out_.clear(context_.loop.buffers());
  reader_.clear(context_.loop.buffers());
  context_.loop.dispose(*this);
}

// --- between requests ----------------------------------------------------------------------------

void H1Upstream::assign(Exchange& exchange) noexcept {
  exchange_ = &exchange;
  idle_.disarm();
}

void H1Upstream::onTimer(net::Timer&) noexcept {
  pool_->remove(*this);
  close();
}

void H1Upstream::abandon() noexcept {
  close();
}

void H1Upstream::release(std::uint32_t maxIdle, std::uint32_t idleMs) noexcept {
  exchange_ = nullptr;
  state_ = State::Done;
  maxIdle_ = maxIdle;
  idleMs_ = idleMs;
  if (keepAliveSeconds_ != 0) {
    // The target closes after so long: leave before that, or a request would meet the close.
    const std::uint64_t leaveMs = keepAliveSeconds_ * std::uint64_t{1000} - kLeaveEarlyMs;
    idleMs_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(idleMs, leaveMs));
  }
  if (!keepAlive_ || isPaused_ || !out_.isEmpty()) {
    close();
    return;
  }
  reader_.clear(context_.loop.buffers());
  if (!isProcessing_) {
    waitInPool();
  }
  // Else take() does it, once it is known that nothing follows the response.
}

void H1Upstream::waitInPool() noexcept {
  if (!in_.isEmpty() || !pool_->give(*this, maxIdle_)) {
    close();
    return;
  }
  state_ = State::Idle;
  isReused_ = true;
  context_.loop.arm(idle_, idleMs_);
  stream_.startReceive();
}

// --- requests ------------------------------------------------------------------------------------

Status H1Upstream::connect() noexcept {
  return stream_.connect(pool_->address());
}

Status H1Upstream::adopt(UniqueFd fd) noexcept {
  const Status status = stream_.adopt(std::move(fd));
  if (status) {
    stream_.startReceive();
  }
  return status;
}

void H1Upstream::onConnected(net::Stream&, Errc outcome) noexcept {
  if (outcome == Errc::None && !stream_.isFiltered()) {
    std::array<char, net::kMaxSentProxyHeaderBytes> into;
    const std::string_view header = exchange_->proxyHeader(into);
    if (!header.empty() && stream_.sendWire(header).taken != header.size()) {
      outcome = Errc::ConnectFailed;
    }
  }
  if (outcome == Errc::None && pool_->tls() != nullptr && !stream_.isFiltered()) {
    // The handshake's outcome comes here too.
    if (tls::Session::connect(stream_, pool_->tls()) == nullptr) {
      exchange_->onConnected(Errc::OutOfMemory);
    }
    return;
  }
  if (outcome == Errc::None) {
    stream_.startReceive();
  }
  exchange_->onConnected(outcome);
}

SendState H1Upstream::sendRequest(const http::RequestHead& head,
                                  const http::ForwardContext& context,
                                  const BodySlices& body) noexcept {
  state_ = State::Head;
  scanned_ = 0;
  isPaused_ = false;
  isHeadRequest_ = head.methodId == http::Method::Head;
  limits_ = &context.listener.limits;
  switch (head.body) {
  case http::BodyKind::Length:
    requestFraming_ = BodyFraming::Length;
    break;
  case http::BodyKind::Chunked:
    requestFraming_ = BodyFraming::Chunked;
    break;
  default:
    requestFraming_ = BodyFraming::None;
    break;
  }
  http::HeadWriter writer(context_.http.head);
  if (!http::writeRequestHead(writer, head, context)) {
    // Cannot be: the scratch is larger than the largest head with the largest edits. The response
    // timer ends it if it is.
    SLUICE_ASSERT(false);
    return SendState::Broken;
  }
  H1Parts parts;
  parts.addHead(writer.view());
  parts.addBody(requestFraming_, body);
  return sendParts(stream_, context_.loop.buffers(), out_, parts);
}

SendState H1Upstream::sendBody(const BodySlices& body) noexcept {
  H1Parts parts;
  parts.addBody(requestFraming_, body);
  return sendParts(stream_, context_.loop.buffers(), out_, parts);
}

void H1Upstream::onSendRoom(net::Stream&) noexcept {
  if (flushQueue(stream_, context_.loop.buffers(), out_) == SendState::Sent &&
      exchange_ != nullptr) {
    exchange_->onUpstreamRoom();
  }
}

net::Stream* H1Upstream::spliceSink() noexcept {
  return out_.isEmpty() && requestFraming_ == BodyFraming::Length ? &stream_ : nullptr;
}

// --- responses -----------------------------------------------------------------------------------

void H1Upstream::onReceived(net::Stream&, std::string_view bytes) noexcept {
  if (state_ == State::Idle) {
    pool_->remove(*this);
    close();
    return;
  }
  take(bytes);
}

void H1Upstream::take(std::string_view bytes) noexcept {
  BufferPool& buffers = context_.loop.buffers();
  const bool isStored = !in_.isEmpty();
  if (isStored && !in_.append(buffers, bytes)) {
    exchange_->onUpstreamFailed(state_ == State::Head ? Errc::ResponseHeadTooLarge
                                                      : Errc::OutOfMemory);
    return;
  }
  std::string_view input = isStored ? in_.view() : bytes;
  isProcessing_ = true;
  process(input);
  isProcessing_ = false;
  if (state_ == State::Closed) {
    in_.clear(buffers);
    return;
  }
  if (isStored) {
    in_.consume(buffers, in_.size() - input.size());
  } else if (!in_.append(buffers, input)) {
    exchange_->onUpstreamFailed(Errc::OutOfMemory);
    return;
  }
  if (state_ == State::Done && exchange_ == nullptr) {
    waitInPool();
  }
}

void H1Upstream::process(std::string_view& input) noexcept {
  for (;;) {
    switch (state_) {
    case State::Head:
      if (!readHead(input)) {
        return;
      }
      break;
    case State::Body:
      if (isPaused_ || !deliverBody(input)) {
        return;
      }
      break;
    default:
      return;
    }
  }
}

/// False when no more can be done with the input for now.
bool H1Upstream::readHead(std::string_view& input) noexcept {
  // As with requests: parsed at once the first time, scanned for its end when it comes in pieces.
  if (scanned_ != 0 && http::findHeadEnd(input, scanned_) == std::string_view::npos) {
    waitForHead(input.size());
    return false;
  }
  http::ResponseHead& head = context_.http.response;
  const http::ParseResult parsed = http::parseResponse(input, *limits_, isHeadRequest_, head);
  if (parsed.state == http::ParseState::Partial) {
    waitForHead(input.size());
    return false;
  }
  if (parsed.state == http::ParseState::Bad) {
    exchange_->onUpstreamFailed(parsed.error);
    return false;
  }
  scanned_ = 0;
  input.remove_prefix(parsed.consumed);
  if (head.status == 101) {
    state_ = State::Done;
    exchange_->onSwitched(head, std::exchange(input, {}));
    return false;
  }
  if (head.status < 200) {
    exchange_->onInterim(head);
    return state_ == State::Head;
  }
  deliverResponse(head, input);
  return true;
}

void H1Upstream::waitForHead(std::size_t size) noexcept {
  if (size > std::max<std::size_t>(limits_->headBytes, http::kResponseHeadBytes)) {
    exchange_->onUpstreamFailed(Errc::ResponseHeadTooLarge);
    return;
  }
  scanned_ = size > 3 ? static_cast<std::uint32_t>(size - 3) : 1;
}

void H1Upstream::deliverResponse(const http::ResponseHead& head, std::string_view& input) noexcept {
  keepAlive_ = head.keepAlive && head.body != http::BodyKind::UntilClose;
  keepAliveSeconds_ = head.keepAliveTimeoutSeconds;
  reader_.begin(head.body, head.contentLength);
  BodySlices body;
  if (!reader_.read(context_.loop.buffers(), input, body)) {
    exchange_->onUpstreamFailed(Errc::ResponseMalformed);
    return;
  }
  state_ = body.isEnd ? State::Done : State::Body;
  exchange_->onResponse(head, body);
}

bool H1Upstream::deliverBody(std::string_view& input) noexcept {
  BodySlices body;
  if (!reader_.read(context_.loop.buffers(), input, body)) {
    exchange_->onUpstreamFailed(Errc::ResponseMalformed);
    return false;
  }
  if (body.count == 0 && !body.isEnd) {
    return false;
  }
  state_ = body.isEnd ? State::Done : State::Body;
  exchange_->onResponseBody(body);
  return true;
}

void H1Upstream::onReceiveEnd(net::Stream&, net::StreamEnd end) noexcept {
  const bool isEof = end == net::StreamEnd::Eof;
  switch (state_) {
  case State::Idle:
    pool_->remove(*this);
    close();
    return;
  case State::Head:
    // Part of a head is an answer that began: not to be asked for twice.
    exchange_->onUpstreamFailed(!in_.isEmpty() ? Errc::ResponseIncomplete
                                : isEof        ? Errc::UpstreamClosed
                                               : Errc::UpstreamReset);
    return;
  case State::Body:
    if (isEof && reader_.endsWithConnection()) {
      state_ = State::Done;
      BodySlices last;
      last.isEnd = true;
      exchange_->onResponseBody(last);
      return;
    }
    exchange_->onUpstreamFailed(Errc::ResponseIncomplete);
    return;
  case State::Connecting:
  case State::Done:
  case State::Closed:
    return;
  }
}

void H1Upstream::pauseResponse() noexcept {
  isPaused_ = true;
  stream_.stopReceive();
}

void H1Upstream::resumeResponse() noexcept {
  isPaused_ = false;
  if (!in_.isEmpty() && !isProcessing_) {
    take({});
  }
  if (state_ != State::Closed && state_ != State::Idle && !isPaused_) {
    stream_.startReceive();
  }
}

net::Stream* H1Upstream::spliceSource(std::uint64_t& remaining) noexcept {
  remaining = state_ == State::Body ? reader_.remaining() : 0;
  return remaining > 0 && in_.isEmpty() && !stream_.isFiltered() ? &stream_ : nullptr;
}

// --- making and finding --------------------------------------------------------------------------

UpstreamSession* reuseUpstream(const std::shared_ptr<upstream::TargetPool>& pool,
                               Exchange& exchange) noexcept {
  while (upstream::IdleUpstream* idle = pool->take()) {
    auto* upstream = static_cast<H1Upstream*>(idle);
    if (upstream->isClean()) {
      upstream->assign(exchange);
      return upstream;
    }
    upstream->close();
  }
  return nullptr;
}

UpstreamSession* adoptUpstream(Context& context, const std::shared_ptr<upstream::TargetPool>& pool,
                               Exchange& exchange, UniqueFd fd) noexcept {
  H1Upstream* upstream = context.slabs.h1Upstream.make(context, pool, exchange);
  if (upstream != nullptr && !upstream->adopt(std::move(fd))) {
    upstream->close();
    return nullptr;
  }
  return upstream;
}

UpstreamSession* connectUpstream(Context& context,
                                 const std::shared_ptr<upstream::TargetPool>& pool,
                                 Exchange& exchange, Errc& why) noexcept {
  H1Upstream* upstream = context.slabs.h1Upstream.make(context, pool, exchange);
  if (upstream == nullptr) {
    why = Errc::OutOfMemory;
    return nullptr;
  }
  const Status begun = upstream->connect();
  if (!begun) {
    why = begun.error();
    upstream->close();
    return nullptr;
  }
  return upstream;
}

} // namespace sluice::relay
