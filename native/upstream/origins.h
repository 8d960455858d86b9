// One worker's idle connections to destinations of forward proxies, by address: a table that grows
// with what clients ask for and forgets what is not used. Touched by that worker alone.
#pragma once

#include <memory>
#include <unordered_map>

#include "net/socket_address.h"
#include "upstream/target_pool.h"

namespace sluice::upstream {

class Origins {
 public:
  /// The pool of an address, made when there is none. One that is beyond the bound keeps nothing.
  [[nodiscard]] std::shared_ptr<TargetPool> at(const net::SocketAddress& address);
  /// The same, or null when there is none: nothing idles there.
  [[nodiscard]] const std::shared_ptr<TargetPool>*
  find(const net::SocketAddress& address) const noexcept;
  /// Evicts every idle connection.
  void retireAll() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return pools_.size(); }

 private:
  static constexpr std::size_t kMaxPools = 4096;

  struct Hash {
    [[nodiscard]] std::size_t operator()(const net::SocketAddress& address) const noexcept {
      return address.hash();
    }
  };

  std::unordered_map<net::SocketAddress, std::shared_ptr<TargetPool>, Hash> pools_;
};

} // namespace sluice::upstream
