// The self-tests: a generator against the cheapest target there can be, a child process that
// answers without looking, so that what it reaches is the most that the generator can reach.
#pragma once

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "load/command_line.h"
#include "load/entry.h"
#include "load/outcome.h"

namespace sluice::load {

struct SelfTest {
  bool isOn = false;
  int core = -1; ///< of the mirror; -1: wherever
};

[[nodiscard]] inline SelfTest parseSelfTest(CommandLine& line) {
  SelfTest test;
  test.isOn = line.flag("--self-test");
  if (test.isOn) {
    test.core = static_cast<int>(line.number("--mirror-core", -1, 0, CPU_SETSIZE - 1));
  }
  return test;
}

class Mirror {
 public:
  /// `make(shared, address)` opens the entry that answers, and fills in its address.
  template<typename Make>
  Mirror(const SelfTest& test, Make&& make) {
    const auto shared = std::make_unique<Shared>();
    address_ = parseAddress("127.0.0.1:0");
    const std::unique_ptr<Entry> entry = make(*shared, address_);
    const pid_t parent = ::getpid();
    child_ = ::fork();
    if (child_ < 0) {
      fail("fork", errno);
    }
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) {
        ::_exit(0); // it ended before it could be said that we end with it
      }
      if (test.core >= 0) {
        pinTo(test.core);
      }
      for (;;) {
        shared->turn(-1);
      }
    }
  }
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;
  ~Mirror() { static_cast<void>(stop()); }

  [[nodiscard]] const sockaddr_in& address() const { return address_; }

  /// Ends it and returns the CPU seconds that it took.
  double stop() {
    rusage usage{};
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::wait4(std::exchange(child_, -1), nullptr, 0, &usage);
    }
    return secondsOf(usage.ru_utime) + secondsOf(usage.ru_stime);
  }

 private:
  sockaddr_in address_{};
  pid_t child_ = -1;
};

/// Where the load goes: what `--to` says, or a mirror in its place.
struct Target {
  sockaddr_in address{};
  std::unique_ptr<Mirror> mirror;

  void printJson(const Sample& sample) const {
    if (mirror) {
      std::printf("\"selfTest\":true,\"ceiling\":%.3f,\"mirrorCpuSeconds\":%.6f,", sample.ceiling(),
                  mirror->stop());
    }
  }
};

template<typename Make>
[[nodiscard]] Target findTarget(CommandLine& line, const SelfTest& test, Make&& make) {
  if (!test.isOn) {
    return {parseAddress(line.text("--to", "")), nullptr};
  }
  auto mirror = std::make_unique<Mirror>(test, make);
  const sockaddr_in address = mirror->address();
  return {address, std::move(mirror)};
}

struct Canned {
  std::uint64_t requestBytes;
  std::string answer;
  bool isKept; ///< the connection, after an answer
};

/// Counts bytes, and says the same thing after each request's worth of them.
class CannedAnswers final : public Entry {
 public:
  CannedAnswers(Shared& shared, int fd, const Canned& canned)
      : shared_(shared), fd_(fd), canned_(canned) {
    shared_.epoll.add(fd, EPOLLIN, this);
  }

  void onReady(std::uint32_t events) override {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 || !(unsent_ > 0 ? send() : receive())) {
      ::close(fd_);
      delete this;
    }
  }

 private:
  [[nodiscard]] bool receive() {
    const ssize_t length = ::recv(fd_, shared_.buffer.data(), shared_.buffer.size(), 0);
    if (length <= 0) {
      return mayTryAgain(length);
    }
    received_ += static_cast<std::uint64_t>(length);
    if (received_ < canned_.requestBytes) {
      return true;
    }
    received_ -= canned_.requestBytes;
    unsent_ = canned_.answer.size();
    return send();
  }

  [[nodiscard]] bool send() {
    const bool isAgain = isWaiting_;
    const ssize_t sent = ::send(fd_, canned_.answer.data() + (canned_.answer.size() - unsent_),
                                unsent_, MSG_NOSIGNAL);
    if (sent < 0 && !mayTryAgain(sent)) {
      return false;
    }
    unsent_ -= sent > 0 ? static_cast<std::size_t>(sent) : 0;
    isWaiting_ = unsent_ > 0;
    if (isWaiting_ != isAgain) {
      shared_.epoll.change(fd_, isWaiting_ ? EPOLLOUT : EPOLLIN, this);
    }
    return isWaiting_ || canned_.isKept;
  }

  Shared& shared_;
  int fd_;
  const Canned& canned_;
  std::uint64_t received_ = 0;
  std::size_t unsent_ = 0;
  bool isWaiting_ = false;
};

template<typename Accept>
[[nodiscard]] std::unique_ptr<Entry> listen(Shared& shared, sockaddr_in& address, Accept accept) {
  return std::make_unique<Listener<Accept>>(shared, address, std::move(accept));
}

} // namespace sluice::load
