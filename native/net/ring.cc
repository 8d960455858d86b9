#include "net/ring.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "net/loop.h"
#include "net/stream.h"

namespace sluice::net {

namespace {

constexpr std::size_t kArenaBytes = 256 * 1024;
/// Of one stream in one turn; what is not sent of it has to fit into a buffer.
constexpr std::size_t kMaxMergedBytes = 32 * 1024;
/// No more than one submission holds, because they must all have ended when it has.
constexpr std::size_t kMaxSends = 512;
/// Whoever does not get the kernel's last words in this time goes without.
constexpr int kFinishRounds = 100;
constexpr int kFinishRoundMs = 10;

// A tag says what a completion is about: a slot, a deferred send, or the cancelling of a slot.
constexpr std::uint64_t kSendTag = std::uint64_t{1} << 62;
constexpr std::uint64_t kCancelTag = std::uint64_t{1} << 63;

std::uint32_t numberOf(std::uint64_t tag) noexcept {
  return static_cast<std::uint32_t>(tag);
}

} // namespace

std::unique_ptr<Ring> Ring::open(const RingSizes& sizes, std::string& problem) noexcept {
  std::unique_ptr<IoUring> uring = IoUring::open(sizes, problem);
  if (!uring) {
    return nullptr;
  }
  std::unique_ptr<Ring> ring(new (std::nothrow) Ring(std::move(uring)));
  if (!ring || !ring->arena_) {
    problem = "out of memory";
    return nullptr;
  }
  return ring;
}

Ring::Ring(std::unique_ptr<IoUring> uring) noexcept
    : uring_(std::move(uring)), arena_(new (std::nothrow) char[kArenaBytes]) {
  sends_.reserve(kMaxSends);
}

// --- requests ------------------------------------------------------------------------------------

Ring::Handle Ring::claim(Kind kind, int fd, std::uint32_t events, Source& source) noexcept {
  if (freeSlots_.empty()) {
    freeSlots_.push_back(static_cast<Handle>(slots_.size()));
    slots_.emplace_back();
  }
  const Handle handle = freeSlots_.back();
  freeSlots_.pop_back();
  Slot& slot = slots_[handle];
  slot.source = &source;
  slot.fd = fd;
  slot.events = events;
  slot.kind = kind;
  ++used_;
  arm(handle);
  return handle;
}

void Ring::arm(Handle handle) noexcept {
  slots_[handle].isPending = true;
  arms_.push_back(handle);
}

void Ring::free(Handle handle) noexcept {
  Slot& slot = slots_[handle];
  slot = {.generation = slot.generation + 1};
  freeSlots_.push_back(handle);
  --used_;
}

void Ring::cancel(Handle handle) noexcept {
  Slot& slot = slots_[handle];
  if (!slot.isCancelling) {
    slot.isCancelling = true;
    cancels_.push_back(handle);
  }
}

Ring::Handle Ring::watch(int fd, std::uint32_t events, Source& source) noexcept {
  const bool isEdge = (events & static_cast<std::uint32_t>(EPOLLET)) != 0;
  return claim(isEdge ? Kind::Edge : Kind::Level, fd, events, source);
}

Ring::Handle Ring::receive(int fd, Stream& stream) noexcept {
  return claim(Kind::Receive, fd, 0, stream);
}

Ring::Handle Ring::room(int fd, Stream& stream) noexcept {
  return claim(Kind::Room, fd, EPOLLOUT, stream);
}

void Ring::release(Handle& handle) noexcept {
  const Handle released = std::exchange(handle, kNone);
  if (released == kNone) {
    return;
  }
  Slot& slot = slots_[released];
  if (!slot.isArmed) {
    free(released);
    return;
  }
  slot.source = nullptr;
  cancel(released);
}

void Ring::stop(Handle handle) noexcept {
  cancel(handle);
}

void Ring::settle() noexcept {
  queueControl();
  uring_->settle();
  takeRefused();
}

// --- deferred sends ------------------------------------------------------------------------------

bool Ring::defer(Stream& stream, int fd, std::span<const iovec> parts, std::size_t total) noexcept {
  if (total > kMaxDeferredBytes || arenaUsed_ + total > kArenaBytes) {
    return false;
  }
  if (stream.deferred_ < sends_.size() && sends_[stream.deferred_].stream == &stream) {
    DeferredSend& before = sends_[stream.deferred_];
    if (before.offset + before.bytes != arenaUsed_ || before.bytes + total > kMaxMergedBytes) {
      return false;
    }
    before.bytes += static_cast<std::uint32_t>(total);
  } else {
    if (sends_.size() == kMaxSends) {
      return false;
    }
    stream.deferred_ = static_cast<std::uint32_t>(sends_.size());
    sends_.push_back({.stream = &stream,
                      .fd = fd,
                      .offset = static_cast<std::uint32_t>(arenaUsed_),
                      .bytes = static_cast<std::uint32_t>(total)});
  }
  for (const iovec& part : parts) {
    if (part.iov_len > 0) {
      std::memcpy(&arena_[arenaUsed_], part.iov_base, part.iov_len);
      arenaUsed_ += part.iov_len;
    }
  }
  return true;
}

std::string_view Ring::takeDeferred(Stream& stream) noexcept {
  if (stream.deferred_ >= sends_.size() || sends_[stream.deferred_].stream != &stream) {
    return {};
  }
  DeferredSend& send = sends_[stream.deferred_];
  send.stream = nullptr;
  return {&arena_[send.offset], send.bytes};
}

void Ring::queueSends() noexcept {
  for (std::uint32_t number = 0; number < sends_.size(); ++number) {
    const DeferredSend& send = sends_[number];
    // There is room: the queue is empty when a turn ends, and holds as many.
    if (send.stream != nullptr &&
        !uring_->send(send.fd, {&arena_[send.offset], send.bytes}, kSendTag | number)) {
      endSend(number, 0);
    }
  }
}

void Ring::endSend(std::uint32_t number, std::int32_t result) noexcept {
  DeferredSend& send = sends_[number];
  if (Stream* stream = std::exchange(send.stream, nullptr)) {
    stream->onDeferredSent(result, {&arena_[send.offset], send.bytes});
  }
}

/// All that the kernel has to say about the turn's sends it has said when the submission returns:
/// those it took whole it is silent about.
void Ring::endSends() noexcept {
  if (sends_.empty()) {
    return;
  }
  for (std::uint32_t at = 0; at < uring_->ready(); ++at) {
    const Completion completion = uring_->peek(at);
    if ((completion.tag & kSendTag) != 0) {
      endSend(numberOf(completion.tag), completion.result);
    }
  }
  sends_.clear();
  arenaUsed_ = 0;
}

// --- the turn ------------------------------------------------------------------------------------

/// Queues what is to be cancelled and armed; what the kernel has no memory for waits a turn.
void Ring::queueControl() noexcept {
  const auto queue = [this](std::vector<Handle>& handles, auto put) {
    std::size_t done = 0;
    for (; done < handles.size(); ++done) {
      if (put(handles[done])) {
        continue;
      }
      uring_->submit();
      if (!put(handles[done])) {
        break;
      }
    }
    handles.erase(handles.begin(), handles.begin() + static_cast<std::ptrdiff_t>(done));
  };
  queue(cancels_, [this](Handle handle) {
    const Slot& slot = slots_[handle];
    // Its last completion may have come, and the slot be another's by now.
    return !slot.isArmed || !slot.isCancelling || uring_->cancel(handle, kCancelTag | handle);
  });
  queue(arms_, [this](Handle handle) {
    Slot& slot = slots_[handle];
    if (!slot.isPending) {
      return true;
    }
    const bool isQueued = slot.kind == Kind::Receive
                              ? uring_->receive(slot.fd, handle)
                              : uring_->poll(slot.fd, slot.events, slot.kind == Kind::Edge, handle);
    slot.isPending = !isQueued;
    slot.isArmed = isQueued;
    return isQueued;
  });
}

void Ring::takeRefused() noexcept {
  std::uint64_t tag = 0;
  while (uring_->takeRefused(tag)) {
    if ((tag & kSendTag) != 0) {
      endSend(numberOf(tag), 0);
    } else if ((tag & kCancelTag) != 0) {
      cancels_.push_back(numberOf(tag));
    } else {
      slots_[numberOf(tag)].isArmed = false;
      arm(numberOf(tag));
    }
  }
}

void Ring::wait(int timeoutMs, std::uint64_t nowMs) noexcept {
  queueSends();
  queueControl();
  uring_->submitAndWait(timeoutMs, gathering_.endTurn(nowMs));
  takeRefused();
  endSends();
}

void Ring::tell() noexcept {
  while (uring_->ready() > 0) {
    const Gathering::Done before = gathering_.done();
    tell(uring_->take());
    gathering_.endEvent(before);
  }
}

void Ring::tell(const Completion& completion) noexcept {
  if ((completion.tag & (kSendTag | kCancelTag)) != 0) {
    return;
  }
  const Handle handle = numberOf(completion.tag);
  if (!completion.hasMore) {
    slots_[handle].isArmed = false;
  }
  if (slots_[handle].kind == Kind::Receive) {
    tellReceived(handle, completion);
  } else {
    tellEvents(handle, completion);
  }
}

void Ring::tellEvents(Handle handle, const Completion& completion) noexcept {
  const Slot slot = slots_[handle];
  if (slot.source == nullptr) {
    if (!slot.isArmed) {
      free(handle);
    }
    return;
  }
  if (slot.kind == Kind::Room) {
    free(handle);
    static_cast<Stream*>(slot.source)->onRoom();
    return;
  }
  if (completion.result > 0) {
    slot.source->onEvents(static_cast<std::uint32_t>(completion.result));
  }
  // The callback may have released it, and others may have come to its place.
  if (!slot.isArmed && slots_[handle].generation == slot.generation) {
    arm(handle);
  }
}

void Ring::tellReceived(Handle handle, const Completion& completion) noexcept {
  Source* source = slots_[handle].source;
  if (!slots_[handle].isArmed) {
    free(handle);
  }
  std::string_view bytes;
  if (completion.buffer != Completion::kNoBuffer && completion.result > 0) {
    bytes = {uring_->buffer(completion.buffer), static_cast<std::size_t>(completion.result)};
  }
  if (source != nullptr) {
    static_cast<Stream*>(source)->onShot(completion, bytes);
  }
  if (completion.buffer != Completion::kNoBuffer) {
    uring_->giveBack(completion.buffer);
  }
}

// --- the end -------------------------------------------------------------------------------------

void Ring::finish() noexcept {
  for (Handle handle = 0; handle < slots_.size(); ++handle) {
    if (slots_[handle].source != nullptr) {
      Handle released = handle;
      release(released);
    }
  }
  for (int round = 0; round < kFinishRounds && used_ > 0; ++round) {
    wait(kFinishRoundMs, 0);
    tell();
  }
}

} // namespace sluice::net
