#include "net/loop.h"

#include <sys/epoll.h>
#include <time.h>

#include "net/farewell.h"
#include "net/syscall.h"

namespace sluice::net {

namespace {

std::uint64_t readNs(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

} // namespace

Loop::Loop() noexcept
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), nowNs_(readNs(CLOCK_MONOTONIC)), wheel_(nowMs()) {
  readClock();
}

void Loop::useRing(const RingSizes& sizes) noexcept {
  ring_ = Ring::open(sizes, ringProblem_);
  if (ring_ != nullptr) {
    epoll_.reset();
  }
}

void Loop::readClock() noexcept {
  nowNs_ = readNs(CLOCK_MONOTONIC);
  if (wallReadMs_ == 0 || nowMs() - wallReadMs_ >= 1000) {
    wallReadMs_ = nowMs();
    wallOffsetMs_ = readNs(CLOCK_REALTIME) / 1'000'000 - nowMs();
  }
}

Status Loop::watch(int fd, std::uint32_t events, Source& source) noexcept {
  if (ring_ != nullptr) {
    source.watch_ = ring_->watch(fd, events, source);
    return {};
  }
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return Unexpected{Errc::OutOfMemory};
  }
  return {};
}

void Loop::unwatch(int fd, Source& source) noexcept {
  if (ring_ != nullptr) {
    ring_->release(source.watch_);
    return;
  }
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::forget(Source& source) noexcept {
  // epoll forgets by itself what is closed.
  if (ring_ != nullptr) {
    ring_->release(source.watch_);
  }
}

void Loop::settle() noexcept {
  if (ring_ != nullptr) {
    ring_->settle();
  }
}

void Loop::add(Farewell& farewell) noexcept {
  farewell.next_ = farewells_;
  farewell.previous_ = &farewells_;
  if (farewells_ != nullptr) {
    farewells_->previous_ = &farewell.next_;
  }
  farewells_ = &farewell;
}

void Loop::remove(Farewell& farewell) noexcept {
  *farewell.previous_ = farewell.next_;
  if (farewell.next_ != nullptr) {
    farewell.next_->previous_ = farewell.previous_;
  }
}

void Loop::finish() noexcept {
  while (farewells_ != nullptr) {
    farewells_->end();
  }
  if (ring_ != nullptr) {
    ring_->finish();
  }
  bury();
  // Here, not with the loop: the kernel ends it on the thread that it belongs to.
  ring_.reset();
}

void Loop::queue(Source& source) noexcept {
  if (source.previousQueued_ != nullptr) {
    return;
  }
  source.queuedInTurn_ = turn_;
  source.nextQueued_ = nullptr;
  source.previousQueued_ = queueTail_;
  *queueTail_ = &source;
  queueTail_ = &source.nextQueued_;
}

void Loop::unqueue(Source& source) noexcept {
  if (source.previousQueued_ == nullptr) {
    return;
  }
  *source.previousQueued_ = source.nextQueued_;
  if (source.nextQueued_ != nullptr) {
    source.nextQueued_->previousQueued_ = source.previousQueued_;
  } else {
    queueTail_ = source.previousQueued_;
  }
  source.previousQueued_ = nullptr;
}

void Loop::dispose(Disposable& dead) noexcept {
  dead.nextDead_ = dead_;
  dead_ = &dead;
}

void Loop::runQueue() noexcept {
  // Only what is queued now: a source that queues itself again waits for the next turn, so that
  // busy streams cannot starve the rest.
  ++turn_;
  while (queueHead_ != nullptr && queueHead_->queuedInTurn_ < turn_) {
    Source& source = *queueHead_;
    unqueue(source);
    source.onEvents(0);
  }
}

void Loop::bury() noexcept {
  while (dead_ != nullptr) {
    Disposable& dead = *dead_;
    dead_ = dead.nextDead_;
    dead.dispose();
  }
}

void Loop::pollEvents(int timeoutMs) noexcept {
  std::array<epoll_event, kMaxEvents> events;
  const int count = syscall::epoll_wait(epoll_.get(), events.data(), kMaxEvents, timeoutMs);
  readClock();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    static_cast<Source*>(event.data.ptr)->onEvents(event.events);
  }
}

void Loop::turn() noexcept {
  const int timeoutMs = queueHead_ != nullptr ? 0 : wheel_.nextDelayMs(nowMs());
  if (ring_ != nullptr) {
    ring_->wait(timeoutMs, nowMs());
    readClock();
    ring_->tell();
  } else {
    pollEvents(timeoutMs);
  }
  runQueue();
  wheel_.advance(nowMs());
  bury();
}

} // namespace sluice::net
