#include "net/ring_trial.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "base/unique_fd.h"
#include "net/io_uring.h"

namespace sluice::net {

namespace {

/// The first with long care that has what was mended of multishot requests in 2023 and 2024: a
/// flood on one connection that kept the others waiting, completions lost when the queue was full,
/// and requests that were to complete silently and did not complete at all.
constexpr std::array<unsigned, 2> kLeast{6, 12};

constexpr int kPatienceMs = 250;
constexpr std::uint64_t kTag = 1;

struct Pair {
  UniqueFd near;
  UniqueFd far;
  [[nodiscard]] bool isOpen() const noexcept { return near.isOpen() && far.isOpen(); }
};

Pair unixPair() noexcept {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return {};
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Pair loopbackPair() noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  // RULE: the sockets interface takes every address as a sockaddr.
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd far(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listening.isOpen() || !far.isOpen() || ::bind(listening.get(), generic, length) != 0 ||
      ::listen(listening.get(), 1) != 0 || ::getsockname(listening.get(), generic, &length) != 0 ||
      ::connect(far.get(), generic, length) != 0) {
    return {};
  }
  UniqueFd near(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return {std::move(near), std::move(far)};
}

/// A byte and the end of the stream behind it, both there before the kernel may work for the ring:
/// the byte's wake-up and the end's are then one. True when the ring tells of both.
bool hearsEnd(IoUring& ring, Pair pair) noexcept {
  if (!ring.receive(pair.near.get(), kTag)) {
    return false;
  }
  ring.submit();
  // Of TCP a reset, so that the last wake-up is not followed by one that would bring it out.
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(pair.far.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  if (::send(pair.far.get(), "x", 1, MSG_NOSIGNAL) != 1) {
    return false;
  }
  pair.far.reset();
  pollfd ended{.fd = pair.near.get(), .events = POLLRDHUP, .revents = 0};
  if (::poll(&ended, 1, kPatienceMs) != 1) {
    return false;
  }
  bool hasByte = false;
  // The last word is the end, or asks for another receive, which would find it.
  for (bool hasMore = true; hasMore;) {
    if (ring.ready() == 0) {
      ring.submitAndWait(kPatienceMs);
    }
    if (ring.ready() == 0) {
      return false;
    }
    const Completion completion = ring.take();
    hasByte = hasByte || completion.result == 1;
    hasMore = completion.hasMore;
    if (completion.buffer != Completion::kNoBuffer) {
      ring.giveBack(completion.buffer);
    }
  }
  return hasByte;
}

/// What tryRing() says.
std::string tryRingHere() {
  std::string problem;
  const std::unique_ptr<IoUring> ring =
      IoUring::open({.requests = 8, .completions = 16, .buffers = 4, .bufferBytes = 64}, problem);
  if (!ring) {
    return problem;
  }
  for (Pair (*makePair)() noexcept : {&unixPair, &loopbackPair}) {
    Pair pair = makePair();
    if (!pair.isOpen()) {
      return std::string("no connection to try it on: ") + std::strerror(errno);
    }
    if (!hearsEnd(*ring, std::move(pair))) {
      return "this kernel loses the end of a stream (CVE-2026-23473)";
    }
  }
  return {};
}

void* runTrial(void* problem) {
  *static_cast<std::string*>(problem) = tryRingHere();
  return nullptr;
}

} // namespace

std::string ringDoubtOf(std::string_view release) {
  std::array<unsigned, 2> version{};
  const char* at = release.data();
  const char* const end = at + release.size();
  for (unsigned& part : version) {
    const auto [next, error] = std::from_chars(at, end, part);
    if (error != std::errc()) {
      return "Linux " + std::string(release) + ": no version that is known";
    }
    at = next != end && *next == '.' ? next + 1 : next;
  }
  if (version < kLeast) {
    return "Linux " + std::string(release) + " is older than " + std::to_string(kLeast[0]) + "." +
           std::to_string(kLeast[1]);
  }
  return {};
}

std::string ringDoubtByAge() {
  utsname name{};
  return ::uname(&name) == 0 ? ringDoubtOf(name.release) : "uname: no answer";
}

std::string tryRing() {
  std::string problem;
  // The thread takes no signals, which are others' business.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread{};
  const int error = ::pthread_create(&thread, nullptr, &runTrial, &problem);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return std::string("no thread to try it on: ") + std::strerror(error);
  }
  ::pthread_join(thread, nullptr);
  return problem;
}

} // namespace sluice::net
