#include "balance/pick.h"

#include "balance/ip_hash.h"
#include "balance/least_connections.h"
#include "balance/maglev.h"
#include "balance/power_of_two_choices.h"
#include "balance/random.h"
#include "balance/round_robin.h"

namespace sluice::balance {

std::int32_t pick(const plan::Plan& plan, const plan::Pool& pool, const PickInput& input) noexcept {
  const Candidates all{plan.targetsOf(pool), pool.table, input};
  switch (pool.strategy) {
  case Strategy::RoundRobin:
    return pickRoundRobin(all, *pool.state);
  case Strategy::Random:
    return pickRandom(all);
  case Strategy::LeastConnections:
    return pickLeastConnections(all, *pool.state);
  case Strategy::IpHash:
    return pickIpHash(all);
  case Strategy::PowerOfTwoChoices:
    return pickPowerOfTwoChoices(all);
  case Strategy::Maglev:
    return pickMaglev(all);
  }
  return -1;
}

} // namespace sluice::balance
