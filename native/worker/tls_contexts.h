// The TLS contexts of a plan for every worker: made on the main thread, so that whatever OpenSSL refuses is known before
// anything is in force; those that a plan has in common with the one before are kept, with the sessions that they
// remember. Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "tls/domain.h"
#include "tls/ticket_keys.h"
#include "upstream/target_pool.h"

namespace sluice::worker {

struct TlsProblem {
  /// Index of the listener at fault, or -1.
  std::int32_t listener = -1;
  /// Empty: there is none.
  std::string text;
};

class TlsContexts {
 public:
  explicit TlsContexts(std::uint32_t workers) : workers_(workers) {}

  /// Makes what `plan` needs for each worker.
  [[nodiscard]] TlsProblem open(const plan::Plan& plan, std::vector<upstream::PlanTls>& contexts);
  /// The plan that was opened last is in force: its contexts are what the next one may keep.
  void commit(std::shared_ptr<const plan::Plan> plan);

 private:
  /// Tickets of listeners whose sessions live equally long are sealed with the same keys.
  [[nodiscard]] const tls::TicketKeys* ticketKeys(std::uint32_t periodSeconds);
  [[nodiscard]] bool openDomains();

  std::uint32_t workers_;
  /// One a worker; none before the first plan that needs them.
  std::vector<std::shared_ptr<tls::Domain>> domains_;
  std::map<std::uint32_t, tls::TicketKeys> tickets_;
  std::shared_ptr<const plan::Plan> plan_;
  /// Of plan_, one a worker; and of the plan opened last.
  std::vector<upstream::PlanTls> current_;
  std::vector<upstream::PlanTls> opened_;
};

} // namespace sluice::worker
