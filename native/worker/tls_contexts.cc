#include "worker/tls_contexts.h"

#include <time.h>

#include <utility>

namespace sluice::worker {

namespace {

/// The listener that a position among a plan's serverTls belongs to.
const plan::Listener* listenerOf(const plan::Plan& plan, std::uint32_t tls) noexcept {
  for (const plan::Listener& listener : plan.listeners) {
    if (listener.serverTls == tls) {
      return &listener;
    }
  }
  return nullptr;
}

} // namespace

bool TlsContexts::openDomains() {
  while (domains_.size() < workers_) {
    auto domain = tls::Domain::make();
    if (domain == nullptr) {
      return false;
    }
    domains_.push_back(std::move(domain));
  }
  return true;
}

const tls::TicketKeys* TlsContexts::ticketKeys(std::uint32_t periodSeconds) {
  // The clock of the workers' loops, which nobody sets.
  timespec clock{};
  ::clock_gettime(CLOCK_MONOTONIC, &clock);
  const auto now = static_cast<std::uint64_t>(clock.tv_sec);
  const auto [entry, isNew] = tickets_.try_emplace(periodSeconds);
  if (isNew && !entry->second.begin(now, periodSeconds)) {
    tickets_.erase(entry);
    return nullptr;
  }
  entry->second.advance(now);
  return &entry->second;
}

TlsProblem TlsContexts::open(const plan::Plan& plan, std::vector<upstream::PlanTls>& contexts) {
  contexts.assign(workers_, {});
  opened_ = contexts;
  if (plan.serverTls.empty() && plan.clientTls.empty()) {
    return {};
  }
  if (!openDomains()) {
    return {.listener = -1, .text = "no memory for TLS"};
  }
  for (std::uint32_t at = 0; at < plan.serverTls.size(); ++at) {
    const plan::ServerTls& terms = plan.serverTls[at];
    const plan::Listener* listener = listenerOf(plan, at);
    const std::string scope = listener != nullptr ? listener->name : std::string();
    const auto index =
        listener != nullptr ? static_cast<std::int32_t>(listener - plan.listeners.data()) : -1;
    const tls::TicketKeys* keys = ticketKeys(terms.sessionSeconds);
    if (keys == nullptr) {
      return {.listener = index, .text = "no randomness for the keys of session tickets"};
    }
    for (std::uint32_t w = 0; w < workers_; ++w) {
      std::shared_ptr<tls::ServerContext> context;
      for (std::uint32_t old = 0; plan_ != nullptr && old < plan_->serverTls.size(); ++old) {
        const plan::Listener* before = listenerOf(*plan_, old);
        if (before != nullptr && before->name == scope && plan_->serverTls[old] == terms) {
          context = current_[w].servers[old];
        }
      }
      std::string problem;
      if (context == nullptr) {
        context = tls::ServerContext::make(domains_[w], terms, scope, *keys, problem);
      }
      if (context == nullptr) {
        return {.listener = index, .text = std::move(problem)};
      }
      contexts[w].servers.push_back(std::move(context));
    }
  }
  for (const plan::ClientTls& terms : plan.clientTls) {
    for (std::uint32_t w = 0; w < workers_; ++w) {
      std::shared_ptr<tls::ClientContext> context;
      for (std::uint32_t old = 0; plan_ != nullptr && old < plan_->clientTls.size(); ++old) {
        if (plan_->clientTls[old] == terms) {
          context = current_[w].clients[old];
        }
      }
      std::string problem;
      if (context == nullptr) {
        context = tls::ClientContext::make(domains_[w], terms, problem);
      }
      if (context == nullptr) {
        return {.listener = -1, .text = std::move(problem)};
      }
      contexts[w].clients.push_back(std::move(context));
    }
  }
  opened_ = contexts;
  return {};
}

void TlsContexts::commit(std::shared_ptr<const plan::Plan> plan) {
  plan_ = std::move(plan);
  current_ = std::exchange(opened_, {});
}

} // namespace sluice::worker
