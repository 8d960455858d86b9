#include "upstream/origins.h"

#include <algorithm>

namespace sluice::upstream {

namespace {

/// The pool under `key`, made when there is none; one that is beyond `bound` keeps nothing.
template<typename Table>
std::shared_ptr<TargetPool>
findOrMake(Table& table, const typename Table::key_type& key, const net::SocketAddress& address,
           const std::shared_ptr<IdleBudget>& budget, std::size_t bound) {
  const auto known = table.find(key);
  if (known != table.end()) {
    return known->second;
  }
  if (table.size() >= bound) {
    std::erase_if(table, [](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->isEmpty();
    });
  }
  auto pool = std::make_shared<TargetPool>(address, budget);
  if (table.size() >= bound) {
    pool->retire();
    return pool;
  }
  table.emplace(key, pool);
  return pool;
}

template<typename Table>
const std::shared_ptr<TargetPool>* findIn(const Table& table,
                                          const typename Table::key_type& key) noexcept {
  const auto known = table.find(key);
  return known == table.end() ? nullptr : &known->second;
}

template<typename Table>
void retireIn(Table& table) noexcept {
  for (const auto& [key, pool] : table) {
    pool->retire();
  }
  table.clear();
}

} // namespace

Origins::Beyond::Beyond(const std::shared_ptr<plan::TargetState>& to, std::string_view host,
                        std::uint16_t at) noexcept
    : parent(to), port(at) {
  length = static_cast<std::uint8_t>(std::min<std::size_t>(host.size(), text.size() - 1));
  std::copy_n(host.begin(), length, text.begin());
}

std::shared_ptr<TargetPool> Origins::at(const std::shared_ptr<plan::TargetState>& direct,
                                        const net::SocketAddress& address) {
  return findOrMake(pools_, {direct, address}, address, budget_, kMaxPools);
}

const std::shared_ptr<TargetPool>* Origins::find(const std::shared_ptr<plan::TargetState>& direct,
                                                 const net::SocketAddress& address) const noexcept {
  return findIn(pools_, {direct, address});
}

std::shared_ptr<TargetPool> Origins::behind(const std::shared_ptr<plan::TargetState>& parent,
                                            std::string_view host, std::uint16_t port) {
  return findOrMake(beyond_, Beyond(parent, host, port), {}, budget_, kMaxPools);
}

const std::shared_ptr<TargetPool>*
Origins::findBehind(const std::shared_ptr<plan::TargetState>& parent, std::string_view host,
                    std::uint16_t port) const noexcept {
  return findIn(beyond_, Beyond(parent, host, port));
}

void Origins::retireAll() noexcept {
  retireIn(pools_);
  retireIn(beyond_);
}

} // namespace sluice::upstream
