#include "upstream/names.h"

#include <utility>

namespace sluice::upstream {

namespace {

/// For whoever comes when no more can be asked at a time.
const NameAnswer kBusy{.error = Errc::NameTimeout, .ttlMs = 0, .addresses = {}};

} // namespace

/// Forgets what no longer holds; if that is not enough, whatever nobody waits for.
bool Names::makeRoom(std::uint64_t nowMs) noexcept {
  if (entries_.size() < kMaxEntries) {
    return true;
  }
  std::erase_if(entries_, [=](const auto& entry) {
    return !entry.second.isPending && entry.second.expiresMs <= nowMs;
  });
  for (auto at = entries_.begin(); at != entries_.end() && entries_.size() >= kMaxEntries;) {
    at = at->second.isPending ? std::next(at) : entries_.erase(at);
  }
  return entries_.size() < kMaxEntries;
}

const NameAnswer* Names::find(std::string_view host, std::uint64_t nowMs,
                              NameWaiter& waiter) noexcept {
  auto known = entries_.find(host);
  if (known == entries_.end()) {
    if (!makeRoom(nowMs)) {
      return &kBusy;
    }
    known = entries_.try_emplace(std::string(host)).first;
  }
  Entry& entry = known->second;
  if (!entry.isPending && nowMs < entry.expiresMs) {
    return &entry.answer;
  }
  entry.waiters.add(waiter);
  if (!entry.isPending) {
    entry.isPending = true;
    entry.question = outlet_.ask(QuestionKind::Addresses, host, {}, {});
    questions_.emplace(entry.question, known->first);
  }
  return nullptr;
}

void Names::onAnswer(std::uint64_t id, NameAnswer answer, std::uint64_t nowMs) noexcept {
  const auto question = questions_.find(id);
  if (question == questions_.end()) {
    return;
  }
  const std::string host = std::move(question->second);
  questions_.erase(question);
  const auto known = entries_.find(host);
  if (known == entries_.end()) {
    return;
  }
  if (answer.addresses.size() > kMaxAddresses) {
    // Whoever owns a zone decides how many there are, and all of them would be kept.
    // Copied, because vectors do not shrink where there are no exceptions.
    answer.addresses = std::vector<net::IpPort>(answer.addresses.begin(),
                                                answer.addresses.begin() +
                                                    static_cast<std::ptrdiff_t>(kMaxAddresses));
  }
  Entry& entry = known->second;
  entry.answer = std::move(answer);
  entry.expiresMs = nowMs + entry.answer.ttlMs;
  // Still pending while they are told: it stays where it is, and who asks now is told as well.
  while (NameWaiter* waiter = entry.waiters.take()) {
    waiter->onName(entry.answer);
  }
  entry.isPending = false;
  if (entry.answer.ttlMs == 0) {
    // By name: who was told may have asked for more, and moved the table.
    entries_.erase(host);
  }
}

} // namespace sluice::upstream
