// When work arrives in an open loop, whatever the target does: at equal gaps, or as a Poisson
// process. Each arrival carries the instant it was intended for, and latencies are counted from
// there, so that a target which stalls is charged for everybody who came meanwhile. The gaps come
// from a fixed seed: every contestant of a comparison meets the same arrivals.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "load/command_line.h"

namespace sluice::load {

/// Closed: a piece of work is sent when the answer to the one before has come.
enum class Arrival { Closed, Fixed, Poisson };

struct ArrivalShape {
  Arrival kind = Arrival::Closed;
  double rate = 0; ///< a second
  std::uint32_t queueLimit = 0;
  std::uint32_t seed = 1;

  [[nodiscard]] bool isOpen() const { return kind != Arrival::Closed; }
};

inline constexpr const char* kArrivalNames[] = {"closed", "fixed", "poisson"};

[[nodiscard]] inline ArrivalShape parseArrival(CommandLine& line) {
  ArrivalShape shape;
  shape.kind = static_cast<Arrival>(
      line.choice("--arrival", {kArrivalNames[0], kArrivalNames[1], kArrivalNames[2]}));
  if (shape.isOpen()) {
    shape.rate = line.number("--rate", 0, 0.1, 1e7);
    if (shape.rate == 0) {
      fail("an open loop needs --rate");
    }
    shape.queueLimit = line.count("--queue", 65'536, 0, 16'777'216);
    shape.seed = line.count("--seed", 1, 0, std::numeric_limits<std::uint32_t>::max());
  }
  return shape;
}

class Arrivals {
 public:
  explicit Arrivals(const ArrivalShape& shape)
      : isPoisson_(shape.kind == Arrival::Poisson), meanGapNs_(1e9 / shape.rate),
        state_(shape.seed) {}

  void start(std::uint64_t now) {
    startNs_ = now;
    advance();
  }

  void stop() { nextNs_ = std::numeric_limits<std::uint64_t>::max(); }

  /// Of the next arrival; never, before start() and after stop().
  [[nodiscard]] std::uint64_t nextNs() const { return nextNs_; }

  /// Calls `take(intendedNs)` for everything that should have arrived by now.
  template<typename Take>
  void takeDue(std::uint64_t now, Take&& take) {
    while (nextNs_ <= now) {
      take(nextNs_);
      advance();
    }
  }

 private:
  void advance() {
    offsetNs_ += isPoisson_ ? -std::log(1.0 - random()) * meanGapNs_ : meanGapNs_;
    nextNs_ = startNs_ + static_cast<std::uint64_t>(offsetNs_);
  }

  /// splitmix64, from 0 to below 1.
  [[nodiscard]] double random() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return static_cast<double>((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53;
  }

  bool isPoisson_;
  double meanGapNs_;
  std::uint64_t state_;
  std::uint64_t startNs_ = 0;
  double offsetNs_ = 0;
  std::uint64_t nextNs_ = std::numeric_limits<std::uint64_t>::max();
};

/// First in, first out, of a fixed capacity.
template<typename T>
class Ring {
 public:
  explicit Ring(std::size_t capacity) : items_(capacity) {}

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const T& front() const { return items_[first_]; }

  /// False, and nothing happens, when it is full.
  [[nodiscard]] bool push(const T& item) {
    if (size_ == items_.size()) {
      return false;
    }
    items_[(first_ + size_) % items_.size()] = item;
    ++size_;
    return true;
  }

  T pop() {
    const T item = items_[first_];
    first_ = (first_ + 1) % items_.size();
    --size_;
    return item;
  }

 private:
  std::vector<T> items_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

} // namespace sluice::load
