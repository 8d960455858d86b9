#include "balance/ejection.h"

#include <atomic>
#include <thread>
#include <vector>

#include "test/balance/vectors.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::balance;

TEST("ejections are those of the shared vectors") {
  plan::Pool pool;
  plan::TargetState state;
  int seen = 0;
  for (const test::Words& words : test::readBalanceVectors("ejection")) {
    ++seen;
    if (words[0] == "policy") {
      pool.ejectAfter = static_cast<std::uint32_t>(test::number(words[1]));
      pool.ejectMs = static_cast<std::uint32_t>(test::number(words[2]));
      pool.maxEjectMs = static_cast<std::uint32_t>(test::number(words[3]));
      state.failures = 0;
      state.ejections = 0;
      state.ejectedUntilMs = 0;
      continue;
    }
    std::size_t at = 2;
    if (words[0] == "fail") {
      CHECK_EQ(onFailure(pool, state, Errc::ConnectRefused, test::number(words[1])),
               words[2] == "1");
      at = 3;
    } else {
      CHECK_EQ(words[0], "ok");
      onSuccess(state);
    }
    CHECK_EQ(state.failures.load(), test::number(words[at]));
    CHECK_EQ(state.ejections.load(), test::number(words[at + 1]));
    CHECK_EQ(state.ejectedUntilMs.load(), test::number(words[at + 2]));
  }
  CHECK(seen > 20);
}

TEST("failures of several workers at once eject once") {
  plan::Pool pool;
  pool.ejectAfter = 1;
  pool.ejectMs = 1000;
  pool.maxEjectMs = 8000;
  plan::TargetState state;
  std::atomic<int> ejected{0};
  std::vector<std::thread> workers;
  for (int w = 0; w < 4; ++w) {
    workers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        ejected += onFailure(pool, state, Errc::ConnectRefused, 10) ? 1 : 0;
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  CHECK_EQ(ejected.load(), 1);
  CHECK_EQ(state.ejections.load(), 1U);
  CHECK_EQ(state.ejectedUntilMs.load(), 1010U);
}

TEST("a streak of ejections never overflows its length") {
  plan::Pool pool;
  pool.ejectAfter = 1;
  pool.ejectMs = 4'000'000'000;
  pool.maxEjectMs = 4'294'967'295;
  plan::TargetState state;
  state.ejections = 4'000'000'000;
  CHECK(onFailure(pool, state, Errc::ConnectRefused, 5));
  CHECK_EQ(state.ejectedUntilMs.load(), std::uint64_t{5} + 4'294'967'295);
}
