#include "upstream/verdicts.h"

#include <memory>
#include <string>
#include <vector>

#include "test/test.h"

using namespace sluice;
using namespace sluice::upstream;

namespace {

class Asked final : public QuestionOutlet {
 public:
  std::uint64_t ask(QuestionKind, std::string_view subject, std::string_view name,
                    std::string_view password) noexcept override {
    last = std::string(subject) + "|" + std::string(name) + "|" + std::string(password);
    return ++times;
  }
  std::uint64_t times = 0;
  std::string last;
};

class Told final : public VerdictWaiter {
 public:
  void onVerdict(bool isRight) noexcept override { said += isRight ? 'y' : 'n'; }
  std::string said;
};

plan::Users usersOf(std::string digest) {
  plan::Users users;
  users.file = "users.txt";
  users.digest = std::move(digest);
  return users;
}

} // namespace

TEST(
    "credentials are asked about once and the verdict is kept, right ones longer than wrong ones") {
  Asked asked;
  Verdicts verdicts(asked);
  const plan::Users users = usersOf("v1");
  Told waiter;
  CHECK(verdicts.find(users, "ann", "good", 0, waiter) == Verdict::Asked);
  CHECK(asked.last == "users.txt|ann|good");
  verdicts.onAnswer(1, true, 0);
  CHECK(waiter.said == "y");
  CHECK(verdicts.find(users, "ann", "good", 60'000, waiter) == Verdict::Right);
  CHECK(verdicts.find(users, "ann", "bad", 0, waiter) == Verdict::Asked);
  verdicts.onAnswer(2, false, 0);
  CHECK(verdicts.find(users, "ann", "bad", 1000, waiter) == Verdict::Wrong);
  CHECK(verdicts.find(users, "ann", "bad", 2000, waiter) == Verdict::Asked);
}

TEST("a verdict is good for its users file, its version, its name and its password alone") {
  Asked asked;
  Verdicts verdicts(asked);
  Told waiter;
  CHECK(verdicts.find(usersOf("v1"), "ann", "good", 0, waiter) == Verdict::Asked);
  verdicts.onAnswer(1, true, 0);
  CHECK(verdicts.find(usersOf("v2"), "ann", "good", 0, waiter) == Verdict::Asked);
  CHECK(verdicts.find(usersOf("v1"), "anng", "ood", 0, waiter) == Verdict::Asked);
  CHECK(verdicts.find(usersOf("v1"), "ann", "goo", 0, waiter) == Verdict::Asked);
  CHECK(verdicts.find(usersOf("v1"), "ann", "good", 0, waiter) == Verdict::Right);
}

TEST("a flood of guesses is bounded, and what is beyond the bound is wrong at once") {
  Asked asked;
  Verdicts verdicts(asked);
  const plan::Users users = usersOf("v1");
  std::vector<Told> waiters(513);
  for (std::size_t i = 0; i < 512; ++i) {
    CHECK(verdicts.find(users, "ann", std::to_string(i), 0, waiters[i]) == Verdict::Asked);
  }
  CHECK(verdicts.find(users, "ann", "one more", 0, waiters[512]) == Verdict::Wrong);
  verdicts.onAnswer(1, false, 0);
  CHECK(verdicts.find(users, "ann", "one more", 0, waiters[512]) == Verdict::Asked);
  CHECK(waiters[0].said == "n");
}

TEST("a flood of guesses makes nobody forgotten who is known to be right") {
  Asked asked;
  Verdicts verdicts(asked);
  const plan::Users users = usersOf("v1");
  Told honest;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    CHECK(verdicts.find(users, "ann", "good" + std::to_string(i), 0, honest) == Verdict::Asked);
    verdicts.onAnswer(i, true, 0);
  }
  std::vector<Told> guesses(5000);
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    static_cast<void>(verdicts.find(users, "ann", std::to_string(i), 0, guesses[i]));
    if (i % 3 == 0) {
      // The oldest that was not answered.
      verdicts.onAnswer(101 + i / 3, false, 0);
    }
  }
  for (std::uint64_t i = 1; i <= 100; ++i) {
    CHECK(verdicts.find(users, "ann", "good" + std::to_string(i), 1, honest) == Verdict::Right);
  }
}
