// What a relay is given by its worker. Everything here belongs to that worker and is touched by its
// thread alone; only stat shards, pool cursors and target states are shared, as plan/state.h says.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "balance/rng.h"
#include "base/byte_ring.h"
#include "base/local_clock.h"
#include "http/answer.h"
#include "http/request.h"
#include "http/response.h"
#include "net/loop.h"
#include "net/pump.h"
#include "upstream/names.h"
#include "upstream/origins.h"
#include "upstream/target_pool.h"
#include "upstream/verdicts.h"

namespace sluice::relay {

/// A listener as one worker has it open: found again by the next plan that keeps its address. Flows
/// hold it to learn what the current plan says of their listener.
struct ListenerSlot {
  /// Position in the listeners of the context's current plan; meaningless once isClosing.
  std::uint32_t index = 0;
  /// The listener has left the configuration or the worker drains: flows end with what they are
  /// doing.
  bool isClosing = false;
};

/// Something that lives until its client or target ends it: a connection, a tunnel, a UDP
/// listener's table. The list is how a worker reaches all of them to drain or to close.
class Flow : public net::Disposable {
 public:
  /// Finish what is in flight and take on nothing new; idle flows close now.
  virtual void onDrain() noexcept = 0;
  /// Some listener has left the configuration; idle flows of a closed one close now.
  virtual void onListenerClosed() noexcept {}
  /// Close at once.
  virtual void onCut() noexcept = 0;

 protected:
  Flow() = default;
  ~Flow() = default;

 private:
  friend class FlowList;
  Flow* next_ = nullptr;
  Flow* previous_ = nullptr;
};

class FlowList {
 public:
  void add(Flow& flow) noexcept {
    flow.next_ = first_;
    flow.previous_ = nullptr;
    if (first_ != nullptr) {
      first_->previous_ = &flow;
    }
    first_ = &flow;
    ++count_;
  }
  void remove(Flow& flow) noexcept {
    (flow.previous_ != nullptr ? flow.previous_->next_ : first_) = flow.next_;
    if (flow.next_ != nullptr) {
      flow.next_->previous_ = flow.previous_;
    }
    --count_;
  }
  /// Calls `visit` for each flow; a visited flow may leave the list.
  template<typename Visit>
  void forEach(Visit visit) noexcept {
    for (Flow* flow = first_; flow != nullptr;) {
      Flow* next = flow->next_;
      visit(*flow);
      flow = next;
    }
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

 private:
  Flow* first_ = nullptr;
  std::uint32_t count_ = 0;
};

struct Slabs;

/// Working space of the HTTP sessions, used within one call from the loop and never across two.
struct HttpScratch {
  http::RequestHead request;
  http::ResponseHead response;
  /// A request path that is not in normal form.
  std::array<char, 64 * 1024> path;
  /// Where heads are written before they are sent.
  std::array<char, 160 * 1024> head;
};

/// The Date of generated answers, formatted once a second.
class DateCache {
 public:
  [[nodiscard]] std::string_view at(std::uint64_t wallMs) noexcept {
    if (wallMs / 1000 != second_) {
      second_ = wallMs / 1000;
      http::formatDate(static_cast<std::time_t>(second_), text_);
    }
    return {text_, http::kDateBytes};
  }

 private:
  std::uint64_t second_ = 0;
  char text_[http::kDateBytes] = {};
};

struct Context {
  std::uint32_t worker;
  net::Loop& loop;
  net::PipePool& pipes;
  balance::Rng& rng;
  /// Access log records on their way to the log writer's thread.
  ByteRing& log;
  FlowList& flows;
  /// Where flows are made (relay/slabs.h).
  Slabs& slabs;
  HttpScratch& http;
  // Of forward proxies:
  upstream::Origins& origins;
  upstream::Names& names;
  upstream::Verdicts& verdicts;
  LocalClock clock{};
  DateCache date;
  /// The plan in force; new work takes a lease of it.
  upstream::PlanLease current;
  /// Counts connections that go out from one of several addresses.
  std::uint32_t departures = 0;

  /// Where the next connection to an address of this family goes out from; without length: the
  /// kernel chooses.
  [[nodiscard]] net::SocketAddress sourceFor(const plan::Forward& forward,
                                             AddressFamily family) noexcept;

  [[nodiscard]] plan::StatShard& shard(const std::shared_ptr<plan::EntityStats>& stats) noexcept {
    return stats->of(worker);
  }
};

inline net::SocketAddress Context::sourceFor(const plan::Forward& forward,
                                             AddressFamily family) noexcept {
  const std::size_t count = forward.sources.size();
  for (std::size_t i = 0; i < count; ++i) {
    const plan::Address& source = forward.sources[(departures + i) % count];
    if (source.family == family) {
      departures = static_cast<std::uint32_t>((departures + i + 1) % count);
      return upstream::toSocketAddress(source);
    }
  }
  return {};
}

} // namespace sluice::relay
