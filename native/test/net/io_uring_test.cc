#include "net/io_uring.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>

#include "test/test.h"

using namespace sluice;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

milliseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

} // namespace

TEST("a wait that gathers ends soon with what there is, and else with its timeout") {
  std::string problem;
  const std::unique_ptr<net::IoUring> ring = net::IoUring::open({}, problem);
  if (ring == nullptr) {
    CHECK(!problem.empty());
    return;
  }
  const UniqueFd news(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  const UniqueFd silence(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  CHECK(ring->poll(news.get(), POLLIN, false, 7));
  CHECK(ring->poll(silence.get(), POLLIN, false, 8));

  const Clock::time_point start = Clock::now();
  ring->submitAndWait(20'000, 200);
  CHECK(since(start) < milliseconds(10'000));
  CHECK_EQ(ring->ready(), 1U);
  CHECK_EQ(ring->take().tag, 7U);

  const Clock::time_point again = Clock::now();
  ring->submitAndWait(30, 200);
  CHECK(since(again) >= milliseconds(29));
  CHECK_EQ(ring->ready(), 0U);
}
