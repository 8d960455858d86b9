#include "net/timer_wheel.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "test/test.h"

using namespace sluice::net;

namespace {

struct Probe final : TimerOwner {
  Probe() : timer(*this) {}
  void onTimer(Timer&) noexcept override {
    ++fired;
    if (victim != nullptr) {
      victim->timer.cancel();
    }
  }
  Timer timer;
  int fired = 0;
  Probe* victim = nullptr;
};

} // namespace

TEST(
    "a timer fires once, not early and at most two ticks late, over the whole reach of the wheel") {
  std::uint64_t seed = 7;
  for (int round = 0; round < 2000; ++round) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    const std::uint64_t start = 1'000'000 + (seed >> 40);
    const std::uint64_t delay = 1 + (seed >> 20) % (1ULL << (1 + round % 22));
    TimerWheel wheel(start);
    Probe probe;
    wheel.arm(probe.timer, start, delay);
    std::uint64_t now = start;
    while (probe.fired == 0) {
      const int wait = wheel.nextDelayMs(now);
      CHECK(wait >= 0);
      if (wait < 0) {
        break;
      }
      now += static_cast<std::uint64_t>(wait);
      wheel.advance(now);
      if (probe.fired == 0 && wait == 0) {
        now += 1;
      }
    }
    CHECK(now >= start + delay);
    CHECK(now <= start + delay + 9);
    CHECK_EQ(wheel.nextDelayMs(now), -1);
  }
}

TEST("a deadline moved later fires at the later time, one moved earlier at the earlier") {
  TimerWheel wheel(0);
  Probe probe;
  wheel.arm(probe.timer, 0, 100);
  wheel.arm(probe.timer, 50, 100);
  wheel.advance(120);
  CHECK_EQ(probe.fired, 0);
  wheel.advance(160);
  CHECK_EQ(probe.fired, 1);
  wheel.arm(probe.timer, 160, 10'000);
  wheel.arm(probe.timer, 160, 20);
  wheel.advance(200);
  CHECK_EQ(probe.fired, 2);
  wheel.advance(20'000);
  CHECK_EQ(probe.fired, 2);
}

TEST("a timer that another one cancels while both are due does not fire") {
  TimerWheel wheel(0);
  Probe first;
  Probe second;
  first.victim = &second;
  second.victim = &first;
  wheel.arm(first.timer, 0, 10);
  wheel.arm(second.timer, 0, 10);
  wheel.advance(40);
  CHECK_EQ(first.fired + second.fired, 1);
}

TEST("thousands of timers all fire, none early, when the clock jumps") {
  TimerWheel wheel(5);
  std::vector<std::unique_ptr<Probe>> probes;
  for (int i = 0; i < 5000; ++i) {
    probes.push_back(std::make_unique<Probe>());
    wheel.arm(probes.back()->timer, 5, static_cast<std::uint64_t>(1 + i * 37));
  }
  wheel.advance(5 + 5000 * 37 / 2);
  int early = 0;
  for (const auto& probe : probes) {
    early += probe->fired;
  }
  CHECK(early >= 2495 && early <= 2501);
  wheel.advance(400'000);
  for (const auto& probe : probes) {
    CHECK_EQ(probe->fired, 1);
  }
}
