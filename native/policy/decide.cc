#include "policy/decide.h"

#include <algorithm>

namespace sluice::policy {
namespace {

/// What a condition says; Unknown: it takes an address to tell.
enum class Verdict : std::uint8_t { Holds, Fails, Unknown };

template<typename Texts>
bool isAmong(const Texts& texts, std::string_view text) noexcept {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

bool hasPrefix(std::string_view path, std::string_view prefix) noexcept {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool matchesPath(const plan::Rule& rule, std::string_view path) noexcept {
  switch (rule.pathKind) {
  case PathMatchKind::Any:
    return true;
  case PathMatchKind::Exact:
    return !path.empty() && path == rule.path;
  case PathMatchKind::Prefix:
    return !path.empty() && hasPrefix(path, rule.path);
  case PathMatchKind::Regex:
    // Rules have none: decodePlan() sees to it.
    return false;
  }
  return false;
}

/// Suffixes are of names.
bool matchesHost(const plan::HostMatch& match, const Destination& destination) noexcept {
  const std::string_view host = destination.host();
  switch (match.kind) {
  case HostMatchKind::Any:
    return true;
  case HostMatchKind::Exact:
    return host == match.value;
  case HostMatchKind::Suffix:
    return !destination.isAddress() && host.size() > match.value.size() &&
           host.ends_with(match.value);
  }
  return false;
}

bool isWithinAny(std::span<const plan::TimeWindow> windows, const LocalTime& time) noexcept {
  return std::any_of(windows.begin(), windows.end(),
                     [&](const plan::TimeWindow& window) { return isWithin(window, time); });
}

/// Everything but the destination's host, in the order in which it is cheap.
bool doOthersHold(const plan::Rule& rule, const Question& question) noexcept {
  return (rule.methods.empty() || isAmong(rule.methods, question.method)) &&
         (rule.ports.empty() || plan::holds(rule.ports, question.destination.port)) &&
         (rule.times.empty() || isWithinAny(rule.times, question.time)) &&
         (rule.users.empty() || (!question.user.empty() && isAmong(rule.users, question.user))) &&
         (rule.clients.empty() || rule.clients.has(question.client)) &&
         matchesPath(rule, question.path);
}

/// One of the hosts, blocks and lists holds, or none is given.
Verdict destinationVerdict(const plan::Plan& plan, const plan::Rule& rule,
                           const Question& question) noexcept {
  if (rule.hosts.empty() && rule.blocks.empty() && rule.lists.empty()) {
    return Verdict::Holds;
  }
  const Destination& destination = question.destination;
  for (const plan::HostMatch& host : rule.hosts) {
    if (matchesHost(host, destination)) {
      return Verdict::Holds;
    }
  }
  bool hasBlocks = !rule.blocks.empty();
  for (const std::uint32_t at : rule.lists) {
    const plan::List& list = plan.lists[at];
    if (list.hostSet.has(destination.host())) {
      return Verdict::Holds;
    }
    hasBlocks = hasBlocks || !list.blocks.empty();
  }
  if (!hasBlocks) {
    return Verdict::Fails;
  }
  const std::span<const std::uint8_t> address =
      destination.isAddress() ? destination.address() : question.address;
  if (address.empty()) {
    return Verdict::Unknown;
  }
  const bool isInside = rule.blocks.has(address) ||
                        std::any_of(rule.lists.begin(), rule.lists.end(), [&](std::uint32_t at) {
                          return plan.lists[at].blocks.has(address);
                        });
  return isInside ? Verdict::Holds : Verdict::Fails;
}

} // namespace

bool isWithin(const plan::TimeWindow& window, const LocalTime& time) noexcept {
  const auto beginsOn = [&](unsigned day) { return (window.days >> day & 1U) != 0; };
  const bool hasBegun = time.minute >= window.fromMinute;
  const bool hasEnded = time.minute >= window.toMinute;
  if (window.toMinute > window.fromMinute) {
    return beginsOn(time.weekday) && hasBegun && !hasEnded;
  }
  // Over midnight: it began today, or it began yesterday and has not ended.
  return (beginsOn(time.weekday) && hasBegun) || (beginsOn((time.weekday + 6U) % 7U) && !hasEnded);
}

std::uint32_t decide(const plan::Plan& plan, const plan::Forward& forward,
                     const Question& question) noexcept {
  for (std::size_t i = 0; i < forward.rules.size(); ++i) {
    const plan::Rule& rule = forward.rules[i];
    if (!doOthersHold(rule, question)) {
      continue;
    }
    switch (destinationVerdict(plan, rule, question)) {
    case Verdict::Holds:
      return static_cast<std::uint32_t>(i);
    case Verdict::Unknown:
      return kNeedsAddresses;
    case Verdict::Fails:
      break;
    }
  }
  // Plans end with a rule that matches everything.
  return static_cast<std::uint32_t>(forward.rules.size() - 1);
}

} // namespace sluice::policy
