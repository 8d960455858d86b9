#include "upstream/verdicts.h"

#include <cstring>

#include "tls/keyed_digest.h"

namespace sluice::upstream {

namespace {

constexpr std::uint64_t kRightMs = 5 * 60 * 1000;
/// Short: a password may be set any moment, and guessing is slowed down by the hash.
constexpr std::uint64_t kWrongMs = 2000;

} // namespace

Verdicts::Verdicts(QuestionOutlet& outlet) noexcept : outlet_(outlet) {
  tls::fillRandom(secret_);
}

std::size_t Verdicts::KeyHash::operator()(const Key& key) const noexcept {
  // A digest is as good as random wherever one looks at it.
  std::size_t hash = 0;
  std::memcpy(&hash, key.data(), sizeof hash);
  return hash;
}

Verdicts::Key Verdicts::keyOf(const plan::Users& users, std::string_view name,
                              std::string_view password) const noexcept {
  tls::KeyedDigest digest(secret_);
  // The digest of the users too: what was right in another version of the file counts no more.
  digest.add(users.file);
  digest.add(users.digest);
  digest.add(name);
  digest.add(password);
  return digest.finish();
}

bool Verdicts::makeRoom(std::uint64_t nowMs) noexcept {
  if (entries_.size() < kMaxEntries) {
    return true;
  }
  std::erase_if(entries_, [=](const auto& entry) {
    return !entry.second.isPending && (entry.second.expiresMs <= nowMs || !entry.second.isRight);
  });
  for (auto at = entries_.begin(); at != entries_.end() && entries_.size() >= kMaxEntries;) {
    at = at->second.isPending ? std::next(at) : entries_.erase(at);
  }
  return entries_.size() < kMaxEntries;
}

Verdict Verdicts::find(const plan::Users& users, std::string_view name, std::string_view password,
                       std::uint64_t nowMs, VerdictWaiter& waiter) noexcept {
  const Key key = keyOf(users, name, password);
  auto known = entries_.find(key);
  if (known == entries_.end()) {
    if (questions_.size() >= kMaxPending || !makeRoom(nowMs)) {
      // So many guesses at a time are nobody's honest work, and those that are known to be right
      // are not forgotten for them.
      return Verdict::Wrong;
    }
    known = entries_.try_emplace(key).first;
  }
  Entry& entry = known->second;
  if (!entry.isPending && nowMs < entry.expiresMs) {
    return entry.isRight ? Verdict::Right : Verdict::Wrong;
  }
  entry.waiters.add(waiter);
  if (!entry.isPending) {
    entry.isPending = true;
    questions_.emplace(outlet_.ask(QuestionKind::Password, users.file, name, password), key);
  }
  return Verdict::Asked;
}

void Verdicts::onAnswer(std::uint64_t id, bool isRight, std::uint64_t nowMs) noexcept {
  const auto question = questions_.find(id);
  if (question == questions_.end()) {
    return;
  }
  const auto known = entries_.find(question->second);
  questions_.erase(question);
  if (known == entries_.end()) {
    return;
  }
  Entry& entry = known->second;
  entry.isRight = isRight;
  entry.expiresMs = nowMs + (isRight ? kRightMs : kWrongMs);
  // Still pending while they are told, so that it stays where it is.
  while (VerdictWaiter* waiter = entry.waiters.take()) {
    waiter->onVerdict(isRight);
  }
  entry.isPending = false;
}

} // namespace sluice::upstream
