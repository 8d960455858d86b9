#include "upstream/names.h"

#include <string>
#include <vector>

#include "test/test.h"

using namespace sluice;
using namespace sluice::upstream;

namespace {

class Asked final : public QuestionOutlet {
 public:
  std::uint64_t ask(QuestionKind, std::string_view subject, std::string_view,
                    std::string_view) noexcept override {
    hosts.emplace_back(subject);
    return hosts.size();
  }
  std::vector<std::string> hosts;
};

class Told final : public NameWaiter {
 public:
  void onName(const NameAnswer& answer) noexcept override {
    ++times;
    error = answer.error;
    addresses = answer.addresses.size();
    if (names != nullptr) {
      static_cast<void>(names->find(next, 0, *this));
    }
  }
  int times = 0;
  Errc error = Errc::Internal;
  std::size_t addresses = 0;
  /// Asked for as soon as something is told.
  Names* names = nullptr;
  std::string next;
};

NameAnswer answerOf(std::uint32_t ttlMs, std::size_t addresses = 1) {
  NameAnswer answer;
  answer.ttlMs = ttlMs;
  answer.addresses.resize(addresses);
  return answer;
}

} // namespace

TEST("a name is asked for once however many wait, and all of them are told") {
  Asked asked;
  Names names(asked);
  Told one;
  Told other;
  CHECK(names.find("a.test", 1000, one) == nullptr);
  CHECK(names.find("a.test", 1000, other) == nullptr);
  CHECK(asked.hosts == std::vector<std::string>{"a.test"});
  names.onAnswer(1, answerOf(500, 2), 1000);
  CHECK(one.times == 1 && other.times == 1 && one.addresses == 2);
}

TEST("an answer holds as long as it says and is asked for again then") {
  Asked asked;
  Names names(asked);
  Told waiter;
  CHECK(names.find("a.test", 1000, waiter) == nullptr);
  names.onAnswer(1, answerOf(500), 1000);
  CHECK(names.find("a.test", 1499, waiter) != nullptr);
  CHECK(names.find("a.test", 1500, waiter) == nullptr);
  CHECK(asked.hosts.size() == 2);
}

TEST("an answer that holds for no time is told and forgotten") {
  Asked asked;
  Names names(asked);
  Told waiter;
  CHECK(names.find("a.test", 1000, waiter) == nullptr);
  names.onAnswer(1, answerOf(0), 1000);
  CHECK(waiter.times == 1);
  CHECK(names.size() == 0);
  CHECK(names.find("a.test", 1000, waiter) == nullptr);
}

TEST("who waits no more is not told, and answers to nobody's question do nothing") {
  Asked asked;
  Names names(asked);
  Told waiter;
  CHECK(names.find("a.test", 1000, waiter) == nullptr);
  waiter.stopWaiting();
  names.onAnswer(7, answerOf(500), 1000);
  names.onAnswer(1, answerOf(500), 1000);
  names.onAnswer(1, answerOf(500), 1000);
  CHECK(waiter.times == 0);
}

TEST("who asks for many names while being told of one gets answers to all") {
  Asked asked;
  Names names(asked);
  Told waiter;
  waiter.names = &names;
  CHECK(names.find("0.test", 0, waiter) == nullptr);
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    waiter.next = std::to_string(i) + ".test";
    names.onAnswer(i, answerOf(0), 0);
  }
  CHECK(waiter.times == 2000);
  CHECK(names.size() == 1);
}

TEST("the table of names is bounded, and names that somebody waits for stay") {
  Asked asked;
  Names names(asked);
  Told patient;
  CHECK(names.find("patient.test", 0, patient) == nullptr);
  std::vector<Told> others(5000);
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (names.find(std::to_string(i) + ".test", 0, others[i]) == nullptr) {
      names.onAnswer(asked.hosts.size(), answerOf(1'000'000), 0);
    }
  }
  CHECK(names.size() <= 4096);
  CHECK(others.back().times == 1);
  names.onAnswer(1, answerOf(10), 0);
  CHECK(patient.times == 1);
}

TEST("more questions at a time than the table holds are refused at once") {
  Asked asked;
  Names names(asked);
  std::vector<Told> waiters(4097);
  for (std::size_t i = 0; i < 4096; ++i) {
    CHECK(names.find(std::to_string(i) + ".test", 0, waiters[i]) == nullptr);
  }
  const NameAnswer* busy = names.find("one.more.test", 0, waiters[4096]);
  CHECK(busy != nullptr && busy->error == Errc::NameTimeout);
}

TEST("of a name with very many addresses as many are kept as anybody would try") {
  Asked asked;
  Names names(asked);
  Told one;
  CHECK(names.find("a.test", 0, one) == nullptr);
  names.onAnswer(1, answerOf(500, 4000), 0);
  CHECK(one.times == 1 && one.addresses == 64);
  const NameAnswer* kept = names.find("a.test", 1, one);
  CHECK(kept != nullptr && kept->addresses.capacity() == 64);
}

TEST("whoever has left before the answer comes is not told, and who asks meanwhile is") {
  Asked asked;
  Names names(asked);
  Told stays;
  {
    Told leaves;
    Told alsoLeaves;
    CHECK(names.find("a.test", 0, leaves) == nullptr);
    CHECK(names.find("a.test", 0, stays) == nullptr);
    CHECK(names.find("a.test", 0, alsoLeaves) == nullptr);
  }
  names.onAnswer(1, answerOf(0), 0);
  CHECK(stays.times == 1);
  CHECK(names.size() == 0);
}
