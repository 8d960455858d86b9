#include "relay/tunnel.h"

namespace sluice::relay {

namespace {

constexpr std::uint32_t kReceiveBytes = 64 * 1024;
/// Full receives in a row that make a stream bulky. One may be a single large message.
constexpr std::uint8_t kBulkyAfter = 2;

} // namespace

Tunnel::Tunnel(Context& context, TunnelOwner& owner, net::Stream& client,
               net::Stream& upstream) noexcept
    : context_(context), owner_(owner),
      up_(context.pipes, *this, client, upstream, Counter::BytesIn),
      down_(context.pipes, *this, upstream, client, Counter::BytesOut), idle_(*this), pace_(*this) {
}

void Tunnel::start(const TunnelOptions& options, const FlowStats& stats,
                   std::string_view toUpstream, std::string_view toClient) noexcept {
  options_ = options;
  stats_ = stats;
  isRunning_ = true;
  context_.loop.arm(idle_, options_.idleMs);
  for (Direction* direction : {&up_, &down_}) {
    direction->from.setOwner(*this);
    direction->from.setReceiveBytes(kReceiveBytes);
    direction->mayPump = options.splice != SpliceMode::Never && !direction->from.isFiltered() &&
                         (stats.meter == nullptr || !stats.meter->isPaced());
  }
  up_.isEof = options.hasClientEnded;
  for (Direction* direction : {&up_, &down_}) {
    const std::string_view early = direction == &up_ ? toUpstream : toClient;
    if (!early.empty()) {
      if (!count(*direction, early.size())) {
        return;
      }
      forward(*direction, early);
    }
    if (!isRunning_) {
      return;
    }
    if (direction->pending.isEmpty()) {
      resume(*direction);
    }
  }
}

void Tunnel::stop() noexcept {
  isRunning_ = false;
  idle_.cancel();
  pace_.cancel();
  for (Direction* direction : {&up_, &down_}) {
    direction->pump.stop();
    direction->pending.clear(context_.loop.buffers());
  }
}

Tunnel::Direction& Tunnel::from(const net::Stream& stream) noexcept {
  return &stream == &up_.from ? up_ : down_;
}
Tunnel::Direction& Tunnel::into(const net::Stream& stream) noexcept {
  return &stream == &up_.to ? up_ : down_;
}

bool Tunnel::count(Direction& direction, std::size_t bytes) noexcept {
  direction.bytes += bytes;
  stats_.add(direction.counter, bytes);
  context_.loop.arm(idle_, options_.idleMs);
  if (stats_.meter == nullptr) {
    return true;
  }
  if (&direction == &up_) {
    stats_.meter->countIn(bytes);
  } else {
    stats_.meter->countOut(bytes);
  }
  if (!stats_.meter->hasQuotaLeft(context_.clock, context_.loop.wallMs())) {
    finish(Errc::UserQuota);
    return false;
  }
  return true;
}

/// Nothing is received while the user is ahead of the bandwidth.
void Tunnel::pace() noexcept {
  if (!isRunning_ || stats_.meter == nullptr) {
    return;
  }
  const std::uint32_t pauseMs = stats_.meter->pauseMs(context_.loop.nowNs());
  if (pauseMs == 0) {
    return;
  }
  up_.from.stopReceive();
  down_.from.stopReceive();
  // Whoever has to wait is not idle.
  idle_.cancel();
  context_.loop.arm(pace_, pauseMs);
}

void Tunnel::forward(Direction& direction, std::string_view bytes) noexcept {
  const net::SendResult sent = direction.to.send(bytes);
  if (sent.isFailed) {
    finish(&direction == &up_ ? Errc::UpstreamReset : Errc::ClientAborted);
    return;
  }
  bytes.remove_prefix(sent.taken);
  if (bytes.empty()) {
    return;
  }
  direction.from.stopReceive();
  if (!direction.pending.append(context_.loop.buffers(), bytes)) {
    finish(Errc::OutOfMemory);
  }
}

void Tunnel::resume(Direction& direction) noexcept {
  if (direction.isEof) {
    closeDirection(direction);
    return;
  }
  if (pace_.isArmed()) {
    return;
  }
  if (options_.splice == SpliceMode::Always && direction.mayPump &&
      direction.to.takesSplice(net::Pump::kNoLimit)) {
    direction.pump.start(direction.from, direction.to, net::Pump::kNoLimit);
    return;
  }
  direction.from.startReceive();
}

void Tunnel::pumpIfBulky(Direction& direction, std::size_t received) noexcept {
  direction.fullReceives = received == kReceiveBytes
                               ? static_cast<std::uint8_t>(direction.fullReceives + 1)
                               : std::uint8_t{0};
  if (direction.fullReceives < kBulkyAfter || !direction.mayPump || !direction.pending.isEmpty()) {
    return;
  }
  direction.fullReceives = 0;
  if (!direction.to.takesSplice(net::Pump::kNoLimit)) {
    return;
  }
  direction.from.stopReceive();
  direction.pump.start(direction.from, direction.to, net::Pump::kNoLimit);
}

void Tunnel::closeDirection(Direction& direction) noexcept {
  direction.isClosed = true;
  direction.to.shutdownSend();
  if (up_.isClosed && down_.isClosed) {
    finish(Errc::None);
  }
}

void Tunnel::finish(Errc why) noexcept {
  stop();
  owner_.onTunnelEnd(why);
}

void Tunnel::onReceived(net::Stream& stream, std::string_view bytes) noexcept {
  Direction& direction = from(stream);
  if (!count(direction, bytes.size())) {
    return;
  }
  forward(direction, bytes);
  if (isRunning_) {
    pumpIfBulky(direction, bytes.size());
  }
  pace();
}

void Tunnel::onReceiveEnd(net::Stream& stream, net::StreamEnd end) noexcept {
  Direction& direction = from(stream);
  if (end != net::StreamEnd::Eof) {
    finish(&direction == &up_ ? Errc::ClientAborted : Errc::UpstreamReset);
    return;
  }
  direction.isEof = true;
  if (direction.pending.isEmpty()) {
    closeDirection(direction);
  }
}

void Tunnel::onSendRoom(net::Stream& stream) noexcept {
  Direction& direction = into(stream);
  const net::SendResult sent = stream.send(direction.pending.view());
  if (sent.isFailed) {
    finish(&direction == &up_ ? Errc::UpstreamReset : Errc::ClientAborted);
    return;
  }
  direction.pending.consume(context_.loop.buffers(), sent.taken);
  if (!pace_.isArmed()) {
    context_.loop.arm(idle_, options_.idleMs);
  }
  if (direction.pending.isEmpty()) {
    resume(direction);
  }
}

void Tunnel::onPumped(net::Pump& pump, std::size_t bytes) noexcept {
  static_cast<void>(count(&pump == &up_.pump ? up_ : down_, bytes));
}

void Tunnel::onPumpEnd(net::Pump& pump, net::PumpEnd end) noexcept {
  Direction& direction = &pump == &up_.pump ? up_ : down_;
  const bool isUp = &direction == &up_;
  switch (end) {
  case net::PumpEnd::Limit:
  case net::PumpEnd::SourceEof:
    direction.isEof = true;
    closeDirection(direction);
    return;
  case net::PumpEnd::SourceReset:
    finish(isUp ? Errc::ClientAborted : Errc::UpstreamReset);
    return;
  case net::PumpEnd::SinkReset:
    finish(isUp ? Errc::UpstreamReset : Errc::ClientAborted);
    return;
  case net::PumpEnd::NoPipe:
    direction.mayPump = false;
    direction.from.startReceive();
    return;
  }
}

void Tunnel::onTimer(net::Timer& timer) noexcept {
  if (&timer == &idle_) {
    finish(Errc::IdleTimeout);
    return;
  }
  context_.loop.arm(idle_, options_.idleMs);
  pace();
  if (pace_.isArmed()) {
    return;
  }
  for (Direction* direction : {&up_, &down_}) {
    if (isRunning_ && direction->pending.isEmpty() && !direction->isClosed) {
      resume(*direction);
    }
  }
}

} // namespace sluice::relay
