#include "net/pump.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/syscall.h"

namespace sluice::net {

namespace {

constexpr int kPipeBytes = 256 * 1024;
constexpr std::size_t kSpliceBytes = 256 * 1024;
/// Fill-and-empty rounds in a row before others get their turn.
constexpr int kRoundBudget = 16;

} // namespace

Pipe PipePool::take() noexcept {
  if (!idle_.empty()) {
    Pipe pipe = std::move(idle_.back());
    idle_.pop_back();
    return pipe;
  }
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) {
    return {};
  }
  // Refused beyond the user's share of pipe memory; the default size works too.
  ::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void PipePool::give(Pipe pipe) noexcept {
  if (idle_.size() < kKeep) {
    idle_.push_back(std::move(pipe));
  }
}

void Pump::start(Stream& from, Stream& to, std::uint64_t limit) noexcept {
  from_ = &from;
  to_ = &to;
  remaining_ = limit;
  lost_ = 0;
  isSourceEof_ = false;
  isHeldBlocked_ = false;
  from.outgoing_ = this;
  to.incoming_ = this;
  if (from.ring_ != nullptr) {
    from.leaveShot();
    to.sendDeferred();
  }
  // Not run from here: the owner is in the middle of something.
  from.hasInput_ = true;
  from.loop_.queue(from);
}

void Pump::stop() noexcept {
  if (from_ == nullptr) {
    return;
  }
  from_->outgoing_ = nullptr;
  to_->incoming_ = nullptr;
  from_ = nullptr;
  to_ = nullptr;
  lost_ = inPipe_;
  isHeldBlocked_ = false;
  releasePipe();
}

void Pump::releasePipe() noexcept {
  if (inPipe_ == 0 && pipe_.read.isOpen()) {
    pipes_.give(std::move(pipe_));
  }
  pipe_.read.reset();
  pipe_.write.reset();
  inPipe_ = 0;
}

void Pump::finish(PumpEnd end) noexcept {
  stop();
  owner_.onPumpEnd(*this, end);
}

Pump::Step Pump::fill() noexcept {
  if (remaining_ == 0 || isSourceEof_ || from_->sawUrgent_) {
    return Step::Blocked;
  }
  const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, kSpliceBytes));
  const ssize_t got =
      syscall::splice(from_->fd_.get(), pipe_.write.get(), want, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (got > 0) {
    inPipe_ += static_cast<std::size_t>(got);
    if (remaining_ != kNoLimit) {
      remaining_ -= static_cast<std::uint64_t>(got);
    }
    return Step::Moved;
  }
  if (got == 0) {
    // In front of urgent data an end is told as well, if there is one behind it.
    from_->sawUrgent_ = from_->ring_ != nullptr && from_->isAtUrgent();
    isSourceEof_ = !from_->sawUrgent_;
    return Step::Blocked;
  }
  if (errno == EINTR) {
    return Step::Moved;
  }
  if (errno == EAGAIN) {
    // With bytes in the pipe it may be the pipe that is full: the source is asked again once it is
    // empty.
    if (inPipe_ == 0) {
      if (from_->ring_ != nullptr) {
        from_->sawUrgent_ = from_->isAtUrgent();
      }
      from_->hasInput_ = from_->sawUrgent_;
    }
    return Step::Blocked;
  }
  finish(PumpEnd::SourceReset);
  return Step::Ended;
}

Pump::Step Pump::empty() noexcept {
  while (inPipe_ > 0) {
    if (to_->isWireHeld()) {
      return Step::Blocked;
    }
    const ssize_t put = syscall::splice(pipe_.read.get(), to_->fd_.get(), inPipe_,
                                        SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (put > 0) {
      inPipe_ -= static_cast<std::size_t>(put);
      if (to_->ring_ != nullptr) {
        to_->ring_->gathering().noteMoved(static_cast<std::uint64_t>(put));
      }
      owner_.onPumped(*this, static_cast<std::size_t>(put));
      if (!isRunning()) {
        return Step::Ended;
      }
      continue;
    }
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0 && errno == EAGAIN) {
      if (to_->ring_ != nullptr) {
        to_->awaitRoom();
      }
      return Step::Blocked;
    }
    finish(PumpEnd::SinkReset);
    return Step::Ended;
  }
  return Step::Moved;
}

bool Pump::passHeld() noexcept {
  if (!to_->unsent_.isEmpty() || to_->isWireHeld()) {
    return false;
  }
  HeldBytes& held = from_->held_;
  while (!held.isEmpty() && remaining_ > 0) {
    const std::string_view bytes = held.view();
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
    const SendResult sent = to_->sendNow(bytes.substr(0, want));
    if (sent.isFailed) {
      finish(PumpEnd::SinkReset);
      return false;
    }
    held.consume(sent.taken);
    if (remaining_ != kNoLimit) {
      remaining_ -= sent.taken;
    }
    isHeldBlocked_ = sent.taken < want;
    to_->wantsRoom_ = false;
    if (sent.taken > 0) {
      owner_.onPumped(*this, sent.taken);
      if (!isRunning()) {
        return false;
      }
    }
    if (isHeldBlocked_) {
      return false;
    }
  }
  if (remaining_ == 0) {
    finish(PumpEnd::Limit);
    return false;
  }
  if (from_->hasHeldEnd_) {
    const bool isEof = from_->heldEnd_ == StreamEnd::Eof;
    finish(isEof ? PumpEnd::SourceEof : PumpEnd::SourceReset);
    return false;
  }
  // The kernel still receives for it: its last word brings us back.
  return !from_->isShot_;
}

void Pump::run() noexcept {
  if (from_->ring_ != nullptr) {
    from_->ring_->gathering().notePump();
    if (inPipe_ == 0 && !passHeld()) {
      return;
    }
  }
  if (!pipe_.read.isOpen()) {
    pipe_ = pipes_.take();
    if (!pipe_.read.isOpen()) {
      finish(PumpEnd::NoPipe);
      return;
    }
  }
  for (int round = 0; round < kRoundBudget; ++round) {
    const Step filled = fill();
    if (filled == Step::Ended) {
      return;
    }
    const Step emptied = empty();
    if (emptied == Step::Ended) {
      return;
    }
    if (emptied == Step::Blocked) {
      // The sink's EPOLLOUT edge brings us back.
      return;
    }
    if (remaining_ == 0) {
      finish(PumpEnd::Limit);
      return;
    }
    if (isSourceEof_) {
      finish(PumpEnd::SourceEof);
      return;
    }
    if (from_->sawUrgent_) {
      // Splicing stops in front of urgent data, and behind an end says that there was nothing more.
      finish(PumpEnd::NoPipe);
      return;
    }
    if (filled == Step::Blocked && !from_->hasInput_) {
      releasePipe();
      return;
    }
  }
  from_->loop_.queue(*from_);
}

} // namespace sluice::net
