// One worker's idle connections to destinations of forward proxies, by address: a table that grows
// with what clients ask for and forgets what is not used. Touched by that worker alone.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "net/socket_address.h"
#include "upstream/target_pool.h"

namespace sluice::upstream {

class Origins {
 public:
  /// The pool of an address, made when there is none. One that is beyond the bound keeps nothing.
  /// `direct`: of the listener whose connections these are; others may go out from elsewhere.
  [[nodiscard]] std::shared_ptr<TargetPool> at(const std::shared_ptr<plan::TargetState>& direct,
                                               const net::SocketAddress& address);
  /// The same, or null when there is none: nothing idles there.
  [[nodiscard]] const std::shared_ptr<TargetPool>*
  find(const std::shared_ptr<plan::TargetState>& direct,
       const net::SocketAddress& address) const noexcept;
  // The same of a destination beyond a parent, which is named and not addressed:
  [[nodiscard]] std::shared_ptr<TargetPool> behind(const std::shared_ptr<plan::TargetState>& parent,
                                                   std::string_view host, std::uint16_t port);
  [[nodiscard]] const std::shared_ptr<TargetPool>*
  findBehind(const std::shared_ptr<plan::TargetState>& parent, std::string_view host,
             std::uint16_t port) const noexcept;
  /// Evicts every idle connection.
  void retireAll() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return pools_.size() + beyond_.size(); }

 private:
  static constexpr std::size_t kMaxPools = 4096;
  /// Over all destinations: clients decide how many of these there are.
  static constexpr std::uint32_t kMaxIdle = 1024;

  struct Near {
    std::shared_ptr<plan::TargetState> direct;
    net::SocketAddress address;
    [[nodiscard]] bool operator==(const Near& other) const noexcept {
      return direct == other.direct && address == other.address;
    }
  };
  struct NearHash {
    [[nodiscard]] std::size_t operator()(const Near& near) const noexcept {
      return near.address.hash();
    }
  };

  /// Identifies a destination beyond a parent.
  struct Beyond {
    /// Kept, so that no other parent is taken for it.
    std::shared_ptr<plan::TargetState> parent;
    std::uint16_t port = 0;
    std::array<char, 256> text{};
    std::uint8_t length = 0;
    Beyond(const std::shared_ptr<plan::TargetState>& parent, std::string_view host,
           std::uint16_t port) noexcept;
    [[nodiscard]] std::string_view host() const noexcept { return {text.data(), length}; }
    [[nodiscard]] bool operator==(const Beyond& other) const noexcept {
      return parent == other.parent && port == other.port && host() == other.host();
    }
  };
  struct BeyondHash {
    [[nodiscard]] std::size_t operator()(const Beyond& beyond) const noexcept {
      return std::hash<std::string_view>{}(beyond.host()) * 31 + beyond.port;
    }
  };

  /// Outlives the pools, which outlive this.
  std::shared_ptr<IdleBudget> budget_ = std::make_shared<IdleBudget>(IdleBudget{.left = kMaxIdle});
  std::unordered_map<Near, std::shared_ptr<TargetPool>, NearHash> pools_;
  std::unordered_map<Beyond, std::shared_ptr<TargetPool>, BeyondHash> beyond_;
};

} // namespace sluice::upstream
