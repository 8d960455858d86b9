// Which loop an engine's workers wait on.
#include <poll.h>
#include <sys/syscall.h>

#include "net/ring_trial.h"
#include "test/forbidden.h"
#include "test/worker/driven_engine.h"

using namespace sluice;
using namespace sluice::test;

namespace {

/// What an engine waits on after it has taken a plan.
worker::LoopState loopOf(worker::LoopWish wish) {
  worker::Engine engine(2, wish);
  const Target target;
  const EncodedPlan plan({{.name = "tcp"}}, target.port);
  CHECK(engine.apply(plan.bytes()).failure == FailureKind::None);
  return engine.loop();
}

} // namespace

TEST("a trial leaves nothing open, however often") {
  const Held before;
  const std::string first = net::tryRing();
  for (int i = 0; i < 40; ++i) {
    CHECK_EQ(net::tryRing(), first);
  }
  CHECK(holdsAgain(before));
}

TEST("a trial interrupts nothing that its caller waits for afterwards") {
  const Connection connection = connectLoopback();
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(net::tryRing());
    // 0: time was up. An interrupted wait would say -1.
    pollfd one{.fd = connection.far.get(), .events = POLLIN, .revents = 0};
    CHECK_EQ(::poll(&one, 1, 20), 0);
  }
}

TEST("where rings are forbidden auto takes epoll, and whoever asked for one is told why") {
  checkWithout(__NR_io_uring_setup, [] {
    const std::string why = "io_uring_setup: Operation not permitted";
    const worker::LoopState asked = loopOf(worker::LoopWish::IoUring);
    const worker::LoopState chosen = loopOf(worker::LoopWish::Auto);
    const std::string age = net::ringDoubtByAge();
    return net::tryRing() == why && asked.kind == worker::LoopKind::Epoll && asked.problem == why &&
           chosen.kind == worker::LoopKind::Epoll && chosen.problem == (age.empty() ? why : age);
  });
}

TEST("a ring that cannot be tried is not relied on, and used where it was asked for") {
  checkWithout(__NR_socketpair, [] {
    const worker::LoopState asked = loopOf(worker::LoopWish::IoUring);
    const worker::LoopState chosen = loopOf(worker::LoopWish::Auto);
    const std::string why = net::tryRing();
    const bool isGranted = why.starts_with("no connection to try it on");
    return chosen.kind == worker::LoopKind::Epoll && !chosen.problem.empty() &&
           asked.problem == why &&
           asked.kind == (isGranted ? worker::LoopKind::IoUring : worker::LoopKind::Epoll);
  });
}

TEST("auto agrees with the trial, and epoll is had by asking") {
  const std::string age = net::ringDoubtByAge();
  const std::string doubt = age.empty() ? net::tryRing() : age;
  const worker::LoopState chosen = loopOf(worker::LoopWish::Auto);
  CHECK_EQ(chosen.problem, doubt);
  CHECK((chosen.kind == worker::LoopKind::IoUring) == doubt.empty());
  const worker::LoopState epoll = loopOf(worker::LoopWish::Epoll);
  CHECK(epoll.kind == worker::LoopKind::Epoll && epoll.problem.empty());
}
