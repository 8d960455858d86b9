// Finds a UDP session by its client: open addressing with linear probing, so that a look-up is one or
// two cache lines. A deletion shifts what follows back, so there are no tombstones and no decay
// under churn. Grows by doubling, never shrinks. Belongs to one relay; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "relay/udp_client.h"

namespace sluice::relay {

/// `Session` has `client` and `hash`, which is client.hash(seed).
template<typename Session>
class UdpSessionTable {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  [[nodiscard]] Session* find(const UdpClient& client, std::uint64_t hash) const noexcept {
    if (size_ == 0) {
      return nullptr;
    }
    for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const Cell& cell = cells_[at];
      if (cell.session == nullptr) {
        return nullptr;
      }
      if (cell.hash == hash && cell.session->client == client) {
        return cell.session;
      }
    }
  }

  /// The client is not in the table. False when the machine is out of memory.
  [[nodiscard]] bool insert(Session& session) noexcept {
    // At most half full: probe sequences stay short.
    if ((!cells_ || (size_ + 1) * 2 > mask_ + 1) && !grow()) {
      return false;
    }
    place(&session);
    ++size_;
    return true;
  }

  void erase(const Session& session) noexcept {
    std::size_t hole = session.hash & mask_;
    while (cells_[hole].session != &session) {
      hole = (hole + 1) & mask_;
    }
    for (std::size_t at = (hole + 1) & mask_; cells_[at].session != nullptr;
         at = (at + 1) & mask_) {
      // It may move into the hole unless that lies before the cell where its search begins.
      const std::size_t home = cells_[at].hash & mask_;
      if (((at - home) & mask_) >= ((at - hole) & mask_)) {
        cells_[hole] = cells_[at];
        hole = at;
      }
    }
    cells_[hole] = {};
    --size_;
  }

 private:
  struct Cell {
    std::uint64_t hash = 0;
    Session* session = nullptr;
  };
  static constexpr std::size_t kFirstCells = 256;

  void place(Session* session) noexcept {
    std::size_t at = session->hash & mask_;
    while (cells_[at].session != nullptr) {
      at = (at + 1) & mask_;
    }
    cells_[at] = {session->hash, session};
  }

  bool grow() noexcept {
    const std::size_t before = cells_ ? mask_ + 1 : 0;
    const std::size_t count = before == 0 ? kFirstCells : before * 2;
    std::unique_ptr<Cell[]> bigger(new (std::nothrow) Cell[count]);
    if (!bigger) {
      return false;
    }
    cells_.swap(bigger);
    mask_ = count - 1;
    for (std::size_t at = 0; at < before; ++at) {
      if (bigger[at].session != nullptr) {
        place(bigger[at].session);
      }
    }
    return true;
  }

  std::unique_ptr<Cell[]> cells_;
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
};

} // namespace sluice::relay
